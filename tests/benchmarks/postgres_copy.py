"""Copying a world's tables from its DuckDB file into a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.csv
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from audits.warehouse.staging import index_for_loading
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

_ROWS = 200_000


def copy_world(file: Path, url: str) -> None:
    """Fill an empty database with the contract's tables of a DuckDB file, indexed as ``audits source load`` does."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    engine = engine.execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    with duckdb.connect(str(file), read_only=True) as source, psycopg.connect(url) as target:
        source.execute("SET TimeZone = 'UTC'")
        for table in source_metadata.tables.values():
            names = ", ".join(column.name for column in table.columns)
            reader = source.execute(f"SELECT {names} FROM {table.name}").to_arrow_reader(_ROWS)
            with target.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT csv)") as copy:
                for batch in reader:
                    copy.write(memoryview(_csv(pa.Table.from_batches([batch]))))
    with engine.begin() as connection:
        for table in source_metadata.tables.values():
            index_for_loading(connection, table)
    engine.dispose()


def _csv(rows: pa.Table) -> pa.Buffer:
    buffer = pa.BufferOutputStream()
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    return buffer.getvalue()
