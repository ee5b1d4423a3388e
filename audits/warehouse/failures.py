"""Failures of a database in words: which part of the service failed, what was kept, and what to do.

A wrong statement is not a failure of the database and stays what it is.
"""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from typing import Literal

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from audits.errors import PartialError

Kind = Literal["full", "read-only", "damaged", "busy", "gone"]

_SAID: dict[Kind, str] = {
    "full": "There is no space left for the {part}",
    "read-only": "The {part} cannot be written",
    "damaged": "The {part} is damaged or no database",
    "busy": "Another process is using the {part}",
    "gone": "The {part} does not answer",
}
_FIX: dict[Kind, str] = {
    "full": "Free disk space, then run the same command again",
    "read-only": "Give this user the right to write there, then run the same command again",
    "damaged": "If another file was meant, name that; else restore it from a backup. Then run the same command again",
    "busy": "Wait for the other process to end, then run the same command again",
    "gone": "Check that it is running and that host, port, database and user are right, then run the same command "
    "again",
}
_TOO_LARGE = "file too large"
FIX_TOO_LARGE = "Raise the limit on the size of files (`ulimit -f unlimited`), then run the same command again"
"""What helps where not the disk but this process may write no more."""

_PHRASES: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("full", ("no space left", "disk is full", _TOO_LARGE, "quota exceeded", "max_temp_directory_size")),
    ("read-only", ("read-only file system", "permission denied", "readonly database", "read-only transaction")),
    ("damaged", ("corrupt", "malformed", "not a database", "not a valid duckdb", "could not read enough bytes",
                 "serialization error", "previous fatal error", "trying to read a database file with version")),
    ("busy", ("database is locked", "could not set lock", "conflicting lock")),
    ("gone", ("unable to open database file", "disk i/o error", "io error")),
)  # fmt: skip
"""What DuckDB and SQLite say; neither has codes for all of it."""

_STATES: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("full", ("53100",)),
    ("read-only", ("25006",)),
    ("damaged", ("XX001", "XX002")),
    ("busy", ("55P03",)),
    ("gone", ("08", "57P", "53300", "58", "28", "3D")),
)
"""PostgreSQL's SQLSTATE, or the beginning of it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the service that can fail by itself."""

    name: str
    where: str  # the setting that names it, and what it names
    kept: str  # what a failure leaves, in a sentence
    written: Part | None = None  # what alone is written of it, where that is a part of its own


class PartFailedError(PartialError):
    """A database failed: no other statement on it can succeed either."""

    def __init__(self, part: Part, kind: Kind, said: str, *, opening: bool = False) -> None:
        self.part, self.kind, self.said = part, kind, said
        self.exit_code = 2 if opening else 1
        kept = "" if opening else f" {part.kept}"
        fix = FIX_TOO_LARGE if _TOO_LARGE in said.lower() else _FIX[kind]
        super().__init__(f"{_SAID[kind].format(part=part.name)}: {said}.", where=part.where, fix=f"{fix}.{kept}")


def kind_of(error: BaseException, *, disconnected: bool = False) -> Kind | None:
    """What kind of failure a driver's or the system's error is; None where only the statement is wrong."""
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        found = (kind for kind, states in _STATES if state.startswith(states))
        lost = disconnected or (not state and isinstance(error, psycopg.OperationalError))
        return next(found, "gone" if lost else None)
    if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.DatabaseError):
        return None
    said = str(error).lower()
    found = (kind for kind, phrases in _PHRASES if any(phrase in said for phrase in phrases))
    return next(found, "gone" if disconnected else None)


def failure(part: Part, error: BaseException, *, opening: bool = False, disconnected: bool = False) -> (
    PartFailedError | None
):  # fmt: skip
    """The error of a part that failed, or None where only the statement is wrong. ``opening``: nothing was begun."""
    kind = kind_of(error, disconnected=disconnected)
    if kind in ("full", "read-only"):
        part = part.written or part
    return PartFailedError(part, kind, first_line(error), opening=opening) if kind else None


def unnamed(error: BaseException) -> PartialError | None:
    """The error of a disk or database that failed where no part has spoken for it; None for any other error."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError):
        where = str(cause.filename or "a file that this command reads or writes")
        fix = "Check that the disk has space and that this user may use the file, then run the same command again."
        if cause.errno == errno.EFBIG:
            fix = f"{FIX_TOO_LARGE}."
        return PartialError(f"A file cannot be read or written: {cause.strerror or cause}.", where=where, fix=fix)
    module = type(cause).__module__.partition(".")[0]
    kind = kind_of(cause) if module in ("_duckdb", "duckdb", "psycopg", "sqlite3") else None
    part = Part("database", "a database that this command uses", "What was finished is kept.")
    return PartFailedError(part, kind, first_line(cause)) if kind else None


_PART = "audits_part"  # an execution option, because engines of one kind share their dialect, and listeners with it


def watched(engine: Engine, part: Part) -> Engine:
    """The engine, whose connections raise what fails as :class:`PartFailedError` of the part."""
    event.listen(engine, "handle_error", _translate)
    return engine.execution_options(**{_PART: part})


def _translate(context: ExceptionContext) -> BaseException | None:
    source = context.connection or context.engine
    part = source.get_execution_options().get(_PART) if source else None
    if part is None or context.is_pre_ping:
        return None
    return failure(part, context.original_exception, disconnected=context.is_disconnect)


def first_line(error: BaseException) -> str:
    """What the database said, without the statement and the pages of advice."""
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return said.splitlines()[0].removesuffix(".")
