"""The DuckDB file of the rollups: where it lies, whether it is damaged, and moving it aside where it is.

Everything in it can be built again from the warehouse, so a damaged one stops no audit. It is kept, not deleted.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from audits.errors import AuditsError, PartialError
from audits.warehouse.failures import Part, first_line, kind_of
from audits.warehouse.new_file import is_duckdb
from audits.warehouse.urls import database_url


class RollupsSetAsideError(PartialError):
    """The rollups file was damaged and was moved aside; the next preparation builds another."""

    def __init__(self, file: Path, aside: Path, error: BaseException) -> None:
        said = getattr(error, "said", None) or first_line(error)
        super().__init__(
            f"The rollups file {file} is damaged ({said}); it was moved to {aside.name} and is built again.",
            where=str(file),
            fix="Run the audit again: it builds the rollups from the warehouse, in which nothing was changed. "
            f"{aside} may be deleted.",
        )


def rollups_path(source: Path, rollups_url: str | None = None) -> Path:
    """Where the rollups of a DuckDB source lie: ``<stem>.rollups.duckdb`` beside it, or where the setting says."""
    if not rollups_url:
        return source.with_name(f"{source.stem}.rollups.duckdb")
    parsed = database_url(rollups_url)
    if parsed is None or parsed.get_backend_name() != "duckdb" or parsed.database in (None, "", ":memory:"):
        raise AuditsError(
            "The rollups of a DuckDB warehouse are a DuckDB file.",
            where="setting AUDITS_ROLLUPS_URL",
            fix="Write duckdb:////path/to/usage.rollups.duckdb, or unset it: the file is then beside the warehouse.",
        )
    return Path(str(parsed.database))


def require_place(file: Path, source: Path, *, named: bool) -> None:
    """Refuse a path at which no rollups file is or can be made; one that a setting named may be of another kind."""
    if file.is_dir():
        what, fix = f"The rollups file {file} is a folder.", "Name a file in it"
    elif not file.parent.is_dir():
        what, fix = f"There is no folder {file.parent} for the rollups file.", "Correct the path, or make the folder"
    elif file.exists() and file.samefile(source):
        what, fix = f"The rollups file {file} is the warehouse itself.", "Name another file"
    elif named and file.is_file() and not is_duckdb(file):
        what, fix = f"The file {file} is not a DuckDB database.", "Name another file, or restore this one from a backup"
    else:
        return
    raise AuditsError(
        what, where="setting AUDITS_ROLLUPS_URL",
        fix=f"{fix} (duckdb:////path/to/usage.rollups.duckdb), or unset it: the file is then beside the warehouse.",
    )  # fmt: skip


def rollups_part(file: Path) -> Part:
    """The rollups file as a part that can fail."""
    where = f"{file} (setting AUDITS_ROLLUPS_URL, or beside the warehouse)"
    return Part("rollups file", where, "Days that were finished are kept; the warehouse was only read.")


def is_damaged(file: Path) -> bool:
    """Whether a file that no connection of this process has open cannot be read to its end as a DuckDB database."""
    try:
        with duckdb.connect() as connection:
            path = str(file.absolute()).replace("'", "''")
            connection.execute(f"ATTACH '{path}' AS checked (TYPE duckdb, READ_ONLY)")
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'checked'"
            ).fetchall()
            for schema, table in tables:
                connection.execute(f'SELECT count(COLUMNS(*)) FROM checked."{schema}"."{table}"').fetchall()  # noqa: S608
    except duckdb.Error as error:
        return kind_of(error) == "damaged"
    return False


def set_aside(file: Path) -> Path:
    """Rename the file, and its log with it; returns the new name. Only the last damaged file is kept."""
    aside = file.with_name(f"{file.name}.damaged-1")
    file.replace(aside)
    log, log_aside = (one.with_name(f"{one.name}.wal") for one in (file, aside))
    if log.exists():
        log.replace(log_aside)
    else:
        log_aside.unlink(missing_ok=True)
    return aside


def holder_of(error: BaseException) -> str:
    """Which process DuckDB says has the file open."""
    found = re.search(r"PID (\d+)", str(error))
    return f"process {found.group(1)} has the DuckDB file open" if found else "a process has the DuckDB file open"
