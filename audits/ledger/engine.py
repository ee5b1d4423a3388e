"""Opening the ledger: SQLite or PostgreSQL by URL, brought to the newest schema by Alembic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from audits.errors import AuditsError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 60  # how long SQLite waits for another writer before it gives up


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger."""

    engine: Engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end of the block, rolled back by any error."""
        with Session(self.engine) as session, session.begin():
            yield session

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def is_there(url: str) -> bool:
    """Whether there is a ledger to read: opening one that is not there makes it."""
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


@contextmanager
def open_ledger(url: str) -> Iterator[Ledger]:
    """Open the ledger and bring its tables up to date."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, OSError) as error:
        raise AuditsError(
            f"The ledger cannot be opened: {error}",
            where="setting AUDITS_LEDGER_URL",
            fix="Write sqlite:////path/to/ledger.sqlite or postgresql://user@host/database.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _careful_sqlite)
    try:
        migrate(engine)
        yield Ledger(engine)
    except OperationalError as error:
        if "database is locked" not in str(error) and not error.connection_invalidated:
            raise
        raise AuditsError(
            f"The ledger does not answer: {str(error.orig).strip().splitlines()[0]}",
            where=f"setting AUDITS_LEDGER_URL: {parsed.render_as_string(hide_password=True)}",
            fix="Let the other writer finish, or use PostgreSQL where several processes write.",
        ) from error
    finally:
        engine.dispose()


def migrate(engine: Engine) -> None:
    """Upgrade to the newest migration; a ledger from a newer version of this service is refused, not touched."""
    known = sorted(file.stem.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    try:
        with engine.connect() as connection:
            stamped = inspect(connection).has_table("alembic_version")
            current = connection.scalar(text("SELECT version_num FROM alembic_version")) if stamped else None
    except OperationalError as error:
        raise AuditsError(
            f"The ledger does not answer: {str(error.orig).strip().splitlines()[0]}",
            where=f"setting AUDITS_LEDGER_URL: {engine.url.render_as_string(hide_password=True)}",
            fix="Check host, port, database and user.",
        ) from error
    if current == known[-1]:
        return
    if current is not None and current not in known:
        raise AuditsError(
            f"The ledger is at revision {current}, which this version of the service does not know.",
            where="setting AUDITS_LEDGER_URL",
            fix="Use the version of usage-audits that last wrote this ledger, or a newer one.",
        )
    from alembic import command  # noqa: PLC0415 - a third of the time of a look-up, and seldom needed

    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def alembic_config() -> Config:
    """Alembic's configuration, made in code so that no file names a database."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _careful_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()
