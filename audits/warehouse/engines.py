"""Opening a warehouse: DuckDB or PostgreSQL by URL, with the source read-only and the audit's own schema beside it.

DuckDB: an in-memory engine attaches the operator's file read-only as ``src`` and the rollups' file as ``rollups``;
DuckDB itself refuses writes to ``src``. PostgreSQL: the source tables are found by the connection's search path and
the audit's tables lie in the schema ``audit``; rights on the source need be no more than SELECT.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import StaticPool

from audits.errors import AuditsError, PartialError
from audits.warehouse.dialects import for_literals
from audits.warehouse.own import make_own_tables
from audits.warehouse.tables import AUDIT_SCHEMA, SOURCE_SCHEMA

LOCK_PATIENCE = 60.0  # seconds to wait for another process that is writing rollups into the same DuckDB file


@dataclass(frozen=True, slots=True)
class Warehouse:
    """An open warehouse. ``writable`` says whether the audit's own schema may be written."""

    engine: Engine
    url: str  # without password
    writable: bool

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; what the server says of a lost connection becomes a message that can be acted on."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except OperationalError as error:
            if error.connection_invalidated or "connection" in str(error.orig).lower():
                raise PartialError(
                    "The warehouse went away while it was being read.",
                    where=self.url,
                    fix="What was finished is kept; run the same command again once the warehouse answers "
                    f"({str(error.orig).strip().splitlines()[0]}).",
                ) from error
            raise

    def standalone_sql(self, statement: Select[Any]) -> str:
        """The statement as text that runs as it stands on the source warehouse: literals in place, no schema."""
        return str(
            statement.compile(
                dialect=for_literals(self.engine.dialect),
                schema_translate_map={SOURCE_SCHEMA: None},
                render_schema_translate=True,
                compile_kwargs={"literal_binds": True},
            )
        )

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
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise AuditsError(
            f"{url!r} is not a database URL.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix="Write duckdb:////path/to/usage.duckdb or postgresql://user@host/database.",
        ) from error
    match parsed.get_backend_name():
        case "duckdb":
            engine = _duckdb(parsed, rollups_url, write)
        case "postgresql":
            engine = _postgresql(parsed)
        case other:
            raise AuditsError(
                f"No warehouse engine is known for {other!r}.",
                where="setting AUDITS_WAREHOUSE_URL",
                fix="Use a duckdb:// or postgresql:// URL.",
            )
    opened = Warehouse(engine, parsed.render_as_string(hide_password=True), write)
    _connect_once(opened)
    return opened


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
    rollups = rollups_path(source, rollups_url)
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _record: Any) -> None:
        connection.execute("SET TimeZone = 'UTC'")
        _attach(connection, source, "src", read_only=True)
        if write or rollups.is_file():
            _attach(connection, rollups, "rollups", read_only=not write)

    return engine.execution_options(
        schema_translate_map={SOURCE_SCHEMA: "src.main", AUDIT_SCHEMA: f"rollups.{AUDIT_SCHEMA}"}
    )


def _attach(connection: Any, file: Path, name: str, *, read_only: bool) -> None:
    quoted = str(file.absolute()).replace("'", "''")
    waited, pause = 0.0, 0.1
    while True:
        try:
            connection.execute(f"ATTACH '{quoted}' AS {name}{' (READ_ONLY)' if read_only else ''}")
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


def _connect_once(opened: Warehouse) -> None:
    """Connect now, so that a wrong address is reported before any work; make the audit's schema if it is ours to."""
    try:
        with opened.engine.begin() as connection:
            if opened.writable:
                make_own_tables(connection)
    except OperationalError as error:
        raise AuditsError(
            "The warehouse does not answer.",
            where=f"setting AUDITS_WAREHOUSE_URL: {opened.url}",
            fix=f"Check host, port, database and user ({str(error.orig).strip().splitlines()[0]}).",
        ) from error
    except NoSuchModuleError as error:  # pragma: no cover - both drivers come with the package
        raise AuditsError(f"A database driver is missing: {error}") from error
