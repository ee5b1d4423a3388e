"""Opening a warehouse: DuckDB or PostgreSQL by URL, with the source read-only and the audit's own schema beside it.

DuckDB: an in-memory engine attaches the operator's file read-only as ``src`` and the rollups' file as ``rollups``;
DuckDB itself refuses writes to ``src``. PostgreSQL: the source tables are found by the connection's search path and
the audit's tables lie in the schema ``audit``; rights on the source need be no more than SELECT.

Tables and columns that an operator does not record are stood in for, see :mod:`audits.warehouse.standins`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Column, Connection, Engine, Select, cast, create_engine, event, null, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.visitors import replacement_traverse

from audits.errors import AuditsError
from audits.warehouse.access import Tell, Waiting, acquire
from audits.warehouse.catalog import read_catalog
from audits.warehouse.compiled import compiled_once
from audits.warehouse.dialects import for_literals
from audits.warehouse.failures import Part, PartFailedError, failure, first_line, kind_of, watched
from audits.warehouse.fit import absent, misfits, require_fit
from audits.warehouse.new_file import is_duckdb, is_unfinished
from audits.warehouse.own import make_own_tables
from audits.warehouse.rollups_file import (
    RollupsSetAsideError,
    holder_of,
    is_damaged,
    require_place,
    rollups_part,
    rollups_path,
    set_aside,
)
from audits.warehouse.standins import SCHEMAS, stand_ins
from audits.warehouse.tables import AUDIT_SCHEMA, SOURCE_SCHEMA
from audits.warehouse.urls import ESCAPES, database_url

STORAGE_VERSION = "v1.5.0"
"""Of the rollups' file: the oldest DuckDB that the product runs on. What DuckDB writes by default is for far older
ones and takes half as long again."""

OPTIONS = ("memory_limit", "threads")
"""What a DuckDB URL may ask of the engine, as ``?memory_limit=4GB&threads=2``; else it takes most of the machine."""

_OPTIONS_FIX = "Write duckdb:////path/usage.duckdb?memory_limit=4GB&threads=2, either one, or neither."

_POSTGRES_SESSION = (
    "SET TIME ZONE 'UTC'",
    # One session sorts and groups millions of rows, a few statements at a time: 4 MB, the default, is for hundreds of
    # sessions. What an operator set higher stays.
    "SELECT set_config('work_mem', '64MB', false) WHERE pg_size_bytes(current_setting('work_mem')) < 64 * 1024 ^ 2",
    # Compiling our wide aggregates takes longer than running them, and none is run often.
    "SET jit = off",
    # Our statements join whole sets, seldom by an index. Conditions on ranges (a validity interval holds a day) make
    # the planner expect a hundredth of the rows, and a nested loop over the rest takes minutes where a hash join takes
    # seconds. Where no other join is possible, PostgreSQL still uses it.
    "SET enable_nestloop = off",
)


def _quietly(_message: str) -> None:
    """Progress that nobody listens to."""


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
    lock: Connection | None = None  # holds PostgreSQL's lock on the audit's own schema
    part: Part | None = None  # as which it fails

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; a database that fails raises :class:`~audits.warehouse.failures.PartFailedError`."""
        drivers_own: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        if self.lock is not None:
            self.lock.scalar(select(1))  # the lock ends with its connection: without it another audit may have begun
        try:
            with self.engine.begin() as connection:
                yield connection
        except drivers_own as error:  # by COPY, say, which goes past SQLAlchemy
            raise failure(self.part or _part(self.url), error) or error from error

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
        """Give the connections, and the lock on the audit's own schema with them, back."""
        self.engine.dispose()
        if self.lock is not None:
            with suppress(SQLAlchemyError, PartFailedError):  # the server ends the lock of a connection that is lost
                self.lock.detach()
                self.lock.close()


