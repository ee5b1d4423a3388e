"""Where cases play: a DuckDB file or a PostgreSQL database with the contract's tables, cleared for every case."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import psycopg
from sqlalchemy import Engine, create_engine, insert, text

from audits.rules.cases.format import Row
from audits.warehouse import Warehouse, open_warehouse
from audits.warehouse.tables import SOURCE_SCHEMA, audit_metadata, source_metadata


class Stage(Protocol):
    """A place for one case at a time."""

    name: str

    def play(self, rows: Mapping[str, list[Row]]) -> _Warehouses:
        """A writable warehouse that holds exactly these rows, for the length of a ``with`` block."""

    def first_row(self, sql: str) -> tuple[object, ...] | None:
        """What a person's SQL prompt on the bare source answers; raises what the engine raises."""


class _Warehouses(Protocol):
    def __enter__(self) -> Warehouse: ...
    def __exit__(self, *error: object) -> bool | None: ...


def _insert(engine: Engine, rows: Mapping[str, list[Row]]) -> None:
    with engine.begin() as connection:
        for name, many in rows.items():
            if many:
                connection.execute(insert(source_metadata.tables[f"{SOURCE_SCHEMA}.{name}"]), many)


@dataclass(slots=True)
class DuckStage:
    """DuckDB in a folder: empty files are made once and copied for every case."""

    folder: Path
    name: str = "duckdb"

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """See :class:`Stage`."""
        empty = self.folder / "empty"
        if not empty.is_dir():
            self._make(empty)
        shutil.copytree(empty, self.folder / "case", dirs_exist_ok=True)
        engine = _source_engine(self._source)
        _insert(engine, rows)
        engine.dispose()
        opened = open_warehouse(f"duckdb:///{self._source}", write=True)
        try:
            yield opened
        finally:
            opened.close()

    def first_row(self, sql: str) -> tuple[object, ...] | None:
        """See :class:`Stage`."""
        with duckdb.connect(str(self._source), read_only=True) as connection:
            return connection.execute(sql).fetchone()

    @property
    def _source(self) -> Path:
        return self.folder / "case" / "usage.duckdb"

    def _make(self, empty: Path) -> None:
        empty.mkdir(parents=True)
        engine = _source_engine(empty / "usage.duckdb")
        source_metadata.create_all(engine)
        engine.dispose()
        open_warehouse(f"duckdb:///{empty / 'usage.duckdb'}", write=True).close()


def _source_engine(file: Path) -> Engine:
    return create_engine(f"duckdb:///{file}").execution_options(schema_translate_map={SOURCE_SCHEMA: None})


class PostgresStage:
    """One PostgreSQL database: its tables are made once and emptied for every case."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        self.url = url
        self.warehouse = open_warehouse(url, write=True)
        source_metadata.create_all(self.warehouse.engine)
        tables = [table.name for table in source_metadata.tables.values()]
        tables += [f"{table.schema}.{table.name}" for table in audit_metadata.tables.values()]
        self._clear = ";".join(f"DELETE FROM {table}" for table in tables)  # noqa: S608 - names of our own tables

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """See :class:`Stage`."""
        with self.warehouse.engine.begin() as connection:
            connection.execute(text(self._clear))
        _insert(self.warehouse.engine, rows)
        yield self.warehouse

    def first_row(self, sql: str) -> tuple[object, ...] | None:
        """See :class:`Stage`."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET TIME ZONE 'UTC'")
            return connection.execute(sql.encode()).fetchone()

    def close(self) -> None:
        """Give the connections back."""
        self.warehouse.close()
