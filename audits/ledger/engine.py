"""Opening the ledger: SQLite or PostgreSQL by URL, brought to the newest schema by Alembic."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.failures import BUSY_SECONDS, failure
from audits.ledger.migrate import migrate, require_room, stamped
from audits.warehouse.compiled import compiled_once
from audits.warehouse.urls import ESCAPES, database_url

_WRITES = "ledger_writes"  # execution option: the transaction will write, so it waits for other writers at its start
_RECORDING = 0x1ED6E5  # PostgreSQL advisory lock: one audit is recorded at a time


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger."""

    engine: Engine
    begun: bool  # by this very opening: there was none before

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end of the block, rolled back by any error."""
        with _failures_named(self.engine.url), Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def recording(self) -> Iterator[Session]:
        """A transaction in which nobody else records an audit; a second one waits until the first has ended."""
        writer = self.engine.execution_options(**{_WRITES: True})
        with _failures_named(self.engine.url), Session(writer) as session, session.begin():
            if self.engine.dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _RECORDING})
            yield session

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def is_there(url: str) -> bool:
    """Whether an audit has made a ledger here; nothing is made, and a database of something else is refused."""
    engine = _engine(url)
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    try:
        if file is not None and not Path(file).is_file():
            return False  # to connect would make it
        with _failures_named(engine.url), engine.connect() as connection:
            if stamped(connection) is not None:
                return True
            require_room(connection)
            return False
    finally:
        engine.dispose()


@contextmanager
def read_ledger(url: str) -> Iterator[Ledger]:
    """Open a ledger that is there; a mistyped setting makes none."""
    if not is_there(url):
        raise AuditsError(
            "There is no ledger here.",
            where=f"setting AUDITS_LEDGER_URL, or ledger.sqlite in AUDITS_OUT: {url}",
            fix="Correct the setting. The first audit begins a ledger: audits run --period 2026-10",
        )
    with open_ledger(url) as books:
        yield books


@contextmanager
def open_ledger(url: str) -> Iterator[Ledger]:
    """Open the ledger, or begin it, and bring its tables up to date."""
    engine = _engine(url)
    try:
        with _failures_named(engine.url):
            _make_folder(engine.url)
            begun = migrate(engine.execution_options(**{_WRITES: True}))
        yield Ledger(compiled_once(engine), begun)
    finally:
        engine.dispose()


def _make_folder(url: URL) -> None:
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditsError(
            f"The ledger's folder cannot be made: {error.strerror}.",
            where=f"setting AUDITS_LEDGER_URL: {url.database}",
            fix="Name a folder that this user may write.",
        ) from error


def ledger_url(text: str) -> URL:
    """The parts of the ledger's URL: a SQLite file or a PostgreSQL database."""
    parsed = database_url(text)
    if parsed is None:
        what = "The ledger's URL is not a database URL."
    elif (backend := parsed.get_backend_name()) not in ("sqlite", "postgresql"):
        what = f"A ledger cannot be kept in {backend}."
    elif backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        what = "The ledger's URL names no file."
    else:
        return parsed
    raise AuditsError(
        what,
        where="setting AUDITS_LEDGER_URL",
        fix=f"Write sqlite:////path/to/ledger.sqlite or postgresql://user@host/database; {ESCAPES}.",
    )


def require_place(url: str, out: Path) -> None:
    """Refuse to begin a SQLite ledger in a folder that does not exist, but for the reports' own, which is made."""
    parsed = ledger_url(url)
    folder = Path(parsed.database or "").absolute().parent
    if parsed.get_backend_name() == "sqlite" and not folder.is_dir() and folder != out.absolute():
        raise AuditsError(
            f"There is no folder {folder} for the ledger.",
            where=f"setting AUDITS_LEDGER_URL: {parsed.database}",
            fix="Correct the path, or make the folder.",
        )


def _engine(url: str) -> Engine:
    parsed = ledger_url(url)
    sealed = _only_readable(parsed)
    engine = create_engine(parsed, creator=lambda: _read_only(sealed)) if sealed else create_engine(parsed)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _careful_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _only_readable(url: URL) -> Path | None:
    """The file of a SQLite ledger in a folder that cannot be written: SQLite itself would want to write beside it."""
    file = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or not file.is_file() or os.access(file.parent, os.W_OK):
        return None
    ahead = file.with_name(f"{file.name}-wal")
    return None if ahead.is_file() and ahead.stat().st_size else file


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def _careful_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own, and commits none before DDL
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns into a writer fails at once where another one writes; a writer from the start waits.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


@contextmanager
def _failures_named(url: URL) -> Iterator[None]:
    """What the database says of a disk, a lock or a lost server becomes a message that can be acted on."""
    try:
        yield
    except DBAPIError as error:
        if known := failure(error, url):
            raise known from error
        raise
