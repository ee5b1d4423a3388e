"""Writing to the contract's tables: for loading usage into a warehouse, and for nothing else.

Everything that audits opens a warehouse with :func:`audits.warehouse.open_warehouse`, which cannot write to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Table,
    and_,
    column,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal,
    not_,
    select,
    text,
)
from sqlalchemy import table as lightweight_table
from sqlalchemy.exc import ArgumentError, DBAPIError

from audits.errors import AuditsError
from audits.warehouse.dialects import analyze
from audits.warehouse.engines import Warehouse, parse_url, require_duckdb
from audits.warehouse.failures import Part, failure
from audits.warehouse.new_file import make_file
from audits.warehouse.staging import index_for_loading, settings_for_loading, stage
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

LOADED = "The batches before it are kept: the same load goes on from there."

_COLUMNS_THERE = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = ANY (current_schemas(true)) AND table_catalog = current_database()
"""


@contextmanager
def target(url: str, tables: Sequence[Table]) -> Iterator[Warehouse]:
    """The warehouse at ``url`` with its source tables writable; those of ``tables`` that are missing are made.

    A DuckDB file that does not exist yet is made too. Raises AuditsError where the warehouse does not answer, may not
    be written, or has a table that lacks a column.
    """
    parsed = parse_url(url)
    backend, shown = parsed.get_backend_name(), parsed.render_as_string(hide_password=True)
    if backend == "duckdb" and parsed.database:
        file = Path(parsed.database)
        try:
            make_file(file)
        except duckdb.Error as error:
            raise failure(_part(shown), error, opening=True) or error from error
        require_duckdb(file, parsed)
    elif backend != "postgresql":
        raise _cannot_open(shown, "only DuckDB files and PostgreSQL can be loaded", None)
    engine = create_engine(parsed).execution_options(schema_translate_map={SOURCE_SCHEMA: None})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        with closing(connection.cursor()) as cursor:
            for setting in settings_for_loading(engine.dialect.name):
                cursor.execute(setting)
        connection.commit()

    try:
        try:
            with engine.begin() as connection:
                _make_missing(connection, tables)
        except DBAPIError as error:
            raise _cannot_open(shown, str(error.orig).strip().splitlines()[0], error) from error
        yield Warehouse(engine, shown, writable=True, part=_part(shown))
        with engine.begin() as connection:
            analyze(connection, tables)
    finally:
        engine.dispose()


def append_new(connection: Connection, table: Table, key: Sequence[str], rows: pa.Table) -> int:
    """Insert those of ``rows`` whose ``key`` the table does not have yet; of rows with one key, the first.

    One statement whatever the number of rows. Returns how many were inserted. Key columns hold no NULL.
    """
    rows = _first_of_each(rows, key)
    if not rows.num_rows:
        return 0
    stage(connection, "staged_rows", table, rows)
    staged = lightweight_table("staged_rows", *(column(name) for name in rows.column_names))
    known = select(literal(1)).where(*(table.c[name] == staged.c[name] for name in key)).exists()
    new = select(*staged.c).where(~known)
    statement = insert(table).from_select(rows.column_names, new)
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def replace_changed(
    connection: Connection, table: Table, key: Sequence[str], rows: pa.Table, arrival: str
) -> tuple[int, int]:
    """Insert ``rows``, in the place of those of the same ``key`` where they differ in anything but their ``arrival``.

    Of rows with one key the last counts. Three statements whatever the number of rows; key columns may be NULL where
    their table says so. Returns how many rows are new or changed, and how many of these took another's place.
    """
    rows = _last_of_each(rows, key)
    if not rows.num_rows:
        return 0, 0
    stage(connection, "staged_rows", table, rows)
    staged = lightweight_table("staged_rows", *(column(name) for name in rows.column_names))

    def alike(names: Iterable[str]) -> list[ColumnElement[bool]]:
        return [_alike(table.c[n], staged.c[n]) if n in staged.c else table.c[n].is_(None) for n in names]

    # Most rows are new, and those that are not lie close together: only rows of that time are compared.
    at = next((c for c in table.c if isinstance(c.type, DateTime) and not c.nullable and c.name != arrival), None)
    instants = [] if at is None else [func.min(at), func.max(at)]
    known, *span = connection.execute(
        select(func.count(), *instants).select_from(table.join(staged, and_(*alike(key))))
    ).one()
    counted = {"preserve_rowcount": True}
    new, replaced = select(*staged.c), 0
    if known:
        differs = not_(and_(*alike(c.name for c in table.c if c.name not in {*key, arrival})))
        near = [] if at is None else [at.between(*span)]
        # A join and no EXISTS, for which DuckDB would group by every column of the table.
        changed = delete(table).where(*alike(key), *near, differs)
        replaced = connection.execute(changed, execution_options=counted).rowcount
        new = new.where(~select(literal(1)).select_from(table).where(*alike(key)).correlate(staged).exists())
    statement = insert(table).from_select(rows.column_names, new)
    return connection.execute(statement, execution_options=counted).rowcount, replaced


