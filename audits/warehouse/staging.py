"""How rows reach an engine in bulk. Apart from :mod:`audits.warehouse.dialects`, since only few need Arrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv
from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Connection,
    Date,
    DateTime,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    column,
    insert,
    select,
)
from sqlalchemy import table as lightweight_table
from sqlalchemy.types import TypeEngine

from audits.warehouse.tables import SOURCE_SCHEMA


def stage(connection: Connection, name: str, like: Table, rows: pa.Table) -> None:
    """Make ``rows`` readable in this transaction as the table ``name``, with the types of ``like``; in bulk.

    DuckDB reads the Arrow memory where it lies; PostgreSQL takes it as CSV by COPY into a temporary table.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "duckdb":
        driver.register(name, rows)
        return
    quote = connection.dialect.identifier_preparer.quote
    own = like.schema not in (None, SOURCE_SCHEMA)
    there = f"{quote(str(like.schema))}.{quote(like.name)}" if own else quote(like.name)
    staged, columns = quote(name), ", ".join(quote(column) for column in rows.column_names)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{staged}")
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE {staged} ON COMMIT DROP AS SELECT {columns} FROM {there} LIMIT 0"  # noqa: S608
    )
    buffer = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    with driver.cursor() as cursor, cursor.copy(f"COPY {staged} ({columns}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(memoryview(buffer.getvalue()))


def insert_in_bulk(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows as one statement: DuckDB takes a second for a thousand where they come one by one."""
    schema = pa.schema([(column.name, arrow_type(column.type)) for column in table.columns])
    stage(connection, "staged_rows", table, pa.Table.from_pylist(list(rows), schema))
    staged = lightweight_table("staged_rows", *(column(name) for name in schema.names))
    connection.execute(insert(table).from_select(schema.names, select(*staged.c)))


def arrow_type(declared: TypeEngine[Any]) -> pa.DataType:
    """The Arrow type that holds a column's values as they are."""
    match declared:
        case SmallInteger():
            return pa.int16()
        case BigInteger():
            return pa.int64()
        case Integer():
            return pa.int32()
        case REAL():
            return pa.float32()
        case Float():
            return pa.float64()
        case Numeric():
            return pa.decimal128(declared.precision or 18, declared.scale or 0)
        case Boolean():
            return pa.bool_()
        case DateTime():
            return pa.timestamp("us", "UTC")
        case Date():
            return pa.date32()
        case _:
            return pa.string()


def settings_for_loading(dialect: str) -> tuple[str, ...]:
    """What a connection that loads is told: times are UTC, and DuckDB moves its log into the file less often.

    The log is moved at 256 MB instead of 16: half the time of a commit went into it (a million rows in 17 batches).
    """
    return ("SET TimeZone = 'UTC'", *(("SET checkpoint_threshold = '256MB'",) if dialect == "duckdb" else ()))


def index_for_loading(connection: Connection, table: Table) -> None:
    """PostgreSQL's indexes on a new table: is an event there already, which came on a day, what lies in a span.

    DuckDB scans a column as fast, and keeps the day's range of every block by itself.
    """
    if connection.dialect.name != "postgresql":
        return
    name = connection.dialect.identifier_preparer.quote(table.name)
    if table.name == "usage_events":
        connection.exec_driver_sql(f"CREATE INDEX ON {name} (event_id)")
        connection.exec_driver_sql(f"CREATE INDEX ON {name} (event_ts, ingested_ts)")
    elif "trace_id" in table.c:
        connection.exec_driver_sql(f"CREATE INDEX ON {name} (trace_id, span_id)")
