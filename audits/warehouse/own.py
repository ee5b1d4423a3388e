"""The audit's own tables: made where they are missing, made anew where another version of the service left others.

Everything in them can be rebuilt from the source, so a layout that does not fit is dropped whole and not migrated; the
next refresh finds every day missing and builds it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, MetaData, Select, Table, delete, insert, text
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateSchema, CreateTable

from audits.errors import AuditsError
from audits.warehouse.dialects import analyze
from audits.warehouse.tables import AUDIT_SCHEMA, audit_metadata


def make_own_tables(connection: Connection) -> None:
    """Bring the schema ``audit`` to the layout that this version declares."""
    catalog = "rollups." if connection.dialect.name == "duckdb" else ""
    if catalog:
        _require_rollups(connection)
    if not _has_schema(connection, in_catalog="rollups" if catalog else None):
        # Asked first: PostgreSQL refuses IF NOT EXISTS to a role that may not make schemas, even where one is there.
        connection.execute(CreateSchema(f"{catalog}{AUDIT_SCHEMA}"))
    there = _columns(connection, in_catalog="rollups" if catalog else None)
    declared = {table.name: [column.name for column in table.columns] for table in audit_metadata.tables.values()}
    if any(name in there and there[name] != sorted(columns) for name, columns in declared.items()):
        audit_metadata.drop_all(connection)
        there = {}
    missing = [table for table in audit_metadata.sorted_tables if table.name not in there]
    if missing:
        audit_metadata.create_all(connection, missing)


def _require_rollups(connection: Connection) -> None:
    """Refuse a DuckDB file with tables of something else."""
    query = (
        "SELECT min(table_name), any_value(path) FROM duckdb_tables() JOIN duckdb_databases() USING (database_name) "
        "WHERE database_name = 'rollups' AND schema_name <> :schema"
    )
    table, file = connection.execute(text(query), {"schema": AUDIT_SCHEMA}).one()
    if table is not None:
        raise AuditsError(
            f"The DuckDB file {file} is not a rollups file: it has the table {table}.",
            where="setting AUDITS_ROLLUPS_URL",
            fix="Nothing was changed. Name another file, or unset it: the file is then beside the warehouse.",
        )


def make_temporary_tables(connection: Connection, metadata: MetaData) -> None:
    """Tables of this connection alone, empty; the database is not asked first what there is, which takes longer."""
    run_script(connection, _temporary_tables(connection.dialect, metadata))


@lru_cache(maxsize=64)
def _temporary_tables(dialect: Dialect, metadata: MetaData) -> str:
    statements = ((CreateTable(table, if_not_exists=True), delete(table)) for table in metadata.sorted_tables)
    return ";".join(str(one.compile(dialect=dialect)) for pair in statements for one in pair)


def run_script(connection: Connection, script: str) -> None:
    """Run statements without parameters, divided by semicolons, in one call: each call takes longer than they do.

    The driver runs them, since SQLAlchemy's dialect of DuckDB reads each script letter by letter to count its rows.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(script)


def fill(connection: Connection, table: Table, *selects: Select[Any]) -> int:
    """Insert what the selects return, and gather the planner's statistics on the table; how many rows there were."""
    inserts = (insert(table).from_select([column.name for column in rows.selected_columns], rows) for rows in selects)
    n_rows = sum(connection.execute(one).rowcount for one in inserts)
    if n_rows:
        analyze(connection, [table])
    return n_rows


def has_own_tables(connection: Connection) -> bool:
    """Whether the audit's own tables are there as this version declares them: where not, nothing was prepared yet."""
    there = _columns(connection, in_catalog="rollups" if connection.dialect.name == "duckdb" else None)
    return all(
        there.get(table.name) == sorted(column.name for column in table.columns)
        for table in audit_metadata.tables.values()
    )


def _has_schema(connection: Connection, in_catalog: str | None) -> bool:
    wanted = "schema_name = :schema" + (" AND catalog_name = :catalog" if in_catalog else "")
    bound = {"schema": AUDIT_SCHEMA} | ({"catalog": in_catalog} if in_catalog else {})
    return bool(connection.scalar(text(f"SELECT count(*) FROM information_schema.schemata WHERE {wanted}"), bound))  # noqa: S608


def _columns(connection: Connection, in_catalog: str | None) -> dict[str, list[str]]:
    """Table -> its columns, sorted, as the database has them now."""
    wanted = "table_schema = :schema" + (" AND table_catalog = :catalog" if in_catalog else "")
    query = f"SELECT table_name, column_name FROM information_schema.columns WHERE {wanted} ORDER BY 1, 2"  # noqa: S608
    bound = {"schema": AUDIT_SCHEMA} | ({"catalog": in_catalog} if in_catalog else {})
    rows = connection.execute(text(query), bound)
    there: dict[str, list[str]] = {}
    for name, column in rows:
        there.setdefault(name, []).append(column)
    return there
