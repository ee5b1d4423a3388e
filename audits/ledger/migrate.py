"""Bringing the ledger to the newest schema: in one transaction, by one process at a time.

SQLite changes a schema inside a transaction like anything else, if the driver does not commit before: a kill or a full
disk at any statement leaves the ledger as it was, and the next command begins again.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, inspect, text

from audits.errors import AuditsError
from audits.ledger.models import Base
from audits.ledger.seal import seal_all
from audits.warehouse.tables import source_metadata

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_SEALED_FROM = "0004"  # the migration that brought seals; a later one must leave what they were made of as it is
_VERSION = "alembic_version"  # which many other databases have too
_FIRST = ("policy_versions", "runs")  # of the first migration's tables
_NAMED = 3  # tables that a message names
_MIGRATING = 0x1ED6E4  # PostgreSQL advisory lock: one process migrates at a time


def migrate(engine: Engine) -> bool:
    """Upgrade to the newest migration and return whether that began the ledger.

    A ledger from a newer version of this service is refused, not touched.
    """
    with engine.connect() as connection:
        if _has_version(connection, known()[-1]):
            return False
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if sqlite:  # where a migration makes a table anew, the rows that refer to it must not go with the old one
            _pragma(connection, "foreign_keys = OFF")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            current = stamped(connection)  # again: another process may have migrated in the meantime
            if current != known()[-1]:
                _upgrade(connection, current)
        if sqlite:
            _pragma(connection, "foreign_keys = ON")
            _write_ahead(connection)
    return current is None


def known() -> list[str]:
    """The migrations of this version, oldest first."""
    return sorted(file.stem.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def stamped(connection: Connection) -> str | None:
    """The migration that the ledger is at, or None where none was finished, or the database is another's."""
    if not {_VERSION, *_FIRST} <= set(inspect(connection).get_table_names()):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, made in code so that no file names a database."""
    from alembic.config import Config  # noqa: PLC0415 - a third of the time of a look-up, and seldom needed

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _has_version(connection: Connection, version: str) -> bool:
    # One read and no transaction that waits for writers: every command opens the ledger.
    with connection.execution_options(ledger_writes=False).begin():
        return stamped(connection) == version


def _upgrade(connection: Connection, current: str | None) -> None:
    if current is not None and current not in known():
        raise AuditsError(
            f"The ledger is at revision {current}, which this version of the service does not know.",
            where="setting AUDITS_LEDGER_URL",
            fix="Use the version of usage-audits that last wrote this ledger, or a newer one.",
        )
    if current is None:
        require_room(connection)
    if connection.dialect.name == "sqlite":
        _drop_unfinished(connection, current)
    _to(connection, "head")
    if current is not None and current < _SEALED_FROM:
        seal_all(connection)
    if connection.dialect.name == "sqlite" and (row := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise AuditsError(
            f"The ledger's table {row[0]} refers to rows that do not exist, so it was not migrated.",
            where=f"setting AUDITS_LEDGER_URL: {connection.engine.url.database}",
            fix="Nothing was changed. Restore the file from a copy that is whole.",
        )


def _to(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415

    command.upgrade(alembic_config(connection), revision)


def _drop_unfinished(connection: Connection, current: str | None) -> None:
    """Drop the empty tables that a migration left when it was killed under a version that did not migrate at once."""
    ours = {*Base.metadata.tables} - _tables_at(current).keys()
    for table in inspect(connection).get_table_names():
        if table not in ours and not table.startswith("_alembic_tmp_"):
            continue
        quoted = connection.dialect.identifier_preparer.quote(table)
        if rows := connection.exec_driver_sql(f"SELECT count(*) FROM {quoted}").scalar():  # noqa: S608
            raise AuditsError(
                f"The ledger has a table {table} with {rows} rows and does not say which version made it.",
                where=f"setting AUDITS_LEDGER_URL: {connection.engine.url.database}",
                fix="Nothing was changed. Restore the file from a copy, or move it aside and begin a new ledger.",
            )
        connection.exec_driver_sql(f"DROP TABLE {quoted}")


def require_room(connection: Connection) -> None:
    """Refuse to begin a ledger among tables of something else; those of a warehouse may lie beside it.

    Tables of a ledger that are as its first migration made them were left by a version that did not migrate at once.
    """
    there = inspect(connection)
    tables = set(there.get_table_names()) - {table.name for table in source_metadata.tables.values()}
    if not tables:
        return
    first = _tables_at(known()[0])
    strange = [
        name
        for name in sorted(tables)
        if not name.startswith("_alembic_tmp_") and {one["name"] for one in there.get_columns(name)} != first.get(name)
    ]
    if not strange and _VERSION in tables and connection.scalar(text(f"SELECT count(*) FROM {_VERSION}")):  # noqa: S608
        strange = [_VERSION]
    if strange:
        more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
        raise AuditsError(
            f"The database is not a ledger: it has {', '.join(strange[:_NAMED])}{more} among its tables.",
            where=f"setting AUDITS_LEDGER_URL: {connection.engine.url.render_as_string(hide_password=True)}",
            fix="Nothing was changed. Name the file or database of a ledger, or one without tables, to begin a ledger.",
        )


def _tables_at(revision: str | None) -> dict[str, set[str]]:
    """The tables that a ledger has once it is at a migration, each with its columns."""
    if revision is None:
        return {}
    with create_engine("sqlite://").begin() as connection:
        _to(connection, revision)
        made = inspect(connection)
        return {name: {one["name"] for one in made.get_columns(name)} for name in made.get_table_names()}


def _write_ahead(connection: Connection) -> None:
    """Let readers read while somebody writes; kept in the file. Where another process is faster, it has done so."""
    with suppress(sqlite3.OperationalError):
        _pragma(connection, "journal_mode = WAL")


def _pragma(connection: Connection, setting: str) -> None:
    """A setting that SQLite takes outside of transactions only."""
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA {setting}")
