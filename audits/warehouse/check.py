"""What `audits doctor` asks of a warehouse: does it answer, does it fit the contract, are the rights sufficient?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from audits.errors import AuditsError
from audits.warehouse.bucket_overlaps import overlap_problems
from audits.warehouse.catalog import Catalog, read_catalog
from audits.warehouse.check_validity import validity_problems
from audits.warehouse.engines import connect, parse_url
from audits.warehouse.failures import first_line
from audits.warehouse.fit import ESSENTIAL, Problem, misfits
from audits.warehouse.raw_text import form_of, text_columns
from audits.warehouse.raw_text_sql import find_raw_text
from audits.warehouse.rollups_file import rollups_path
from audits.warehouse.tables import AUDIT_SCHEMA, SOURCE_SCHEMA, customers, source_metadata, usage_events
from audits.warehouse.vocabulary import strange_words


def check(warehouse_url: str, rollups_url: str | None = None, *, now: datetime) -> tuple[Problem, ...]:
    """Everything that keeps the warehouse from being audited, that is not recorded, or that is worth changing.

    Nothing is written. Columns that the database does not declare NOT NULL are read through, once each table.
    Raises AuditsError where the warehouse cannot be opened at all.
    """
    url = parse_url(warehouse_url)
    engine = connect(url, rollups_url)
    try:
        with engine.begin() as connection:
            found = read_catalog(connection)
            problems = [*misfits(found), *_time_zone(connection), *_nulls(connection, found)]
            faulty = frozenset(problem.where for problem in problems)
            problems += [*_events(connection, faulty, now), *validity_problems(connection, faulty)]
            problems += [*strange_words(connection, faulty), *overlap_problems(connection, faulty)]
            problems += _raw_text(connection, found)
            if engine.dialect.name == "postgresql":
                problems += [*_rights(connection), *_write_rights(connection, found), *_index(connection, found)]
            else:
                problems += _room_for_rollups(url, rollups_url)
    except OperationalError as error:
        raise AuditsError(
            f"The warehouse does not answer: {first_line(error)}",
            where=f"setting AUDITS_WAREHOUSE_URL: {url.render_as_string(hide_password=True)}",
            fix="Check host, port, database, user and password, and that the server listens.",
        ) from error
    finally:
        engine.dispose()
    order = {"error": 0, "not recorded": 1, "advice": 2}
    return tuple(sorted(problems, key=lambda problem: order[problem.severity]))


def _time_zone(connection: Connection) -> Iterator[Problem]:
    zone = connection.scalar(text("SELECT current_setting('TimeZone')"))
    if zone not in {"UTC", "Etc/UTC"}:
        yield Problem(
            "error",
            "session time zone",
            f"it was set to UTC and is {zone}.",
            "A pooler between us and the server drops session settings: pool by session, or "
            "ALTER ROLE ... SET timezone = 'UTC'.",
        )


def _nulls(connection: Connection, found: Catalog) -> Iterator[Problem]:
    """NULLs where the contract allows none; what the database itself declares NOT NULL is believed."""
    for table in source_metadata.tables.values():
        there = found.get(table.name)
        columns = [
            column
            for column in table.columns
            if there is not None
            and not column.nullable
            and column.name in there.columns
            and there.columns[column.name].readable
            and not there.columns[column.name].not_null
        ]
        if not columns:
            continue
        counts = connection.execute(
            select(*(func.count().filter(column.is_(None)).label(column.name) for column in columns))
        ).one()
        for column in columns:
            if nulls := counts._mapping[column.name]:
                yield Problem(
                    "error",
                    f"{table.name}.{column.name}",
                    f"{nulls:,} rows have NULL, where the contract allows none.",
                    _fill(table, column.name),
                )


def _raw_text(connection: Connection, found: Catalog) -> Iterator[Problem]:
    """Keys, addresses and prompts in text columns, with their number and never a value."""
    for table in source_metadata.sorted_tables:
        there = found.get(table.name)
        if there is None:
            continue
        columns = [name for name in text_columns(table) if name in there.columns and there.columns[name].readable]
        for one in find_raw_text(connection, table, columns=columns) if columns else ():
            yield Problem(
                "error",
                f"{one.table}.{one.column}",
                f"{one}, which must not be stored.",
                f"Put {form_of(one.column).value} in their place, or remove them.",
            )


def _fill(table: Table, column: str) -> str:
    if (table.name, column) == (usage_events.name, "account_id"):
        return "Write 'UNMAPPED' where the source names no account."
    return f"Fill or drop the rows of {table.name} WHERE {column} IS NULL."


def _events(connection: Connection, faulty: frozenset[str], now: datetime) -> Iterator[Problem]:
    for name in sorted(ESSENTIAL - faulty):
        table = source_metadata.tables[f"{SOURCE_SCHEMA}.{name}"]
        key = table.c.customer_id if table is customers else table.c.account_id
        if f"{name}.{key.name}" not in faulty and connection.execute(select(key).limit(1)).first() is None:
            yield Problem("advice", name, "it has no rows.", "Load it; there is nothing to audit yet.")
    at = usage_events.c.event_ts
    if not {"usage_events", "usage_events.event_ts"} & faulty:
        ahead, last = connection.execute(select(func.count(), func.max(at)).where(at > now + timedelta(days=1))).one()
        if ahead:
            yield Problem(
                "advice",
                "usage_events.event_ts",
                f"{ahead:,} events lie in the future (the last on {last:%Y-%m-%d}); no period has them yet.",
                f"Correct the rows WHERE event_ts > '{now + timedelta(days=1):%Y-%m-%d}', if their clock was wrong.",
            )


def _rights(connection: Connection) -> Iterator[Problem]:
    """What the connected role needs besides SELECT: a schema of the audit's own, and temporary tables."""
    role, database, may_make, may_stage, there, may_use, foreign = connection.execute(
        text("""
            SELECT current_user, current_database(),
                   has_database_privilege(current_database(), 'CREATE'),
                   has_database_privilege(current_database(), 'TEMPORARY'),
                   s.oid IS NOT NULL,
                   coalesce(has_schema_privilege(s.oid, 'USAGE') AND has_schema_privilege(s.oid, 'CREATE'), false),
                   (SELECT count(*) FROM pg_class c
                    WHERE c.relnamespace = s.oid AND c.relkind IN ('r', 'p')
                      AND NOT pg_has_role(c.relowner, 'USAGE'))
            FROM (SELECT 1) one LEFT JOIN pg_namespace s ON s.nspname = :schema
        """),
        {"schema": AUDIT_SCHEMA},
    ).one()
    if not (may_use if there else may_make):
        statement = (
            f"GRANT USAGE, CREATE ON SCHEMA {AUDIT_SCHEMA}" if there else f"CREATE SCHEMA {AUDIT_SCHEMA} AUTHORIZATION"
        )
        yield Problem(
            "error",
            f"schema {AUDIT_SCHEMA}",
            f"role {role} may not make tables in it." if there else f"it is not there and role {role} may not make it.",
            f"{statement}{' TO' if there else ''} {role};",
        )
    if foreign:
        yield Problem(
            "error",
            f"schema {AUDIT_SCHEMA}",
            f"{foreign} of its tables belong to another role.",
            f"Audit as that role, or hand them over: ALTER TABLE {AUDIT_SCHEMA}. ... OWNER TO {role};",
        )
    if not may_stage:
        yield Problem(
            "error",
            f"database {database}",
            f"role {role} may not make temporary tables.",
            f"GRANT TEMPORARY ON DATABASE {database} TO {role};",
        )


