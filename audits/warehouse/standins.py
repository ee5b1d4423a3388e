"""Stand-ins for what a warehouse does not have, so that every statement runs: a column of NULLs, a table without rows.

The source is not touched: DuckDB gets views in the in-memory database that it is attached to, PostgreSQL temporary
views, which a session may make for itself and which are found before the tables of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Dialect, Table

from audits.warehouse.catalog import Catalog
from audits.warehouse.tables import source_metadata


def stand_ins(found: Catalog, absent: frozenset[str], dialect: Dialect) -> tuple[str, ...]:
    """The statements that make them, for a new connection; none where nothing is absent.

    DuckDB: a view ``memory.main.<table>`` for every table of the contract. PostgreSQL: a temporary view for each
    table that is not whole.
    """
    if not absent:
        return ()
    return tuple(_views(found, absent, dialect))


def _views(found: Catalog, absent: frozenset[str], dialect: Dialect) -> Iterator[str]:
    for table in source_metadata.tables.values():
        lacking = {column.name for column in table.columns if f"{table.name}.{column.name}" in absent}
        if dialect.name == "duckdb":
            origin = f"src.main.{table.name}"
            yield f"CREATE VIEW memory.main.{table.name} AS {_select(table, lacking, origin, dialect, found)}"
        elif lacking:
            schema = found[table.name].schema if table.name in found else ""
            origin = f"{dialect.identifier_preparer.quote(schema)}.{table.name}"
            yield f"CREATE TEMPORARY VIEW {table.name} AS {_select(table, lacking, origin, dialect, found)}"


def _select(table: Table, lacking: set[str], origin: str, dialect: Dialect, found: Catalog) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {column.type.compile(dialect)}) AS {column.name}" if column.name in lacking else column.name
        for column in table.columns
    )
    none_there = table.name not in found or len(lacking) == len(table.columns)
    return f"SELECT {columns} " + ("WHERE false" if none_there else f"FROM {origin}")
