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

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
_SEALED_FROM = "0004"  # the migration that brought seals; a later one must leave what they were made of as it is
_MIGRATING = 0x1ED6E4  # PostgreSQL advisory lock: one process migrates at a time


def migrate(engine: Engine) -> None:
    """Upgrade to the newest migration; a ledger from a newer version of this service is refused, not touched."""
    with engine.connect() as connection:
        if _has_version(connection, known()[-1]):
            return
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


def known() -> list[str]:
    """The migrations of this version, oldest first."""
    return sorted(file.stem.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def stamped(connection: Connection) -> str | None:
    """The migration that the ledger is at, or None where none was finished."""
    if not inspect(connection).has_table("alembic_version"):
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
    ours = {*Base.metadata.tables} - _tables_at(current)
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


def _tables_at(revision: str | None) -> set[str]:
    """The tables that a ledger has once it is at a migration."""
    if revision is None:
        return set()
    scratch = create_engine("sqlite://")
    with scratch.begin() as connection:
        _to(connection, revision)
        return set(inspect(connection).get_table_names())


def _write_ahead(connection: Connection) -> None:
    """Let readers read while somebody writes; kept in the file. Where another process is faster, it has done so."""
    with suppress(sqlite3.OperationalError):
        _pragma(connection, "journal_mode = WAL")


def _pragma(connection: Connection, setting: str) -> None:
    """A setting that SQLite takes outside of transactions only."""
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA {setting}")
