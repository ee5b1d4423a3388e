"""Opening a warehouse: DuckDB or PostgreSQL by URL, with the source read-only and the audit's own schema beside it.

DuckDB: an in-memory engine attaches the operator's file read-only as ``src`` and the rollups' file as ``rollups``;
DuckDB itself refuses writes to ``src``. PostgreSQL: the source tables are found by the connection's search path and
the audit's tables lie in the schema ``audit``; rights on the source need be no more than SELECT.

Tables and columns that an operator does not record are stood in for, see :mod:`audits.warehouse.standins`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Select, cast, create_engine, event, null
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.visitors import replacement_traverse

from audits.errors import AuditsError, PartialError
from audits.warehouse.catalog import read_catalog
from audits.warehouse.dialects import for_literals
from audits.warehouse.fit import absent, misfits, require_fit
from audits.warehouse.own import make_own_tables
from audits.warehouse.standins import SCHEMAS, stand_ins
from audits.warehouse.tables import AUDIT_SCHEMA, SOURCE_SCHEMA

STORAGE_VERSION = "v1.5.0"
"""Of the rollups' file: the oldest DuckDB that the product runs on. What DuckDB writes by default is for far older
ones and takes half as long again."""

OPTIONS = ("memory_limit", "threads")
"""What a DuckDB URL may ask of the engine, as ``?memory_limit=4GB&threads=2``; else it takes most of the machine."""

_OPTIONS_FIX = "Write duckdb:////path/usage.duckdb?memory_limit=4GB&threads=2, either one, or neither."

LOCK_PATIENCE = 60.0  # seconds to wait for another process that is writing rollups into the same DuckDB file


@dataclass(frozen=True, slots=True)
class Warehouse:
    """An open warehouse. ``writable`` says whether the audit's own schema may be written.

    ``absent`` names the contract's tables, and columns as ``table.column``, that the operator does not have: they read
    as empty and as NULL, and what needs them is not recorded.
    """

    engine: Engine
    url: str  # without password
    writable: bool
    absent: frozenset[str] = frozenset()
    schema: str | None = None  # of the source tables, where it is one

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; what the server says of a lost connection becomes a message that can be acted on."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            if is_gone(error):
                raise PartialError(
                    "The warehouse went away while it was being read.",
                    where=self.url,
                    fix="What was finished is kept; run the same command again once the warehouse answers "
                    f"({first_line(error)}).",
                ) from error
            raise

    def standalone_sql(self, statement: Select[Any]) -> str:
        """The statement as text that runs as it stands on the source warehouse: literals in place.

        Columns that the source does not have are written as NULL.
        """
        return str(
            self._without_absent(statement).compile(
                dialect=for_literals(self.engine.dialect),
                schema_translate_map={SOURCE_SCHEMA: self.schema},
                render_schema_translate=True,
                compile_kwargs={"literal_binds": True},
            )
        )

    def _without_absent(self, statement: Select[Any]) -> Select[Any]:
        def stand_in(element: Any, **_kw: Any) -> Any:
            if isinstance(element, Column) and f"{element.table.name}.{element.name}" in self.absent:
                return cast(null(), element.type).label(element.name)
            return None

        changed: Any = replacement_traverse(statement, {}, stand_in) if self.absent else statement
        return changed  # type: ignore[no-any-return]

    def close(self) -> None:
        """Give the connection, and a DuckDB file's lock with it, back."""
        self.engine.dispose()


@contextmanager
def warehouse(url: str, rollups_url: str | None = None, *, write: bool = False) -> Iterator[Warehouse]:
    """A warehouse for the length of a ``with`` block."""
    opened = open_warehouse(url, rollups_url, write=write)
    try:
        yield opened
    finally:
        opened.close()


def open_warehouse(url: str, rollups_url: str | None = None, *, write: bool = False) -> Warehouse:
    """Open the warehouse at ``url``; with ``write`` the audit's own schema is made where it is missing.

    Without ``write`` nothing at all can be written, so that several readers may share a DuckDB file.
    """
    parsed = parse_url(url)
    engine = connect(parsed, rollups_url, write=write)
    shown = parsed.render_as_string(hide_password=True)
    try:
        with engine.begin() as connection:
            found = read_catalog(connection)
            lacking = absent(found)
            require_fit(misfits(found), shown)
            if write:
                make_own_tables(connection)
    except OperationalError as error:
        raise AuditsError(
            "The warehouse does not answer.",
            where=f"setting AUDITS_WAREHOUSE_URL: {shown}",
            fix=f"Check host, port, database and user ({first_line(error)}).",
        ) from error
    except AuditsError:
        engine.dispose()
        raise
    schemas = {table.schema for table in found.values()}
    schema = schemas.pop() if len(schemas) == 1 else None
    if lacking or schema is None:
        engine = _stand_in(engine, stand_ins(found, lacking, engine.dialect))
    elif engine.dialect.name == "postgresql":
        engine = engine.execution_options(schema_translate_map={SOURCE_SCHEMA: schema})
    return Warehouse(engine, shown, write, lacking, schema)


