"""LiteLLM's spend logs: rows that the real proxy made, in a real PostgreSQL, loaded into either warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from audits.errors import AuditsError
from audits.features.hashing import Hasher
from audits.sources.litellm import LiteLLM
from audits.sources.load import load
from tests.sources.reading import query

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
RECORDED = Path(__file__).parent / "fixtures" / "litellm_spend_logs.jsonl"

# The table after the migrations 20250326162113 to 20260921190000 of litellm-proxy-extras 0.4.108.
DDL = """
CREATE TABLE "LiteLLM_SpendLogs" (
    "request_id" TEXT PRIMARY KEY, "call_type" TEXT NOT NULL, "api_key" TEXT NOT NULL DEFAULT '',
    "spend" DOUBLE PRECISION NOT NULL DEFAULT 0.0, "total_tokens" INTEGER NOT NULL DEFAULT 0,
    "prompt_tokens" INTEGER NOT NULL DEFAULT 0, "completion_tokens" INTEGER NOT NULL DEFAULT 0,
    "startTime" TIMESTAMP(3) NOT NULL, "endTime" TIMESTAMP(3) NOT NULL, "completionStartTime" TIMESTAMP(3),
    "model" TEXT NOT NULL DEFAULT '', "model_id" TEXT DEFAULT '', "model_group" TEXT DEFAULT '',
    "custom_llm_provider" TEXT DEFAULT '', "api_base" TEXT DEFAULT '', "user" TEXT DEFAULT '',
    "metadata" JSONB DEFAULT '{}', "cache_hit" TEXT DEFAULT '', "cache_key" TEXT DEFAULT '',
    "request_tags" JSONB DEFAULT '[]', "team_id" TEXT, "end_user" TEXT, "requester_ip_address" TEXT,
    "messages" JSONB DEFAULT '{}', "response" JSONB DEFAULT '{}', "proxy_server_request" JSONB DEFAULT '{}',
    "session_id" TEXT, "status" TEXT, "mcp_namespaced_tool_name" TEXT, "organization_id" TEXT, "agent_id" TEXT,
    "request_duration_ms" INTEGER, "litellm_call_id" TEXT, "billing_agent_id" TEXT,
    "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


def insert(url: str, rows: list[dict[str, Any]]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")  # as Prisma has it: what is stored is UTC without a zone
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f"%({name})s" for name in row)
            connection.execute(f'INSERT INTO "LiteLLM_SpendLogs" ({names}) VALUES ({values})', row)


@pytest.fixture
def spend_logs(postgres_url: str) -> str:
    """A LiteLLM database with the recorded rows."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(DDL)
    insert(postgres_url, recorded())
    return postgres_url


def events(url: str) -> dict[str, dict[str, Any]]:
    """By model as it was asked for, and by how often it was asked before."""
    found: dict[str, dict[str, Any]] = {}
    for row in query(url, "SELECT * FROM usage_events ORDER BY event_ts, event_id"):
        name, number = row["model_requested"], 2
        while name in found:
            name, number = f"{row['model_requested']} {number}", number + 1
        found[name] = row
    return found


def source(url: str, **options: Any) -> LiteLLM:
    return LiteLLM(url, Hasher("pepper"), **options)


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty place for a warehouse: nothing is made beforehand."""
    if request.param == "duckdb":
        yield f"duckdb:///{tmp_path / 'new' / 'usage.duckdb'}"
        return
    server = request.getfixturevalue("postgres_server")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE target")
        yield f"{server}/target"
        connection.execute("DROP DATABASE target WITH (FORCE)")


def test_every_recorded_row_becomes_one_event_however_often_it_is_loaded(spend_logs: str, warehouse_url: str) -> None:
    report = load(source(spend_logs), warehouse_url, now=NOW)
    assert (report.read, report.loaded, report.already_there, report.n_rejected) == (16, 16, 0, 0)
    first = events(warehouse_url)
    again = load(source(spend_logs), warehouse_url, now=NOW + timedelta(days=1))
    assert (again.read, again.loaded, again.already_there) == (16, 0, 16)
    assert events(warehouse_url) == first


def test_input_tokens_include_cached_ones_for_every_provider(spend_logs: str, duckdb_warehouse: str) -> None:
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    found = events(duckdb_warehouse)
    tokens = {
        name: tuple(
            found[name][c] for c in ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
        )
        for name in ("small", "cloud", "claude", "claude 2", "gemini", "vectors")
    }
    assert tokens == {
        "small": (120, 64, 30, 12),  # OpenAI: 64 of 120 cached
        "cloud": (120, 64, 30, 12),  # Azure alike
        "claude": (100, 70, 25, 0),  # Anthropic: 20 + 10 written + 70 read
        "claude 2": (100, 70, 25, 0),  # the same by /v1/messages
        "gemini": (90, 40, 20, 5),  # output: 15 + 5 thoughts
        "vectors": (8, None, 0, None),  # what is not recorded is not zero
    }
    assert found["small"]["cost_usd"] == Decimal("0.00003120")


def test_what_was_asked_of_whom_and_how_it_ended(spend_logs: str, duckdb_warehouse: str) -> None:
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    found = events(duckdb_warehouse)
    told = {
        name: tuple(found[name][c] for c in ("operation", "access_path", "model_served", "status_code", "error_class"))
        for name in ("small", "cloud", "vectors", "claude 2", "limited", "broken", "forbidden", "unknown-model")
    }
    assert told == {
        "small": ("chat", "native", "gpt-4o-mini", 200, None),
        "cloud": ("chat", "azure", "gpt-4o", 200, None),
        "vectors": ("embeddings", "native", "text-embedding-3-small", 200, None),
        "claude 2": ("chat", "native", "claude-sonnet-4-5", 200, None),
        "limited": ("chat", "native", None, 429, "rate_limit"),
        "broken": ("chat", "native", None, 500, "server"),  # its code is the text "server_error"
        "forbidden": ("chat", "native", None, 403, "auth"),
        "unknown-model": ("chat", None, None, 400, "client"),
    }


def test_times_are_utc_and_the_log_s_own_arrival_is_kept(spend_logs: str, duckdb_warehouse: str) -> None:
    with psycopg.connect(spend_logs) as connection:
        connection.execute("""UPDATE "LiteLLM_SpendLogs" SET created_at = '2026-11-24 05:00:00'""")
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    first = recorded()[0]
    row = next(e for e in events(duckdb_warehouse).values() if e["event_id"] == f"litellm:{first['request_id']}")
    started = datetime.fromisoformat(first["startTime"])
    assert abs(row["event_ts"] - started) < timedelta(milliseconds=1)  # the column holds milliseconds
    assert row["duration_ms"] == first["request_duration_ms"]
    assert row["ingested_ts"] == datetime(2026, 11, 24, 5, tzinfo=UTC)


def test_an_older_proxy_s_table_lacks_columns_and_is_read_all_the_same(spend_logs: str, duckdb_warehouse: str) -> None:
    later = ("created_at", "updated_at", "request_duration_ms", "session_id", "status", "proxy_server_request",
             "organization_id", "litellm_call_id")  # fmt: skip
    with psycopg.connect(spend_logs) as connection:
        for name in later:
            connection.execute(f'ALTER TABLE "LiteLLM_SpendLogs" DROP COLUMN "{name}"')
    report = load(source(spend_logs), duckdb_warehouse, now=NOW)
    assert report.loaded == 16
    row = events(duckdb_warehouse)["small"]
    assert row["account_id"] == "org-acme"  # the metadata names it too
    assert row["ingested_ts"] == NOW
    assert row["duration_ms"] is not None  # from the two times
    assert "session_id" in report.not_recorded


def test_addresses_and_end_users_are_salted_digests(spend_logs: str, duckdb_warehouse: str) -> None:
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    found, hasher = events(duckdb_warehouse), Hasher("pepper")
    assert found["small"]["client_ip_hash"] == hasher.text("203.0.113.7")
    assert found["small"]["client_net_hash"] == hasher.text("203.0.113.0/24")
    assert found["vectors"]["client_net_hash"] == hasher.text("2001:db8:12::/48")
    assert found["small"]["end_user_hash"] == hasher.text("end-user-1")
    assert found["small"]["user_agent_family"] == "AsyncOpenAI"
    stored = json.dumps(query(duckdb_warehouse, "SELECT * FROM usage_events"), default=str)
    for secret in ("203.0.113.7", "2001:db8", "end-user-1", "store me", "fixed answer"):
        assert secret not in stored


def test_without_a_salt_addresses_are_refused_and_nothing_is_loaded(spend_logs: str, duckdb_warehouse: str) -> None:
    with pytest.raises(AuditsError, match="salted digests") as caught:
        load(LiteLLM(spend_logs, Hasher(None)), duckdb_warehouse, now=NOW)
    assert "AUDITS_SALT" in caught.value.where
    assert not events(duckdb_warehouse)


def test_absent_texts_are_not_recorded_and_a_row_without_organisation_is_unmapped(
    spend_logs: str, duckdb_warehouse: str
) -> None:
    engine = create_engine(duckdb_warehouse)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts (account_id, customer_id, opened_at) VALUES "
                                "('org-acme', 'c1', '2026-01-01 00:00:00+00')"))  # fmt: skip
    engine.dispose()
    report = load(source(spend_logs), duckdb_warehouse, now=NOW)
    assert report.unmapped == 2  # a key of no organisation, and a key that nobody knows
    assert report.unknown_accounts == {"org-globex": 6}
    unmapped = query(duckdb_warehouse, "SELECT * FROM usage_events WHERE account_id = 'UNMAPPED' ORDER BY event_ts")
    assert unmapped[0]["client_ip_hash"] is None
    assert unmapped[0]["end_user_hash"] is None
    assert unmapped[0]["api_key_hash"]
    empties = query(duckdb_warehouse, "SELECT * FROM usage_events WHERE api_key_hash = '' OR session_id = ''")
    assert empties == []
    assert {"topic_id", "ip_country", "retention_days", "lang"} <= set(report.not_recorded)
    assert "input_tokens" not in report.not_recorded


