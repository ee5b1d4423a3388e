"""A warehouse that is not whole still reads; one that cannot be audited says everything that is wrong at once."""

from datetime import UTC, datetime

import duckdb
import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from audits.errors import AuditsError, PartialError
from audits.rollups import rollup_days
from audits.warehouse import warehouse
from audits.warehouse.tables import api_keys, models, sanctions, usage_events
from tests.rows import REFERENCE, account, events, put, run_sql, together

WORLD = together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)})


@pytest.fixture
def url(url: str) -> str:
    """The same warehouse with somebody in it."""
    put(url, WORLD)
    return url


def test_a_whole_warehouse_lacks_nothing(url):
    with warehouse(url) as opened:
        assert opened.absent == frozenset()


def test_absent_tables_read_as_empty_and_absent_columns_as_null(url):
    run_sql(
        url,
        "DROP TABLE sanctions",
        "ALTER TABLE usage_events DROP COLUMN ip_asn",
        "ALTER TABLE models DROP COLUMN predecessor",
    )
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        assert {"sanctions", "sanctions.as_of", "usage_events.ip_asn", "models.predecessor"} <= opened.absent
        assert {name for name in opened.absent if not name.startswith("sanctions")} == {
            "usage_events.ip_asn",
            "models.predecessor",
        }
        assert connection.execute(select(sanctions)).all() == []
        found = connection.execute(
            select(usage_events.c.event_id, usage_events.c.ip_asn, usage_events.c.ip_country)
        ).all()
        assert sorted(found) == [(f"native:a-2026-10-05-{i}", None, "US") for i in range(3)]
        assert connection.execute(select(models.c.predecessor, models.c.model)).all() == [(None, "m-1")]


def test_a_duckdb_url_may_bound_memory_and_threads(duckdb_warehouse):
    put(duckdb_warehouse, WORLD)
    settings = text(
        "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
    )
    with warehouse(f"{duckdb_warehouse}?memory_limit=64MiB&threads=1") as opened, opened.begin() as connection:
        memory, threads, beside = connection.execute(settings).one()
        assert (memory, threads) == ("64.0 MiB", 1)
        assert beside == make_url(duckdb_warehouse).database.replace(".duckdb", ".rollups.duckdb.tmp")
        most = connection.scalar(text("SELECT count(*) FROM (SELECT i FROM range(8000000) t(i) GROUP BY i)"))
        assert most == 8_000_000  # more than fits: it goes to disk


@pytest.mark.parametrize("option", ["memory_limit=much", "threads=0", "access_mode=read_only"])
def test_what_a_duckdb_url_cannot_ask_for_is_said(duckdb_warehouse, option):
    put(duckdb_warehouse, WORLD)
    with pytest.raises(AuditsError) as told, warehouse(f"{duckdb_warehouse}?{option}"):
        pass
    assert option.split("=")[0] in told.value.what
    assert "?memory_limit=4GB" in told.value.fix


def test_stand_ins_hold_on_every_connection(url):
    run_sql(url, "DROP TABLE api_keys")
    with warehouse(url) as opened:
        for _ in range(2):
            with opened.begin() as connection:
                assert connection.execute(select(api_keys)).all() == []
            opened.engine.dispose()


def test_evidence_sql_runs_on_the_source_without_the_absent_column(url):
    run_sql(url, "ALTER TABLE usage_events DROP COLUMN api_key_hash")
    e = usage_events.c
    asked = select(e.event_id, e.api_key_hash).where(e.account_id == "a", e.api_key_hash.is_(None)).order_by(e.event_id)
    with warehouse(url) as opened:
        sql = opened.standalone_sql(asked)
    assert "usage_events.api_key_hash" not in sql
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            rows = connection.execute(sql).fetchall()
    else:
        with duckdb.connect(make_url(url).database, read_only=True) as connection:
            rows = connection.execute(sql).fetchall()
    assert [row[0] for row in rows] == [f"native:a-2026-10-05-{i}" for i in range(3)]


def test_events_may_be_a_view(url):
    run_sql(
        url,
        "ALTER TABLE usage_events RENAME TO raw_events",
        "CREATE VIEW usage_events AS SELECT * FROM raw_events WHERE account_id = 'a'",
    )
    with warehouse(url) as opened, opened.begin() as connection:
        assert len(connection.execute(select(usage_events.c.event_id)).all()) == 3


def test_everything_that_is_wrong_is_said_at_once(url):
    run_sql(
        url,
        "DROP TABLE accounts",
        "ALTER TABLE usage_events DROP COLUMN status_code",
        "ALTER TABLE usage_events ALTER COLUMN event_ts TYPE TIMESTAMP USING event_ts AT TIME ZONE 'UTC'",
        "ALTER TABLE usage_events ALTER COLUMN input_tokens TYPE VARCHAR USING CAST(input_tokens AS VARCHAR)",
    )
    with pytest.raises(AuditsError) as caught, warehouse(url):
        pass
    said = str(caught.value)
    assert caught.value.exit_code == 2
    assert "accounts: there is no such table" in said
    assert "usage_events.status_code: there is no such column" in said
    assert "ALTER COLUMN event_ts TYPE TIMESTAMP WITH TIME ZONE USING event_ts AT TIME ZONE 'UTC';" in said
    assert "usage_events.input_tokens: its type is" in said


def test_a_warehouse_that_goes_away_half_way_is_partial_work(postgres_url):
    put(postgres_url, WORLD)
    with warehouse(postgres_url) as opened, pytest.raises(PartialError) as caught:
        _read_while_cut_off(opened, postgres_url)
    assert caught.value.exit_code == 1
    assert "run the same command again" in caught.value.fix


def _read_while_cut_off(opened, url):
    with opened.begin() as connection:
        me = connection.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(url) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [me])
        connection.execute(select(usage_events.c.event_id)).all()


def test_an_older_layout_of_the_audits_own_tables_is_made_anew(url):
    with warehouse(url, write=True):
        pass
    own = url if url.startswith("postgresql") else url.replace("usage.duckdb", "usage.rollups.duckdb")
    run_sql(own, "ALTER TABLE audit.rollup_days DROP COLUMN watermark")
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        assert connection.execute(select(rollup_days)).all() == []


def test_source_tables_may_lie_in_any_schemas_of_the_search_path(postgres_url):
    put(postgres_url, WORLD)
    run_sql(postgres_url, "CREATE SCHEMA facts", "ALTER TABLE usage_events SET SCHEMA facts",
            "ALTER ROLE postgres SET search_path = public, facts")  # fmt: skip
    try:
        with warehouse(postgres_url) as opened, opened.begin() as connection:
            assert len(connection.execute(select(usage_events.c.event_id)).all()) == 3
    finally:
        run_sql(postgres_url, "ALTER ROLE postgres RESET search_path")


def test_times_come_back_in_utc(url):
    with warehouse(url) as opened, opened.begin() as connection:
        first = min(connection.scalars(select(usage_events.c.event_ts)))
    assert first == datetime(2026, 10, 5, 12, tzinfo=UTC)
    assert first.utcoffset().total_seconds() == 0
