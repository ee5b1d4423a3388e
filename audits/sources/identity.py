"""By what rows of a file without ids are recognised, and what an earlier load left under another identity.

Such a row's id holds a digest of its content, in the order of the columns' names, and a mark of the columns that the
file has. A column that moves changes nothing; a column that comes or goes changes every id, and the mark shows it:
rows of the same source and time under another mark are most likely the same requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Column, ColumnElement, Connection, MetaData, String, Table, delete, func, insert, not_, select
from sqlalchemy import table as lightweight_table

from audits.errors import AuditsError
from audits.warehouse.staging import stage
from audits.warehouse.tables import usage_events

Condition = Callable[[ColumnElement[Any]], ColumnElement[bool]]
_DIGEST = 32  # characters of a row's digest in its id
_MARK = 8

_kept_ids = Table("kept_ids", MetaData(), Column("event_id", String), prefixes=["TEMPORARY"])


def row_prefix(system: str, schema: pa.Schema) -> str:
    """What the ids of a file's rows begin with: the source and the mark of its columns, in whatever order.

    Texts and other types are told apart, since a digest is made of what is written.
    """
    text = (pa.string(), pa.large_string())
    columns = sorted(f"{column.name}\x1f{'text' if column.type in text else column.type}" for column in schema)
    return f"{system}:row-{hashlib.sha256(chr(30).join(columns).encode()).hexdigest()[:_MARK]}-"


def formed_otherwise(system: str, prefix: str | None) -> Condition:
    """Whether an event id of the source was formed from other columns than the ids that begin with ``prefix``; where
    that is None they come from a column, and ids that are digests of rows were formed otherwise.
    """

    def condition(event_id: ColumnElement[Any]) -> ColumnElement[bool]:
        if prefix is not None:
            return not_(event_id.startswith(prefix, autoescape=True))
        return event_id.startswith(f"{system}:row-", autoescape=True) & event_id.like(
            f"%:row-{'_' * _MARK}-{'_' * _DIGEST}%"
        )

    return condition


def require_one_identity(connection: Connection, system: str, rows: pa.Table, otherwise: Condition) -> None:
    """Refuse rows in whose time lie rows of their source whose ids were formed from other columns."""
    if not rows.num_rows:
        return
    e = usage_events.c
    times = pc.min_max(rows.column("event_ts")).as_py()
    of_source = (e.source_system == system, e.event_ts.between(times["min"], times["max"]))
    there = connection.scalar(select(func.count()).where(*of_source, otherwise(e.event_id))) or 0
    if there:
        raise AuditsError(
            f"{there:,} rows of {system} from {times['min']:%Y-%m-%d} to {times['max']:%Y-%m-%d} were loaded from a "
            "file with other columns. These rows would be counted beside them.",
            where=f"source {system}, table usage_events",
            fix="If this file holds all usage of its time, load it with --replace; if it holds other usage, give its "
            "mapping a `system` of its own.",
        )


def count_beside(connection: Connection, system: str, first: datetime, last: datetime, loaded: int) -> int:
    """How many rows the source has from ``first`` to ``last`` beyond the ``loaded`` ones."""
    e = usage_events.c
    there = connection.scalar(select(func.count()).where(e.source_system == system, e.event_ts.between(first, last)))
    return max((there or 0) - loaded, 0)


def begin_replacing(connection: Connection) -> None:
    """Make the temporary table of the ids that a load keeps."""
    connection.exec_driver_sql("DROP TABLE IF EXISTS kept_ids")
    _kept_ids.create(connection, checkfirst=False)


def keep(connection: Connection, rows: pa.Table) -> None:
    """Note the ids of rows that were loaded."""
    if rows.num_rows:
        stage(connection, "staged_ids", usage_events, rows.select(["event_id"]))
        staged = lightweight_table("staged_ids", Column("event_id", String))
        connection.execute(insert(_kept_ids).from_select(["event_id"], select(staged.c.event_id)))


def remove_others(connection: Connection, system: str, first: datetime, last: datetime) -> int:
    """Delete the source's rows from ``first`` to ``last`` that were not kept; how many there were."""
    e = usage_events.c
    others = e.event_id.not_in(select(_kept_ids.c.event_id))
    gone = delete(usage_events).where(e.source_system == system, e.event_ts.between(first, last), others)
    removed = connection.execute(gone, execution_options={"preserve_rowcount": True}).rowcount
    _kept_ids.drop(connection)
    return int(removed)