@contextmanager
def warehouse(
    url: str, rollups_url: str | None = None, *, write: bool = False, tell: Tell = _quietly
) -> Iterator[Warehouse]:
    """A warehouse for the length of a ``with`` block. A rollups file that turns out to be damaged is moved aside."""
    opened = open_warehouse(url, rollups_url, write=write, tell=tell)
    try:
        yield opened
    except PartFailedError as failed:
        opened.close()
        if failed.kind == "damaged" and failed.part == opened.part and failed.part.written:
            file = _rollups_of(url, rollups_url)
            if is_damaged(file):
                raise RollupsSetAsideError(file, set_aside(file), failed) from failed
        raise
    finally:
        opened.close()


def open_warehouse(
    url: str, rollups_url: str | None = None, *, write: bool = False, tell: Tell = _quietly
) -> Warehouse:
    """Open the warehouse at ``url``; with ``write`` the audit's own schema is made where it is missing.

    Without ``write`` nothing at all can be written, so that several readers may share the audit's own schema. Where
    another process is in the way it is waited for, and ``tell`` is told so.
    """
    parsed = parse_url(url)
    engine = connect(parsed, rollups_url, write=write, tell=tell)
    shown = parsed.render_as_string(hide_password=True)
    duck = engine.dialect.name == "duckdb"
    part = _part(shown, rollups_part(_rollups_of(url, rollups_url)) if duck else None)
    lock = None
    try:
        if engine.dialect.name == "postgresql":
            lock = acquire(engine, write=write, tell=tell, where=shown)
        with engine.begin() as connection:
            found = read_catalog(connection)
            lacking = absent(found)
            require_fit(misfits(found), shown)
            if write:
                make_own_tables(connection)
    except DBAPIError as error:
        engine.dispose()
        raise failure(part, error.orig or error, opening=True) or AuditsError(
            f"The warehouse cannot be used: {first_line(error)}.",
            where=f"setting AUDITS_WAREHOUSE_URL: {shown}",
            fix="Run `audits doctor`: it names the rights and tables that are missing.",
        ) from error
    except BaseException:
        if lock is not None:
            lock.close()
        engine.dispose()
        raise
    schemas = {table.schema for table in found.values()}
    schema = schemas.pop() if len(schemas) == 1 else None
    if lacking or schema is None:
        engine = _stand_in(engine, stand_ins(found, lacking, engine.dialect))
    elif engine.dialect.name == "postgresql":
        engine = engine.execution_options(schema_translate_map={SOURCE_SCHEMA: schema})
    engine = watched(compiled_once(engine), part)
    if lock is not None:
        lock = lock.execution_options(**watched(lock.engine, part).get_execution_options())
    return Warehouse(engine, shown, write, lacking, schema, lock, part)


def _rollups_of(url: str, rollups_url: str | None) -> Path:
    return rollups_path(Path(parse_url(url).database or ""), rollups_url)


def _part(shown: str, written: Part | None = None) -> Part:
    return Part(
        "warehouse", f"setting AUDITS_WAREHOUSE_URL: {shown}",
        "Rollups that were finished are kept, and nothing in the source tables was changed.", written,
    )  # fmt: skip


def parse_url(url: str) -> URL:
    """The parts of a database URL."""
    if not url:
        raise AuditsError(
            "No warehouse is configured.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix="export AUDITS_WAREHOUSE_URL=duckdb:////path/to/usage.duckdb (or postgresql://...); "
            "`audits demo` makes a sample to try.",
        )
    parsed = database_url(url)
    if parsed is None:
        raise AuditsError(
            "The warehouse's URL is not a database URL.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix=f"Write duckdb:////path/to/usage.duckdb or postgresql://user@host/database; {ESCAPES}.",
        )
    return parsed


def connect(url: URL, rollups_url: str | None = None, *, write: bool = False, tell: Tell = _quietly) -> Engine:
    """An engine for the source as it is, in UTC; nothing is connected or checked yet."""
    match url.get_backend_name():
        case "duckdb":
            return _duckdb(url, rollups_url, write, tell)
        case "postgresql":
            if rollups_url:
                raise AuditsError(
                    "Rollups of a PostgreSQL warehouse are in its own schema audit, and nowhere else.",
                    where="setting AUDITS_ROLLUPS_URL",
                    fix="unset AUDITS_ROLLUPS_URL: it is for the rollups of a DuckDB warehouse.",
                )
            return _postgresql(url)
        case other:
            raise AuditsError(
                f"No warehouse engine is known for {other!r}.",
                where="setting AUDITS_WAREHOUSE_URL",
                fix="Use a duckdb:// or postgresql:// URL.",
            )


