"""What an operator's database really has of the contract: tables, columns, types and the right to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from audits.warehouse.tables import source_metadata


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as the database declares it."""

    type: str  # the database's own spelling
    not_null: bool
    readable: bool  # PostgreSQL: the connected role may SELECT it


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table or view by the name of a contract table, in the schema where the connection finds it."""

    schema: str
    is_view: bool
    columns: dict[str, FoundColumn] = field(default_factory=dict)


Catalog = Mapping[str, FoundTable]
"""Contract table -> what is there under its name."""

# Both give: table, schema, is a view, column, type, declared NOT NULL, readable.
_QUERIES = {
    "duckdb": """
        SELECT c.table_name, c.schema_name, v.view_name IS NOT NULL, c.column_name, c.data_type, NOT c.is_nullable, true
        FROM duckdb_columns() c
        LEFT JOIN duckdb_views() v
          ON v.database_name = c.database_name AND v.schema_name = c.schema_name AND v.view_name = c.table_name
        WHERE c.database_name = 'src' AND c.schema_name = 'main'
        ORDER BY c.table_name, c.column_index
    """,
    # A domain counts as the type that it stands for.
    "postgresql": """
        SELECT n.name, s.nspname, c.relkind IN ('v', 'm'), a.attname,
               format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid),
                           CASE WHEN t.typbasetype = 0 THEN a.atttypmod ELSE t.typtypmod END),
               a.attnotnull, has_column_privilege(c.oid, a.attnum, 'SELECT')
        FROM unnest(CAST(:names AS text[])) n(name)
        JOIN pg_class c ON c.oid = to_regclass(quote_ident(n.name))
        JOIN pg_namespace s ON s.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        ORDER BY n.name, a.attnum
    """,
}


def read_catalog(connection: Connection) -> Catalog:
    """Everything that the database has under the names of contract tables, in one query."""
    names = [table.name for table in source_metadata.sorted_tables]
    dialect = connection.dialect.name
    rows = connection.execute(text(_QUERIES[dialect]), {"names": names} if dialect == "postgresql" else {})
    found: dict[str, FoundTable] = {}
    for table, schema, is_view, column, kind, not_null, readable in rows:
        if table in names:
            there = found.setdefault(table, FoundTable(schema, is_view))
            there.columns[column] = FoundColumn(kind, not_null, readable)
    return found
