"""What a database says of a full disk, a damaged file or a lost server, as a message that names the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from audits.errors import AuditsError, PartialError

BUSY_SECONDS = 60  # how long SQLite waits for another writer before it gives up

_UNCHANGED = "What was recorded before is unchanged"

_SQLITE: tuple[tuple[str, type[AuditsError], str, str], ...] = (
    (
        "database is locked",
        PartialError,
        f"Another process has been writing the ledger for {BUSY_SECONDS} s.",
        "Run the same command again when it has ended, or use PostgreSQL where several processes write.",
    ),
    (
        "database or disk is full",
        PartialError,
        "The disk that holds the ledger is full.",
        f"{_UNCHANGED}: free some space and run the same command again.",
    ),
    (
        "disk i/o error",
        PartialError,
        "The disk that holds the ledger cannot be read or written.",
        f"{_UNCHANGED} as far as the disk can be read: check the disk and run the same command again.",
    ),
    (
        "readonly database",
        AuditsError,
        "The ledger may not be written: its file or folder is read-only.",
        f"{_UNCHANGED}: give this user the right to write both, or name another file.",
    ),
    (
        "unable to open database file",
        AuditsError,
        "The ledger's file cannot be opened.",
        "Name a file that is whole, in a folder that this user may read and write.",
    ),
    (
        "not a database",
        AuditsError,
        "The ledger's file is not an SQLite database, or its first page is damaged.",
        "Restore the file from a copy, or name another one; report folders that are sealed are not affected.",
    ),
    (
        "malformed",
        AuditsError,
        "The ledger's file is damaged.",
        "Restore the file from a copy; report folders that are sealed are not affected: `audits verify DIR`.",
    ),
)  # fmt: skip
"""What SQLite says, and what it means to the person who reads it."""


_ROOM = 65_536  # bytes; SQLite's shared memory takes half of it


def _is_full(url: URL) -> bool:
    try:
        return shutil.disk_usage(Path(url.database or "").absolute().parent).free < _ROOM
    except OSError:
        return False


def failure(error: DBAPIError, url: URL) -> AuditsError | None:
    """The message for an error of the ledger's database that a user can put right, or None."""
    where = f"setting AUDITS_LEDGER_URL: {url.render_as_string(hide_password=True)}"
    said = str(error.orig).lower()
    if url.get_backend_name() == "sqlite":
        if "disk i/o error" in said and _is_full(url):  # what SQLite says where its shared memory finds no room
            said = "database or disk is full"
        for words, kind, what, fix in _SQLITE:
            if words in said:
                return kind(what, where=where, fix=fix)
        return None
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        first = str(error.orig).strip().splitlines()[0]
        began = error.connection_invalidated or error.statement is not None  # without a connection nothing was begun
        return (PartialError if began else AuditsError)(
            "The ledger does not answer.",
            where=where,
            fix=f"{_UNCHANGED}: check host, port, database and user, and run the same command again ({first}).",
        )
    return None
