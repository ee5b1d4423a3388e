"""Where cases play: a DuckDB or PostgreSQL database with the contract's tables, which hold one case at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine, delete, insert
from sqlalchemy.engine import make_url

from audits.rules.cases.format import Row
from audits.warehouse import Warehouse, open_warehouse
from audits.warehouse.own import make_own_tables, run_script
from audits.warehouse.scratch import scratch_folder
from audits.warehouse.staging import insert_in_bulk
from audits.warehouse.tables import SOURCE_SCHEMA, audit_metadata, source_metadata

FEW = 8
"""Rows that are inserted one by one in less time than it takes to hand them over in bulk."""


class Stage:
    """A place for one case at a time, on a database that nobody else writes to."""

    name: str

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._held: Mapping[str, list[Row]] = {}
        options = warehouse.engine.get_execution_options()
        self._clear_own = ";".join(
            str(
                delete(table).compile(
                    dialect=warehouse.engine.dialect,
                    schema_translate_map=options["schema_translate_map"],
                    render_schema_translate=True,
                )
            )
            for table in audit_metadata.sorted_tables
        )

    @contextmanager
    def play(self, rows: Mapping[str, list[Row]]) -> Iterator[Warehouse]:
        """A writable warehouse that holds exactly these rows, for the length of a ``with`` block."""
        with self.warehouse.begin() as connection:
            for table in source_metadata.sorted_tables:
                many = rows.get(table.name, [])
                held = self._held.get(table.name)
                if many == held:  # as the case before had it: most tables of most cases
                    continue
                if held != []:
                    connection.execute(delete(table))
                if len(many) > FEW:
                    insert_in_bulk(connection, table, many)
                elif many:
                    connection.execute(insert(table), many)
        self._held = rows
        with self.warehouse.begin() as connection:  # another one: DuckDB's write to one database each
            run_script(connection, self._clear_own)
        yield self.warehouse

    def rows(self, sql: str) -> list[Row]:
        """What a person's SQL prompt on the bare source answers, by column; raises what the engine raises."""
        raise NotImplementedError

    def close(self) -> None:
        """Give files and connections back."""
        self.warehouse.close()


def _make_source(engine: Engine) -> None:
    source_metadata.create_all(engine.execution_options(schema_translate_map={SOURCE_SCHEMA: None}))
    engine.dispose()


class DuckStage(Stage):
    """A DuckDB warehouse, opened once, whose source and rollups then lie in memory: cases are small and many."""

    name = "duckdb"

    def __init__(self) -> None:
        with scratch_folder() as folder:
            url = f"duckdb:///{folder}/usage.duckdb"
            _make_source(create_engine(url))
            super().__init__(open_warehouse(url, write=True))
            with self.warehouse.engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                for catalog in ("src", "rollups"):
                    driver.execute(f"DETACH {catalog}; ATTACH ':memory:' AS {catalog}")
        with self.warehouse.engine.connect() as connection:
            driver = connection.connection.driver_connection
            driver.execute("SET threads = 1")  # a handful of rows: sharing the work costs more than it saves
            self.person = driver.cursor()  # whoever runs evidence looks at the source alone
        self.person.execute("USE src")
        source_metadata.create_all(self.warehouse.engine)
        with self.warehouse.begin() as connection:
            make_own_tables(connection)

    def rows(self, sql: str) -> list[Row]:
        """See :class:`Stage`."""
        self.person.execute(sql)
        names = [column[0] for column in self.person.description]
        return [dict(zip(names, values, strict=True)) for values in self.person.fetchall()]

    def close(self) -> None:
        """See :class:`Stage`."""
        self.person.close()
        super().close()


class PostgresStage(Stage):
    """A PostgreSQL database of its own."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        _make_source(create_engine(make_url(url).set(drivername="postgresql+psycopg")))
        super().__init__(open_warehouse(url, write=True))
        self.person = psycopg.connect(url, autocommit=True, row_factory=dict_row)  # has nothing but the source
        self.person.execute("SET TIME ZONE 'UTC'")

    def rows(self, sql: str) -> list[Row]:
        """See :class:`Stage`."""
        return self.person.execute(sql.encode()).fetchall()

    def close(self) -> None:
        """See :class:`Stage`."""
        self.person.close()
        super().close()
