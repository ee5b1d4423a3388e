"""LiteLLM's rows that are no requests, that failed in an older version's way, or whose usage is told otherwise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from audits.features.hashing import Hasher
from audits.sources.litellm import LiteLLM
from audits.sources.litellm_calls import OPERATIONS
from audits.sources.load import LoadReport, load
from audits.sources.tokens import whole_input
from audits.warehouse.tables import usage_events
from audits.warehouse.vocabulary import WORDS
from tests.sources.reading import query
from tests.sources.test_litellm import DDL, insert

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)


def log(number: int, **values: Any) -> dict[str, Any]:
    """A successful chat of 60 + 5 tokens; ``metadata`` as an object."""
    metadata = values.pop("metadata", {})
    at = f"2026-10-07 09:00:{number:02}"
    return {
        "request_id": f"r{number}", "call_type": "acompletion", "api_key": "0" * 64, "prompt_tokens": 60,
        "completion_tokens": 5, "startTime": at, "endTime": at, "model": "m", "status": "success",
        "organization_id": "org", "metadata": json.dumps(metadata), **values,
    }  # fmt: skip


@pytest.fixture
def logs(postgres_url: str) -> str:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(DDL)
    return postgres_url


def loaded(logs: str, url: str, *rows: dict[str, Any]) -> tuple[LoadReport, list[dict[str, Any]]]:
    insert(logs, list(rows))
    report = load(LiteLLM(logs, Hasher("pepper")), url, now=NOW)
    return report, query(url, "SELECT * FROM usage_events ORDER BY event_ts")


def test_calls_that_read_list_delete_or_cancel_are_counted_and_are_no_requests(
    logs: str, duckdb_warehouse: str
) -> None:
    kinds = {
        "aget_responses": "get", "get_responses": "get", "adelete_responses": "delete", "acancel_responses": "cancel",
        "alist_input_items": "list", "afile_list": "list", "file_content": "retrieve", "acancel_batch": "cancel",
        "alist_fine_tuning_jobs": "list", "avideo_retrieve_job": "retrieve", "aretrieve_batch": "retrieve",
        "alist_mcp_tools": "list", "a_add_message": "threads and assistants",
        "avector_store_search": "search and stores",
    }  # fmt: skip
    rows = [log(number, call_type=name) for number, name in enumerate(kinds)]
    rows[10] |= {"prompt_tokens": 0, "completion_tokens": 0}  # a batch that is not completed yet
    report, events = loaded(logs, duckdb_warehouse, log(59, call_type="aresponses"), *rows)
    assert (report.read, report.loaded, report.ignored, report.n_rejected) == (15, 1, 14, 0)
    assert report.not_requests == {
        "LiteLLM: get": 2, "LiteLLM: delete": 1, "LiteLLM: cancel": 2, "LiteLLM: list": 4, "LiteLLM: retrieve": 3,
        "LiteLLM: threads and assistants": 1, "LiteLLM: search and stores": 1,
    }  # fmt: skip
    assert [event["event_id"] for event in events] == ["litellm:r59"]


def test_a_batch_s_usage_comes_with_the_retrieval_that_sees_it_completed(logs: str, duckdb_warehouse: str) -> None:
    created = log(1, call_type="acreate_batch", prompt_tokens=0, completion_tokens=0)
    report, events = loaded(logs, duckdb_warehouse, created, log(2, call_type="aretrieve_batch"))
    assert [(event["operation"], event["input_tokens"]) for event in events] == [("batch", 0), ("batch", 60)]
    assert report.n_rejected == 0


@pytest.mark.parametrize("call_type", ["pass_through_endpoint", "allm_passthrough_route", "acompletion", "aresponses"])
def test_a_success_without_usage_is_set_aside_not_counted_as_zero(
    logs: str, duckdb_warehouse: str, call_type: str
) -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "call_type": call_type}
    failed = log(2, **nothing, status="failure", metadata={"error_information": {"error_code": "503"}})
    report, events = loaded(logs, duckdb_warehouse, log(1, **nothing, model="unknown"), failed)
    assert report.rejected == {("total_tokens", "no usage, though the request succeeded"): 1}
    assert [(event["status_code"], event["input_tokens"]) for event in events] == [(503, 0)]


def test_images_and_audio_are_not_counted_in_tokens(logs: str, duckdb_warehouse: str) -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0}
    report, events = loaded(
        logs, duckdb_warehouse, log(1, call_type="aimage_generation", **nothing), log(2, call_type="speech", **nothing)
    )
    assert (report.loaded, report.n_rejected) == (2, 0)
    assert [event["operation"] for event in events] == ["image_generation", "speech"]


def test_usage_of_a_pass_through_that_only_the_metadata_have_is_read(logs: str, duckdb_warehouse: str) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 30}}
    row = log(1, call_type="pass_through_endpoint", prompt_tokens=0, completion_tokens=0,
              metadata={"usage_object": usage, "additional_usage_values": {}})  # fmt: skip
    _, events = loaded(logs, duckdb_warehouse, row)
    assert [(e["operation"], e["input_tokens"], e["cached_input_tokens"]) for e in events] == [("chat", 40, 30)]


def test_a_call_that_is_not_known_is_set_aside_whatever_it_used(logs: str, duckdb_warehouse: str) -> None:
    report, _ = loaded(logs, duckdb_warehouse, log(1, call_type="ateleport"), log(2, call_type="", prompt_tokens=9))
    assert report.rejected == {("call_type", "a call that this version does not know"): 2}


@pytest.mark.parametrize(
    ("status", "metadata", "expected"),
    [
        (None, {"status": "failure", "error_information": {"error_code": "401"}}, (401, "auth")),
        ("", {"status": "Failure", "error_information": {"error_class": "Timeout"}}, (504, "server")),
        (None, {"error_information": {"error_code": "", "error_class": "BudgetExceededError"}}, (429, "quota")),
        ("failure", {}, (500, None)),
        ("success", {"status": "failure", "error_information": {"error_code": "429"}}, (429, "rate_limit")),
        (None, {}, (200, None)),
        (None, {"status": None, "error_information": None}, (200, None)),
        ("success", {"status": "success", "error_information": {}}, (200, None)),
    ],
)
def test_a_failure_is_one_wherever_the_status_stands(
    logs: str, duckdb_warehouse: str, status: str | None, metadata: dict[str, Any], expected: tuple[int, str | None]
) -> None:
    _, events = loaded(logs, duckdb_warehouse, log(1, status=status, metadata=metadata))
    assert [(event["status_code"], event["error_class"]) for event in events] == [expected]


def test_a_status_that_is_neither_is_set_aside(logs: str, duckdb_warehouse: str) -> None:
    report, _ = loaded(logs, duckdb_warehouse, log(1, status="pending"))
    assert report.rejected == {("status", "neither success nor failure"): 1}


@pytest.mark.parametrize(
    ("stated", "usage", "expected"),
    [
        (25, {"cache_creation_input_tokens": 900, "cache_read_input_tokens": 0}, (925, 0)),  # writes left out
        (125, {"cache_creation_input_tokens": 900, "cache_read_input_tokens": 100}, (1025, 100)),  # reads are inside
        (25, {"cache_creation_input_tokens": 900, "cache_read_input_tokens": 100}, (1025, 100)),  # neither is
        (1025, {"cache_creation_input_tokens": 900, "cache_read_input_tokens": 100}, (1025, 100)),
        (10, {"prompt_tokens_details": {"cached_tokens": 70, "cache_creation_tokens": 4}}, (84, 70)),
    ],
)
def test_cached_input_is_inside_the_input_also_where_the_proxy_left_it_out(
    logs: str, duckdb_warehouse: str, stated: int, usage: dict[str, Any], expected: tuple[int, int]
) -> None:
    row = log(1, prompt_tokens=stated, total_tokens=stated + 5, metadata={"additional_usage_values": usage})
    _, events = loaded(logs, duckdb_warehouse, row)
    assert [(event["input_tokens"], event["cached_input_tokens"]) for event in events] == [expected]


def test_a_total_tells_that_the_cache_is_left_out_where_the_parts_do_not() -> None:
    assert whole_input(5_000, 2_000, 0, output=10, total=7_010) == 7_000
    assert whole_input(5_000, 2_000, 0, output=10, total=5_010) == 5_000
    assert whole_input(5_000, 2_000, 0, output=10) == 5_000


def test_every_operation_that_is_written_is_read_as_a_word():
    assert set(OPERATIONS.values()) <= set(WORDS[usage_events.c.operation])
