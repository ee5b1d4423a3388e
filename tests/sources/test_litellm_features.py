"""Features that a real LiteLLM proxy kept instead of text, read from its spend logs into the contract's columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audits.features import Extractor
from audits.features.geo import Geo
from audits.features.hashing import Hasher
from audits.features.seal import KEY, opened, sealed
from audits.sources.litellm import LiteLLM
from audits.sources.load import load
from tests.features.data import shared
from tests.sources.asked import INSTRUCTION, INVOICES, JUDGES, TELLING
from tests.sources.reading import query
from tests.sources.test_litellm import DDL, NOW, insert

RECORDED = Path(__file__).parent / "fixtures" / "litellm_features.jsonl"


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


@pytest.fixture
def logs(postgres_url: str) -> str:
    """A LiteLLM database with the recorded rows."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute(DDL)
    insert(postgres_url, recorded())
    return postgres_url


def events(url: str) -> list[dict[str, Any]]:
    return query(url, "SELECT * FROM usage_events ORDER BY event_ts, event_id")


def test_no_row_of_the_proxy_s_holds_what_was_asked() -> None:
    assert not [word for word in TELLING if word in RECORDED.read_text("utf-8")]


def test_features_arrive_in_their_columns(logs: str, duckdb_warehouse: str) -> None:
    report = load(LiteLLM(logs, Hasher("pepper")), duckdb_warehouse, now=NOW)
    assert (report.loaded, report.n_rejected) == (11, 0)
    found, extractor = events(duckdb_warehouse), Extractor("pepper")
    for row, invoice in zip(found[:2], INVOICES, strict=True):
        expected = extractor.of_text(f"{INSTRUCTION}\n\n{invoice}").recorded()
        assert {name: row[name] for name in expected} == expected
    assert found[0]["prompt_template_hash"] == found[1]["prompt_template_hash"] != found[2]["prompt_template_hash"]
    assert found[0]["prompt_simhash"] != found[1]["prompt_simhash"]
    judge, elicits, failed, streamed, vectors = found[2:7]
    assert judge["system_prompt_hash"] == extractor.of_text("", JUDGES).system_prompt_hash
    assert judge["rubric_grade_score"] > 0.8
    for row in (elicits, failed, streamed):  # one of them with features that a client planted, one refused
        assert row["cot_elicit_score"] == pytest.approx(0.95)
        assert row["lang"] == "en"
    assert failed["status_code"] == 429
    assert (vectors["lang"], vectors["operation"]) == ("fr", "embeddings")
    assert "cot_elicit_score" not in report.not_recorded


def test_reasoning_brought_back_in_another_conversation_is_a_replay(logs: str, duckdb_warehouse: str) -> None:
    load(LiteLLM(logs, Hasher("pepper")), duckdb_warehouse, now=NOW)
    turns = [row for row in events(duckdb_warehouse) if row["model_requested"] == "claude"]
    assert [row["reasoning_visibility"] for row in turns] == [None, None, "signature_replay"]


def test_an_answer_that_the_proxy_blanked_is_no_kept_content(logs: str, duckdb_warehouse: str) -> None:
    load(LiteLLM(logs, Hasher("pepper")), duckdb_warehouse, now=NOW)
    assert not [row for row in events(duckdb_warehouse) if row["content_stored"] or row["content_available"]]


@pytest.mark.parametrize("salt", ["another", None])
def test_features_of_another_salt_or_that_a_client_planted_are_not_taken(
    salt: str | None, logs: str, duckdb_warehouse: str
) -> None:
    if salt is None:  # without a salt addresses would be refused
        with psycopg.connect(logs) as connection:
            connection.execute('UPDATE "LiteLLM_SpendLogs" SET requester_ip_address = NULL')
    report = load(LiteLLM(logs, Hasher(salt)), duckdb_warehouse, now=NOW)
    assert report.loaded == 11
    assert {"lang", "cot_elicit_score", "prompt_template_hash", "reasoning_visibility"} <= set(report.not_recorded)


def test_a_seal_holds_for_what_was_sealed_alone() -> None:
    hasher, columns = Hasher("pepper"), {"cot_elicit_score": 1.0, "lang": "en", "prompt_simhash": -(2**63)}
    value = sealed(columns, hasher)
    assert opened(json.loads(json.dumps(value)), hasher) == columns
    assert opened(json.dumps(value).replace("1.0", "1"), hasher) == columns  # as some databases write it
    for changed in (
        {**value, "features": {**columns, "cot_elicit_score": 0.0}},
        {**value, "features": {"lang": "en"}},
        {**value, "seal": "0" * 32},
        {**value, "seal": "é"},
        {"features": columns},
        "[" * 100_000,
        None,
        [KEY],
    ):
        assert opened(changed, hasher) == {}


def test_addresses_are_placed_where_databases_are_given(logs: str, duckdb_warehouse: str) -> None:
    geo = Geo(shared("geo"))
    load(LiteLLM(logs, Hasher("pepper"), geo=geo), duckdb_warehouse, now=NOW)
    geo.close()
    assert {row["ip_country"] for row in events(duckdb_warehouse)} == {"GB"}
    assert "2.125.160.217" not in json.dumps(events(duckdb_warehouse), default=str)