def remove(connection: Connection, table: Table, key: str, values: Sequence[str]) -> int:
    """Delete the rows whose ``key`` is among the values; how many there were."""
    if not values:
        return 0
    stage(connection, "staged_rows", table, pa.table({key: pa.array(values, pa.string())}))
    staged = lightweight_table("staged_rows", column(key))
    statement = delete(table).where(table.c[key].in_(select(staged.c[key])))
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _alike(own: Column[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    """Plain equality where there is no NULL: PostgreSQL joins by it, and compares each with each otherwise."""
    return own.is_not_distinct_from(other) if own.nullable else own == other


def _first_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return _one_of_each(rows, key, last=False)


def _last_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    return _one_of_each(rows, key, last=True)


def _one_of_each(rows: pa.Table, key: Sequence[str], *, last: bool) -> pa.Table:
    keys = [rows.column(name) for name in key if name in rows.column_names]
    if len(keys) == 1 and pc.count_distinct(keys[0]).as_py() == rows.num_rows:
        return rows
    chosen: dict[tuple[Any, ...], int] = {}
    for number, values in enumerate(zip(*(values.to_pylist() for values in keys), strict=True)):
        if last or values not in chosen:
            chosen[values] = number
    return rows if len(chosen) == rows.num_rows else rows.take(sorted(chosen.values()))


def _make_missing(connection: Connection, tables: Sequence[Table]) -> None:
    there: dict[str, set[str]] = {}
    for name, column_name in connection.execute(text(_COLUMNS_THERE)):
        there.setdefault(name, set()).add(column_name)
    for table in tables:
        if table.name not in there:
            table.create(connection, checkfirst=False)
            index_for_loading(connection, table)
            continue
        missing = [column for column in table.c if column.name not in there[table.name]]
        if missing and table.metadata is not source_metadata and all(column.nullable for column in missing):
            _add(connection, table, missing)  # a table of ours, from before it had them
        elif missing:
            names = [column.name for column in missing]
            raise AuditsError(
                f"The table {table.name} lacks the column{'s' if len(names) > 1 else ''} {', '.join(names)}.",
                where=connection.engine.url.render_as_string(hide_password=True),
                fix="Add what is missing as the warehouse contract says; `audits doctor` lists every difference.",
            )


def _add(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    for one in columns:
        kind = one.type.compile(connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(one.name)} {kind}")


def _cannot_open(where: str, why: str, error: DBAPIError | ArgumentError | None) -> AuditsError:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if cause and (failed := failure(_part(where), cause, opening=True)):
        return failed
    return AuditsError(
        f"The warehouse cannot be written: {why}.",
        where=f"setting AUDITS_WAREHOUSE_URL: {where}",
        fix="Name a DuckDB file (duckdb:////path/to/usage.duckdb), or a PostgreSQL database "
        "(postgresql://user@host/name) in which this user may create and write tables.",
    )


def _part(where: str) -> Part:
    return Part("warehouse", f"setting AUDITS_WAREHOUSE_URL: {where}", LOADED)
