"""Loading a source into a warehouse: once per row however often it is run, nothing dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from audits.errors import AuditsError, PartialError
from audits.sources.base import BUCKET_KEY, UNMAPPED, Batch, SetAside, Source, rejected_rows
from audits.sources.privacy import redacted
from audits.warehouse import Warehouse
from audits.warehouse.fit import ESSENTIAL
from audits.warehouse.loading import append_new, replace_changed, target
from audits.warehouse.tables import accounts, source_metadata, usage_events

_REJECT_KEY = ("source_system", "position", "reason", "row_digest")


@dataclass(slots=True)
class LoadReport:
    """What a load did: ``read = loaded + already_there + ignored + the rejected``.

    ``already_there`` counts rows that an earlier load brought and copies within this one. ``unknown_accounts`` are
    those of the read rows that the warehouse's table ``accounts`` does not have, with their rows; ``unmapped`` counts
    rows whose source names no account. ``not_recorded`` are the contract's columns that no row filled.
    """

    system: str
    table: str
    read: int = 0
    loaded: int = 0
    already_there: int = 0
    ignored: int = 0
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)  # (column, reason) -> rows
    examples: dict[tuple[str, str], SetAside] = field(default_factory=dict)
    unmapped: int = 0
    unknown_accounts: dict[str, int] = field(default_factory=dict)
    not_recorded: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None

    @property
    def n_rejected(self) -> int:
        """Rows set aside."""
        return self.rejected.total()


def load(
    source: Source, warehouse_url: str, *, now: datetime, tell: Callable[[LoadReport], None] = lambda _: None
) -> LoadReport:
    """Bring a source's rows into the contract's tables and set aside those that do not fit.

    A batch is one transaction; after a failure what was committed is kept, and the same load goes on. ``now`` is the
    arrival of rows whose source records none. ``tell`` hears of every batch. The one command that writes to the
    contract's tables: it makes the one that it fills and, empty, those that no audit can do without. Others stay
    absent, which says that they are not recorded; an empty table would say that there is nothing.
    """
    report, seen = LoadReport(source.system, source.table.name), _Seen()
    needed = [table for table in source_metadata.sorted_tables if table.name in ESSENTIAL or table is source.table]
    with target(warehouse_url, [*needed, rejected_rows]) as warehouse:
        with warehouse.begin() as connection:
            newest = _newest(connection, source, now)
        with _kept(report):
            for batch in source.batches(newest):
                rows = _with_arrival(batch.rows, now)
                with warehouse.begin() as connection:
                    inserted = _write(connection, source, rows)
                    append_new(connection, rejected_rows, _REJECT_KEY, _rejects(source.system, batch, now))
                _count(report, seen, batch, inserted)
                tell(report)
        report.unknown_accounts = _unknown_accounts(warehouse, seen.accounts)
    _conclude(report, seen, source)
    return report


def preview(source: Source, *, rows: int) -> LoadReport:
    """Map about ``rows`` rows of a source as a load would, and write nothing; ``loaded`` counts those that fit."""
    report, seen = LoadReport(source.system, source.table.name), _Seen()
    for batch in source.batches(None):
        _count(report, seen, batch, batch.rows.num_rows)
        if report.read >= rows:
            break
    _conclude(report, seen, source)
    return report


def _write(connection: Connection, source: Source, rows: pa.Table) -> int:
    if source.table is usage_events:
        return append_new(connection, source.table, ("event_id",), rows)
    return replace_changed(connection, source.table, BUCKET_KEY, rows, "ingested_ts")


@dataclass(slots=True)
class _Seen:
    accounts: Counter[str] = field(default_factory=Counter)
    columns: set[str] = field(default_factory=set)


def _count(report: LoadReport, seen: _Seen, batch: Batch, inserted: int) -> None:
    report.read += batch.read
    report.loaded += inserted
    report.already_there += batch.rows.num_rows - inserted
    report.ignored += batch.ignored
    for entry in batch.set_aside:
        kind = entry.reject.column, entry.reject.reason
        report.rejected[kind] += 1
        report.examples.setdefault(kind, entry)
    if not batch.rows.num_rows:
        return
    seen.columns.update(name for name in batch.rows.column_names if batch.rows.column(name).null_count < batch.read)
    for count in pc.value_counts(batch.rows.column("account_id")).to_pylist():
        seen.accounts[count["values"]] += count["counts"]
    times = pc.min_max(batch.rows.column(_time_column(batch.rows))).as_py()
    report.first = min(times["min"], report.first or times["min"])
    report.last = max(times["max"], report.last or times["max"])


def _conclude(report: LoadReport, seen: _Seen, source: Source) -> None:
    report.unmapped = seen.accounts[UNMAPPED]
    if report.read > report.n_rejected:
        report.not_recorded = tuple(c.name for c in source.table.c if c.name not in seen.columns | {"ingested_ts"})


def _time_column(rows: pa.Table) -> str:
    return "event_ts" if "event_ts" in rows.column_names else "bucket_start"


def _with_arrival(rows: pa.Table, now: datetime) -> pa.Table:
    if not rows.num_rows or "ingested_ts" in rows.column_names:
        return rows
    instant = pa.scalar(now.astimezone(UTC), pa.timestamp("us", "UTC"))
    return rows.append_column("ingested_ts", pa.repeat(instant, rows.num_rows))


def _rejects(system: str, batch: Batch, now: datetime) -> pa.Table:
    return pa.table(
        {
            "source_system": pa.array([system] * len(batch.set_aside), pa.string()),
            "position": pa.array([entry.position for entry in batch.set_aside], pa.string()),
            "reason": pa.array([entry.reject.reason for entry in batch.set_aside], pa.string()),
            "column_name": pa.array([entry.reject.column for entry in batch.set_aside], pa.string()),
            "redacted_value": pa.array(
                [None if entry.reject.value is None else redacted(entry.reject.value) for entry in batch.set_aside],
                pa.string(),
            ),
            "row_digest": pa.array([entry.row_digest for entry in batch.set_aside], pa.string()),
            "loaded_at": pa.array([now] * len(batch.set_aside), pa.timestamp("us", "UTC")),
        }
    )


def _newest(connection: Connection, source: Source, now: datetime) -> datetime | None:
    """An event dated in the future must not make a resumed load skip everything until then: it does not count."""
    if source.table is not usage_events:
        return None
    e = usage_events.c
    newest: datetime | None = connection.scalar(
        select(func.max(e.event_ts)).where(e.source_system == source.system, e.event_ts <= now)
    )
    return newest


def _unknown_accounts(warehouse: Warehouse, seen: Counter[str]) -> dict[str, int]:
    with warehouse.begin() as connection:
        known = set(connection.scalars(select(accounts.c.account_id)))
    return {account: seen[account] for account in sorted(seen.keys() - known - {UNMAPPED})}


@contextmanager
def _kept(report: LoadReport) -> Iterator[None]:
    """Say what is kept where a load breaks off after its first batch."""
    try:
        yield
    except DBAPIError as error:
        raise PartialError(
            f"A batch could not be written: {str(error.orig).strip().splitlines()[0]}",
            where=f"table {report.table}, after {report.read:,} rows",
            fix="The batches before it are kept; put this right and run the same load again, it goes on from there.",
        ) from error
    except AuditsError as error:
        if not report.read:
            raise
        raise PartialError(
            error.what,
            where=error.where,
            fix=f"{error.fix} The {report.loaded:,} rows loaded before are kept; the same load goes on from there.",
        ) from error