def test_sessions_that_the_proxy_made_up_are_not_recorded(
    spend_logs: str, duckdb_warehouse: str, tmp_path: Path
) -> None:
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    assert {row["session_id"] for row in events(duckdb_warehouse).values()} == {None, "session-1"}
    trusting = f"duckdb:///{tmp_path / 'trusting.duckdb'}"
    load(source(spend_logs, trust_sessions=True), trusting, now=NOW)
    assert len({row["session_id"] for row in events(trusting).values()}) == 15


def test_what_a_stored_request_asked_for_is_read_and_that_it_is_stored_is_told(
    spend_logs: str, duckdb_warehouse: str
) -> None:
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    kept = query(duckdb_warehouse, "SELECT * FROM usage_events WHERE content_stored")
    assert len(kept) == 1
    names = ("max_output_tokens", "n_choices", "top_logprobs", "logit_bias_n", "finish_reason", "content_available")
    assert [kept[0][name] for name in names] == [50, 2, 5, 2, "stop", True]
    rest = query(duckdb_warehouse, "SELECT * FROM usage_events WHERE content_stored IS NULL")
    assert len(rest) == 15
    assert not any(row["content_available"] for row in rest)


def test_a_raw_key_sets_its_row_aside_and_is_written_nowhere(spend_logs: str, warehouse_url: str) -> None:
    raw = {**recorded()[0], "request_id": "raw", "api_key": "sk-live-0123456789abcdefghij"}
    other = {**recorded()[0], "request_id": "other", "session_id": "my key is sk-live-0123456789abcdefghij"}
    insert(spend_logs, [raw, other])
    for _ in range(2):  # a second load sets nothing aside twice
        report = load(source(spend_logs), warehouse_url, now=NOW)
        assert report.rejected == {
            ("api_key", "what looks like an API key"): 1,
            ("session_id", "what looks like an API key"): 1,
        }
    assert report.already_there == 16
    aside = query(warehouse_url, "SELECT * FROM rejected_rows ORDER BY position")
    assert [(row["source_system"], row["position"], row["column_name"], row["reason"]) for row in aside] == [
        ("litellm", "other", "session_id", "what looks like an API key"),
        ("litellm", "raw", "api_key", "what looks like an API key"),
    ]
    assert aside[1]["redacted_value"] == "xx-xxxx-9999999999xxxxxxxxxx"
    assert aside[1]["loaded_at"] == NOW
    assert "sk-live" not in json.dumps(aside + query(warehouse_url, "SELECT * FROM usage_events"), default=str)