def _duckdb(url: URL, rollups_url: str | None, write: bool, tell: Tell) -> Engine:
    source = Path(url.database or "")
    if not source.is_file():
        raise AuditsError(
            f"There is no DuckDB file {source}." if url.database else "The URL names no DuckDB file.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix="Check the path (an absolute path has four slashes: duckdb:////srv/usage.duckdb).",
        )
    if is_unfinished(source):
        raise AuditsError(
            f"The DuckDB file {source} is empty: making it was cut off.", where="setting AUDITS_WAREHOUSE_URL",
            fix="Load usage into it (`audits source load`), which makes it anew, or delete it and make your own.",
        )  # fmt: skip
    if strange := sorted(url.query.keys() - set(OPTIONS)):
        raise AuditsError(
            f"{strange[0]!r} is not an option of a DuckDB warehouse.",
            where="setting AUDITS_WAREHOUSE_URL",
            fix=_OPTIONS_FIX,
        )
    require_duckdb(source, url)
    rollups = rollups_path(source, rollups_url)
    require_place(rollups, source, named=bool(rollups_url))
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def attach(connection: Any, _record: Any) -> None:
        connection.execute("SET TimeZone = 'UTC'")
        # What does not fit into memory goes beside the rollups, which may be written, and not to wherever this runs.
        connection.execute(f"SET temp_directory = {_quoted(f'{rollups.absolute()}.tmp')}")
        _tune(connection, url)
        _attach(connection, source, "src", read_only=True, tell=tell)
        if write and not rollups.is_file():
            tell(f"Beginning a rollups file: {rollups}")
        if write or rollups.is_file():
            _attach(connection, rollups, "rollups", read_only=not write, tell=tell)

    @event.listens_for(engine, "do_execute")
    def create(_cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        # The dialect would read such a statement letter by letter, to count rows that nobody asks for.
        if not statement.startswith("CREATE TEMPORARY TABLE"):
            return None
        context.root_connection.connection.driver_connection.execute(statement, parameters)
        return True

    return engine.execution_options(
        schema_translate_map={SOURCE_SCHEMA: "src.main", AUDIT_SCHEMA: f"rollups.{AUDIT_SCHEMA}"}
    )


def require_duckdb(file: Path, url: URL) -> None:
    """Refuse a file of another kind as a warehouse: DuckDB would read a CSV file as a database in memory."""
    with suppress(OSError):  # DuckDB itself says why a file cannot be opened
        if not is_duckdb(file):
            raise AuditsError(
                f"{file.name} is not a DuckDB database.",
                where=f"setting AUDITS_WAREHOUSE_URL: {url.render_as_string(hide_password=True)}",
                fix="Name the DuckDB file that holds the usage (restore it from a backup if this is that file). CSV, "
                "Parquet and JSON files are loaded into one: `audits source list` shows how.",
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


def _attach(connection: Any, file: Path, name: str, *, read_only: bool, tell: Tell) -> None:
    option = "TYPE duckdb, " + ("READ_ONLY" if read_only else f"STORAGE_VERSION '{STORAGE_VERSION}'")
    part = _part(f"duckdb:///{file}") if name == "src" else rollups_part(file)
    waiting = Waiting(tell, part.where)
    while True:
        try:
            connection.execute(f"ATTACH {_quoted(str(file.absolute()))} AS {name} ({option})")
            return
        except duckdb.Error as error:
            kind = kind_of(error)
            if kind == "damaged" and name == "rollups" and is_damaged(file):
                aside = RollupsSetAsideError(file, set_aside(file), error)
                if read_only:
                    raise aside from error
                tell(aside.what)
            elif kind == "busy":
                waiting.pause(holder_of(error))
            else:
                raise PartFailedError(part, kind or "gone", first_line(error), opening=True) from error


def _postgresql(url: URL) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        for statement in _POSTGRES_SESSION:
            connection.execute(statement)
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
