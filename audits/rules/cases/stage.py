"""Where cases play: a DuckDB file or a PostgreSQL database with the contract's tables, cleared for every case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
from sqlalchemy import Engine, create_engine, delete, insert
from sqlalchemy.engine import make_url

from audits.rules.cases.format import Row
from audits.warehouse import Warehouse, open_warehouse
from audits.warehouse.holding import holding_rows
from audits.warehouse.tables import SOURCE_SCHEMA, audit_metadata, source_metadata


class Stage(Protocol):
    """A place for one case at a time."""

    name: str

    def play(self, rows: Mapping[str, list[Row]]) -> AbstractContextManager[Warehouse]:
        """A writable warehouse that holds exactly these rows, for the length of a ``with`` block."""

    def count(self, sql: str) -> int:
        """How many rows a person's SQL prompt on the bare source answers; raises what the engine raises."""


def _make_source(engine: Engine) -> None:
    source_metadata.create_all(engine.execution_options(schema_translate_map={SOURCE_SCHEMA: None}))
    engine.dispose()


def _fill(engine: Engine, rows: Mapping[str, list[Row]]) -> None:
    """Exactly these rows in the contract's tables."""
    with engine.begin() as connection:
        for table in holding_rows(connection, source_metadata):
            connection.execute(delete(table))
        for table in source_metadata.sorted_tables:
            if many := rows.get(table.name):
                connection.execute(insert(table), many)


def _clear_own(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in holding_rows(connection, audit_metadata):
            connection.execute(delete(table))


class DuckStage:
    """A DuckDB warehouse in a folder, opened once; its read-only source is attached writable to be filled only."""

    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.source = folder / "usage.duckdb"
        _make_source(create_engine(f"duckdb:///{self.source}"))
        self.warehouse = open_warehouse(f"duckdb:///{self.source}", write=True)
        with self.warehouse.engine.connect() as connection:
            connection.exec_driver_sql(
                "SET threads = 1"
            )  # a handful of rows: sharing the work costs more than it saves
        self.person = duckdb.connect()  # whoever runs evidence has nothing but the source
        self.person.execute("SET TimeZone = 'UTC'")

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """See :class:`Stage`."""
        engine = self.warehouse.engine
        self._attach("")
        try:
            _fill(engine, rows)
        finally:
            self._attach(" (READ_ONLY)")
        _clear_own(engine)
        yield self.warehouse

    def count(self, sql: str) -> int:
        """See :class:`Stage`."""
        self.person.execute(f"ATTACH '{_quoted(self.source)}' AS src (READ_ONLY)")
        try:
            return len(self.person.execute(f"USE src; {sql}").fetchall())
        finally:
            self.person.execute("USE memory; DETACH src")

    def close(self) -> None:
        """Give the files back."""
        self.person.close()
        self.warehouse.close()

    def _attach(self, how: str) -> None:
        with self.warehouse.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("DETACH src")
            raw.execute(f"ATTACH '{_quoted(self.source)}' AS src{how}")


def _quoted(file: Path) -> str:
    """A path inside of single quotes."""
    return str(file).replace("'", "''")


class PostgresStage:
    """A PostgreSQL database: its tables are made once and emptied for every case."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        _make_source(create_engine(make_url(url).set(drivername="postgresql+psycopg")))
        self.warehouse = open_warehouse(url, write=True)
        self.person = psycopg.connect(url, autocommit=True)  # whoever runs evidence has nothing but the source
        self.person.execute("SET TIME ZONE 'UTC'")

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """See :class:`Stage`."""
        _fill(self.warehouse.engine, rows)
        _clear_own(self.warehouse.engine)
        yield self.warehouse

    def count(self, sql: str) -> int:
        """See :class:`Stage`."""
        return len(self.person.execute(sql.encode()).fetchall())

    def close(self) -> None:
        """Give the connections back."""
        self.person.close()
        self.warehouse.close()