def test_an_id_that_may_not_be_shown_and_a_time_without_end_set_their_rows_aside(
    spend_logs: str, duckdb_warehouse: str
) -> None:
    ids = ["bob@secretmail.example", "sk-ant-api03-0123456789abcdefghijklmnop"]
    insert(spend_logs, [{**recorded()[0], "request_id": one} for one in ids])
    insert(spend_logs, [{**recorded()[0], "request_id": "endless", "startTime": "infinity"}])
    report = load(source(spend_logs), duckdb_warehouse, now=NOW)
    assert report.n_rejected == 3
    assert report.loaded > 0
    aside = query(duckdb_warehouse, "SELECT * FROM rejected_rows")
    assert {row["position"].partition(":")[0] for row in aside} == {"sha256", "endless"}
    said = json.dumps(aside, default=str) + str([one.position for one in report.examples.values()])
    assert not [one for one in ids if one in said]


def test_numbers_out_of_range_and_prompts_in_the_wrong_place_are_set_aside(
    spend_logs: str, duckdb_warehouse: str
) -> None:
    base = recorded()[0]
    wide = {**base, "request_id": "wide", "proxy_server_request": json.dumps({"n": 99_999})}
    prompt = {**base, "request_id": "prompt", "model_group": "please write " * 100}
    rich = {**base, "request_id": "rich", "spend": 1e12}
    insert(spend_logs, [wide, prompt, rich])
    report = load(source(spend_logs), duckdb_warehouse, now=NOW)
    assert report.loaded == 16
    assert {column for column, _ in report.rejected} == {"n_choices", "model_requested", "cost_usd"}
    aside = {r["position"]: r for r in query(duckdb_warehouse, "SELECT * FROM rejected_rows")}
    assert aside["prompt"]["redacted_value"].startswith("xxxxxx xxxxx")
    assert "please" not in json.dumps(aside, default=str)


