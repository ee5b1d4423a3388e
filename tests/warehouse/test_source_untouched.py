"""An audit's preparation needs to read the source and nothing more, and can be broken off anywhere."""

import hashlib
from datetime import date
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import make_url

from audits import quality, rollups
from audits.errors import PartialError
from audits.policy import load_book
from audits.rollups.account_day import account_day
from audits.warehouse import warehouse
from audits.warehouse.tables import source_metadata
from tests.rows import REFERENCE, account, events, put, run_sql, together

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 14)
WORLD = together(
    account("a"), account("b"), REFERENCE,
    {"usage_events": [*events("a", "2026-10-02", 5), *events("b", "2026-10-03", 7), *events("a", "2026-10-03", 1) * 2]},
)  # fmt: skip


def prepare(opened):
    verdicts = quality.judge(opened, FIRST, LAST, load_book(None, {}).quality)
    rollups.refresh(opened, FIRST, LAST, blocked=quality.blocked(verdicts))
    with opened.begin() as connection:
        rolled_up = connection.execute(select(account_day).order_by(account_day.c.day, account_day.c.account_id)).all()
    return verdicts, rolled_up


def contents(url: str) -> dict[str, str]:
    """A digest of every row of every source table, and of the tables' definitions."""
    with psycopg.connect(url) as connection:
        found = {
            table.name: connection.execute(
                f"SELECT md5(string_agg(t::text, '\n' ORDER BY t::text)) FROM {table.name} t"
            ).fetchone()[0]
            for table in source_metadata.sorted_tables
        }
        found["definitions"] = str(
            connection.execute(
                "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
            ).fetchall()
        )
    return found


def test_a_duckdb_file_keeps_every_byte(duckdb_warehouse):
    put(duckdb_warehouse, WORLD)
    file = Path(make_url(duckdb_warehouse).database)
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with warehouse(duckdb_warehouse, write=True) as opened:
        assert prepare(opened)[1]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before


def test_select_on_the_source_and_a_schema_of_its_own_suffice(postgres_url):
    put(postgres_url, WORLD)
    before = contents(postgres_url)
    run_sql(
        postgres_url,
        "DROP ROLE IF EXISTS auditor",
        "CREATE ROLE auditor LOGIN",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor",
        "CREATE SCHEMA audit AUTHORIZATION auditor",
    )
    own = make_url(postgres_url).set(username="auditor").render_as_string()
    try:
        with warehouse(own, write=True) as opened:
            assert len(prepare(opened)[1]) == 3
        with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(own) as connection:
            connection.execute("DELETE FROM usage_events")
        assert contents(postgres_url) == before
    finally:
        run_sql(postgres_url, "DROP OWNED BY auditor", "DROP ROLE auditor")


@pytest.mark.parametrize(
    "at", ["INSERT INTO audit.quality_hours", "INSERT INTO audit.quality_days", "INSERT INTO audit.account_day"]
)
def test_a_warehouse_that_goes_away_costs_the_unfinished_part_only(postgres_url, at):
    put(postgres_url, WORLD)
    with warehouse(postgres_url, write=True) as opened:

        @event.listens_for(opened.engine, "before_cursor_execute")
        def cut_off(connection, cursor, statement, *_):
            if statement.startswith(at):
                event.remove(opened.engine, "before_cursor_execute", cut_off)
                with psycopg.connect(postgres_url) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", [cursor.connection.info.backend_pid])

        with pytest.raises(PartialError) as caught:
            prepare(opened)
        assert caught.value.exit_code == 1
        after = prepare(opened)
    run_sql(postgres_url, "DROP SCHEMA audit CASCADE")
    with warehouse(postgres_url, write=True) as opened:
        assert prepare(opened) == after