def _write_rights(connection: Connection, found: Catalog) -> Iterator[Problem]:
    """An audit needs to read only; a role that could write leaves a doubt that it did."""
    writable = [
        name
        for name, there in found.items()
        if connection.scalar(
            text("SELECT has_table_privilege(to_regclass(:name), 'INSERT, UPDATE, DELETE, TRUNCATE')"),
            {"name": f'"{there.schema}"."{name}"'},
        )
    ]
    if writable:
        role = connection.scalar(text("SELECT current_user"))
        yield Problem(
            "advice",
            f"role {role}",
            f"it may write {len(writable)} source tables, among them {writable[0]}.",
            "Audit with a role that has SELECT on them and owns nothing but the schema audit.",
        )


def _index(connection: Connection, found: Catalog) -> Iterator[Problem]:
    events = found.get(usage_events.name)
    if events is None or events.is_view or "event_ts" not in events.columns:
        return
    led = connection.scalar(
        text("""
            SELECT count(*) FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = to_regclass(:name) AND a.attname = 'event_ts'
        """),
        {"name": f'"{events.schema}"."usage_events"'},
    )
    if not led:
        yield Problem(
            "advice",
            "usage_events",
            "no index begins with event_ts, so that each day's work reads the whole table.",
            "CREATE INDEX CONCURRENTLY ON usage_events (event_ts, ingested_ts);",
        )


def _room_for_rollups(url: URL, rollups_url: str | None) -> Iterator[Problem]:
    file = rollups_path(Path(url.database or ""), rollups_url)
    target = file if file.exists() else file.parent
    if not os.access(target, os.W_OK):
        yield Problem(
            "error",
            str(file),
            "the rollups would lie here, and it may not be written.",
            "Make it writable, or set AUDITS_ROLLUPS_URL=duckdb:////another/place.rollups.duckdb.",
        )
