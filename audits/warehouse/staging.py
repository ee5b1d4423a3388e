"""How rows reach an engine in bulk. Apart from :mod:`audits.warehouse.dialects`, since only loading needs Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection, Table


def stage(connection: Connection, name: str, like: Table, rows: pa.Table) -> None:
    """Make ``rows`` readable in this transaction as the table ``name``, with the types of ``like``; in bulk.

    DuckDB reads the Arrow memory where it lies; PostgreSQL takes it as CSV by COPY into a temporary table.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "duckdb":
        driver.register(name, rows)
        return
    quote = connection.dialect.identifier_preparer.quote
    staged, columns = quote(name), ", ".join(quote(column) for column in rows.column_names)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{staged}")
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE {staged} ON COMMIT DROP AS SELECT {columns} FROM {quote(like.name)} LIMIT 0"  # noqa: S608
    )
    buffer = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    with driver.cursor() as cursor, cursor.copy(f"COPY {staged} ({columns}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(memoryview(buffer.getvalue()))


def settings_for_loading(dialect: str) -> tuple[str, ...]:
    """What a connection that loads is told: times are UTC, and DuckDB moves its log into the file less often.

    The log is moved at 256 MB instead of 16: half the time of a commit went into it (a million rows in 17 batches).
    """
    return ("SET TimeZone = 'UTC'", *(("SET checkpoint_threshold = '256MB'",) if dialect == "duckdb" else ()))


def index_for_loading(connection: Connection, table: Table) -> None:
    """PostgreSQL's indexes on a new event table: is an event there already, and which came on a day.

    DuckDB scans a column as fast, and keeps the day's range of every block by itself.
    """
    if connection.dialect.name == "postgresql" and "event_id" in table.c:
        name = connection.dialect.identifier_preparer.quote(table.name)
        connection.exec_driver_sql(f"CREATE INDEX ON {name} (event_id)")
        connection.exec_driver_sql(f"CREATE INDEX ON {name} (event_ts, ingested_ts)")