def parse_url(url: str) -> URL:
    """The parts of a database URL."""
    if not url:
        raise AuditsError(
            "No warehouse is configured.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix="export AUDITS_WAREHOUSE_URL=duckdb:////path/to/usage.duckdb (or postgresql://...); "
            "`audits demo` makes a sample to try.",
        )
    try:
        return make_url(url)
    except ArgumentError as error:
        raise AuditsError(
            f"{url!r} is not a database URL.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix="Write duckdb:////path/to/usage.duckdb or postgresql://user@host/database.",
        ) from error


def connect(url: URL, rollups_url: str | None = None, *, write: bool = False) -> Engine:
    """An engine for the source as it is, in UTC; nothing is connected or checked yet."""
    match url.get_backend_name():
        case "duckdb":
            return _duckdb(url, rollups_url, write)
        case "postgresql":
            return _postgresql(url)
        case other:
            raise AuditsError(
                f"No warehouse engine is known for {other!r}.",
                where="setting AUDITS_WAREHOUSE_URL",
                fix="Use a duckdb:// or postgresql:// URL.",
            )


def rollups_path(source: Path, rollups_url: str | None = None) -> Path:
    """Where the rollups of a DuckDB source lie: ``<stem>.rollups.duckdb`` beside it, or where the setting says."""
    if rollups_url:
        return Path(make_url(rollups_url).database or "")
    return source.with_name(f"{source.stem}.rollups.duckdb")


def _duckdb(url: URL, rollups_url: str | None, write: bool) -> Engine:
    source = Path(url.database or "")
    if not source.is_file():
        raise AuditsError(
            f"There is no DuckDB file {source}.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix="Check the path (an absolute path has four slashes: duckdb:////srv/usage.duckdb).",
        )
    if strange := sorted(url.query.keys() - set(OPTIONS)):
        raise AuditsError(
            f"{strange[0]!r} is no option of a DuckDB warehouse.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix=_OPTIONS_FIX,
        )
    rollups = rollups_path(source, rollups_url)
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _record: Any) -> None:
        connection.execute("SET TimeZone = 'UTC'")
        # What does not fit into memory goes beside the rollups, which may be written, and not to wherever this runs.
        connection.execute(f"SET temp_directory = {_quoted(f'{rollups.absolute()}.tmp')}")
        _tune(connection, url)
        _attach(connection, source, "src", read_only=True)
        if write or rollups.is_file():
            _attach(connection, rollups, "rollups", read_only=not write)

    return engine.execution_options(
        schema_translate_map={SOURCE_SCHEMA: "src.main", AUDIT_SCHEMA: f"rollups.{AUDIT_SCHEMA}"}
    )


def _tune(connection: Any, url: URL) -> None:
    for name, value in url.query.items():
        try:
            connection.execute(f"SET {name} = {_quoted(str(value))}")
        except Exception as error:
            raise AuditsError(
                f"{value!r} is no {name} for DuckDB: {str(error).splitlines()[0]}",
                where="setting AUDITS_WAREHOUSE_URL",
                fix=_OPTIONS_FIX,
            ) from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _attach(connection: Any, file: Path, name: str, *, read_only: bool) -> None:
    option = "READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}'"
    waited, pause = 0.0, 0.1
    while True:
        try:
            connection.execute(f"ATTACH {_quoted(str(file.absolute()))} AS {name} ({option})")
            return
        except Exception as error:
            if "lock" not in str(error).lower():
                raise AuditsError(
                    f"{file} cannot be opened as a DuckDB file: {str(error).splitlines()[0]}",
                    where="setting AUDITS_WAREHOUSE_URL" if name == "src" else "setting AUDITS_ROLLUPS_URL",
                    fix="Name a DuckDB file; a rollups file that is damaged may be deleted, it is built again.",
                ) from error
            if waited >= LOCK_PATIENCE:
                raise AuditsError(
                    f"Another process has been writing {file} for {LOCK_PATIENCE:.0f} s.",
                    where=str(file),
                    fix="Wait for it to end, or use PostgreSQL where several processes write.",
                ) from error
        time.sleep(pause)
        waited, pause = waited + pause, min(pause * 2, 2.0)


def _postgresql(url: URL) -> Engine:
    engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def in_utc(connection: Any, _record: Any) -> None:
        connection.execute("SET TIME ZONE 'UTC'")
        connection.commit()

    return engine.execution_options(schema_translate_map={SOURCE_SCHEMA: None})


def _stand_in(engine: Engine, statements: Sequence[str]) -> Engine:
    """The engine whose every connection first makes the stand-ins, and reads the source through them."""
    engine.dispose()  # the connection that looked at the source has none

    @event.listens_for(engine, "connect")
    def stand_in(connection: Any, _record: Any) -> None:
        for statement in statements:
            connection.execute(statement)
        connection.commit()

    schemas = dict(engine.get_execution_options()["schema_translate_map"])
    return engine.execution_options(schema_translate_map=schemas | {SOURCE_SCHEMA: SCHEMAS[engine.dialect.name]})


def is_gone(error: DBAPIError) -> bool:
    """Whether an error means that the database itself does not answer any more, so that trying on is pointless."""
    said = str(error.orig).lower()
    return error.connection_invalidated or (
        isinstance(error, OperationalError | InterfaceError) and ("connection" in said or "io error" in said)
    )


def first_line(error: DBAPIError) -> str:
    """What the database said, without the statement and the pages of advice."""
    return str(error.orig).strip().splitlines()[0]
