"""Where cases play: a DuckDB or PostgreSQL database with the contract's tables, cleared for every case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine, delete, insert
from sqlalchemy.engine import make_url

from audits.rules.cases.format import Row
from audits.warehouse import Warehouse, open_warehouse
from audits.warehouse.holding import holding_rows
from audits.warehouse.own import make_own_tables
from audits.warehouse.tables import SOURCE_SCHEMA, audit_metadata, source_metadata


class Stage(Protocol):
    """A place for one case at a time."""

    name: str

    def play(self, rows: Mapping[str, list[Row]]) -> AbstractContextManager[Warehouse]:
        """A writable warehouse that holds exactly these rows, for the length of a ``with`` block."""

    def rows(self, sql: str) -> list[Row]:
        """What a person's SQL prompt on the bare source answers, by column; raises what the engine raises."""


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
    """A DuckDB warehouse, opened once, whose source and rollups then lie in memory: cases are small and many."""

    name = "duckdb"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "usage.duckdb"
        _make_source(create_engine(f"duckdb:///{source}"))
        self.warehouse = open_warehouse(f"duckdb:///{source}", write=True)
        with self.warehouse.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            for catalog in ("src", "rollups"):
                driver.execute(f"DETACH {catalog}; ATTACH ':memory:' AS {catalog}")
            driver.execute("SET threads = 1")  # a handful of rows: sharing the work costs more than it saves
            self.person = driver.cursor()  # whoever runs evidence looks at the source alone
        self.person.execute("USE src")
        source_metadata.create_all(self.warehouse.engine)
        with self.warehouse.begin() as connection:
            make_own_tables(connection)

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """See :class:`Stage`."""
        _fill(self.warehouse.engine, rows)
        _clear_own(self.warehouse.engine)
        yield self.warehouse

    def rows(self, sql: str) -> list[Row]:
        """See :class:`Stage`."""
        self.person.execute(sql)
        names = [column[0] for column in self.person.description]
        return [dict(zip(names, values, strict=True)) for values in self.person.fetchall()]

    def close(self) -> None:
        """Give the files back."""
        self.person.close()
        self.warehouse.close()


class PostgresStage:
    """A PostgreSQL database: its tables are made once and emptied for every case."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        _make_source(create_engine(make_url(url).set(drivername="postgresql+psycopg")))
        self.warehouse = open_warehouse(url, write=True)
        self.person = psycopg.connect(url, autocommit=True, row_factory=dict_row)  # has nothing but the source
        self.person.execute("SET TIME ZONE 'UTC'")

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """See :class:`Stage`."""
        _fill(self.warehouse.engine, rows)
        _clear_own(self.warehouse.engine)
        yield self.warehouse

    def rows(self, sql: str) -> list[Row]:
        """See :class:`Stage`."""
        return self.person.execute(sql.encode()).fetchall()

    def close(self) -> None:
        """Give the connections back."""
        self.person.close()
        self.warehouse.close()
