"""Stand-ins for what a warehouse does not have, so that every statement runs: a column of NULLs, a table without rows.

The source is not touched: DuckDB gets views in the in-memory database that it is attached to, PostgreSQL temporary
views, which any session may make for itself.
"""

from __future__ import annotations

from sqlalchemy import Dialect, Table

from audits.warehouse.catalog import Catalog
from audits.warehouse.tables import source_metadata

SCHEMAS = {"duckdb": "memory.main", "postgresql": "pg_temp"}
"""Where the views are made."""


def stand_ins(found: Catalog, absent: frozenset[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make a view of every contract table on a new connection, whole or not."""
    return tuple(
        f"CREATE TEMPORARY VIEW {table.name} AS {_select(table, found, absent, dialect)}"
        if dialect.name == "postgresql"
        else f"CREATE VIEW {SCHEMAS[dialect.name]}.{table.name} AS {_select(table, found, absent, dialect)}"
        for table in source_metadata.tables.values()
    )


def _select(table: Table, found: Catalog, absent: frozenset[str], dialect: Dialect) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {column.type.compile(dialect)}) AS {column.name}"
        if f"{table.name}.{column.name}" in absent
        else column.name
        for column in table.columns
    )
    if table.name in absent:
        return f"SELECT {columns} WHERE false"
    schema = dialect.identifier_preparer.quote(found[table.name].schema)
    origin = f"src.{schema}" if dialect.name == "duckdb" else schema
    return f"SELECT {columns} FROM {origin}.{table.name}"  # noqa: S608 - names of the contract and the catalogue