def test_a_second_load_reads_only_what_may_be_new(spend_logs: str, duckdb_warehouse: str) -> None:
    old = {**recorded()[0], "request_id": "old", "startTime": "2026-11-01 00:00:00"}
    insert(spend_logs, [old])
    assert load(source(spend_logs), duckdb_warehouse, now=NOW).read == 17
    late = {**recorded()[0], "request_id": "late", "startTime": "2026-11-23 12:00:00"}
    insert(spend_logs, [late])
    again = load(source(spend_logs), duckdb_warehouse, now=NOW)
    assert (again.read, again.loaded) == (17, 1)  # the old one is not read again; the late one is found
    everything = load(source(spend_logs, since=datetime(2026, 1, 1, tzinfo=UTC)), duckdb_warehouse, now=NOW)
    assert (everything.read, everything.loaded) == (18, 0)


def test_an_event_dated_in_the_future_does_not_end_loading_until_then(spend_logs: str, duckdb_warehouse: str) -> None:
    insert(spend_logs, [{**recorded()[0], "request_id": "future", "startTime": "2036-01-01 00:00:00"}])
    load(source(spend_logs), duckdb_warehouse, now=NOW)
    insert(spend_logs, [{**recorded()[0], "request_id": "next", "startTime": "2026-11-25 00:00:00"}])
    assert load(source(spend_logs), duckdb_warehouse, now=NOW).loaded == 1


def test_more_rows_than_a_batch_arrive_whole(postgres_url: str, duckdb_warehouse: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(DDL)
        connection.execute(
            """INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, "startTime", "endTime", model, status,
                                              prompt_tokens, organization_id)
               SELECT 'r' || i, 'acompletion', 'k', '2026-11-01'::timestamp + i * interval '1 second',
                      '2026-11-01'::timestamp + (i + 1) * interval '1 second', 'm', 'success', i, 'a'
               FROM generate_series(1, 25000) i"""
        )
    heard: list[int] = []
    report = load(source(postgres_url), duckdb_warehouse, now=NOW, tell=lambda r: heard.append(r.read))
    assert heard == [10_000, 20_000, 25_000]
    assert (report.read, report.loaded) == (25_000, 25_000)
    total = query(duckdb_warehouse, "SELECT count(*) AS n, sum(input_tokens) AS tokens FROM usage_events")
    assert total == [{"n": 25_000, "tokens": 25_000 * 25_001 // 2}]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://nobody@127.0.0.1:1/litellm", "does not answer"),
        ("mysql://root@localhost/litellm", "keeps its logs in PostgreSQL, not in mysql"),
        ("not a url", "is not a database URL"),
    ],
)
def test_a_database_that_cannot_be_read_is_named(url: str, what: str, duckdb_warehouse: str) -> None:
    with pytest.raises(AuditsError, match=what) as caught:
        load(source(url), duckdb_warehouse, now=NOW)
    assert caught.value.fix


def test_a_database_without_the_table_or_a_column_is_named(postgres_url: str, duckdb_warehouse: str) -> None:
    with pytest.raises(AuditsError, match='no table "LiteLLM_SpendLogs"'):
        load(source(postgres_url), duckdb_warehouse, now=NOW)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("""CREATE TABLE "LiteLLM_SpendLogs" (request_id TEXT, "startTime" TIMESTAMP)""")
    with pytest.raises(AuditsError, match="lacks api_key, call_type, completion_tokens, metadata"):
        load(source(postgres_url), duckdb_warehouse, now=NOW)


def test_reading_rights_suffice_and_their_absence_is_named(spend_logs: str, duckdb_warehouse: str) -> None:
    with psycopg.connect(spend_logs, autocommit=True) as connection:
        connection.execute("CREATE ROLE litellm_reader LOGIN")
        try:
            reader = make_url(spend_logs).set(username="litellm_reader").render_as_string(hide_password=False)
            with pytest.raises(AuditsError, match="permission denied") as caught:
                load(source(reader), duckdb_warehouse, now=NOW)
            assert "GRANT SELECT" in caught.value.fix
            connection.execute('GRANT SELECT ON "LiteLLM_SpendLogs" TO litellm_reader')
            assert load(source(reader), duckdb_warehouse, now=NOW).loaded == 16
        finally:
            connection.execute("DROP OWNED BY litellm_reader")
            connection.execute("DROP ROLE litellm_reader")
