"""Usage exports of OpenAI and Anthropic: tokens normalised, what the contract does not tell apart added up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audits.sources.buckets import Buckets, anthropic_row, openai_row
from audits.sources.load import load
from audits.warehouse.check import check
from tests.sources.reading import query

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
DAY = 1_791_158_400  # 2026-10-05


def openai_page(*results: dict[str, Any], start: int = DAY) -> dict[str, Any]:
    bucket = {"object": "bucket", "start_time": start, "end_time": start + 86_400, "results": list(results)}
    return {"object": "page", "data": [bucket], "has_more": False, "next_page": None}


def completions(**values: Any) -> dict[str, Any]:
    return {
        "object": "organization.usage.completions.result", "input_tokens": 1_000, "output_tokens": 500,
        "input_cached_tokens": 800, "num_model_requests": 5, "project_id": "proj_a", "user_id": None,
        "api_key_id": "key_1", "model": "gpt-x", "batch": None, **values,
    }  # fmt: skip


def messages(**values: Any) -> dict[str, Any]:
    return {
        "uncached_input_tokens": 100, "cache_read_input_tokens": 700, "output_tokens": 40,
        "cache_creation": {"ephemeral_1h_input_tokens": 20, "ephemeral_5m_input_tokens": 30},
        "server_tool_use": {"web_search_requests": 1}, "workspace_id": "wrkspc_a", "api_key_id": "apikey_1",
        "model": "claude-x", "service_tier": "standard", "context_window": "0-200k", **values,
    }  # fmt: skip


def anthropic_page(*results: dict[str, Any]) -> dict[str, Any]:
    bucket = {"starting_at": "2026-10-05T00:00:00Z", "ending_at": "2026-10-06T00:00:00Z", "results": list(results)}
    return {"data": [bucket], "has_more": False, "next_page": None}


def write(path: Path, *pages: Any) -> Path:
    path.write_text("".join(json.dumps(page) + "\n" for page in pages))
    return path


@pytest.fixture(params=["duckdb_warehouse", "postgres_url"])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


def buckets(url: str) -> list[dict[str, Any]]:
    return query(url, "SELECT * FROM usage_buckets ORDER BY bucket_start, account_id, model")


def test_openai_s_cached_input_is_inside_its_input(tmp_path: Path, warehouse_url: str) -> None:
    source = Buckets([write(tmp_path / "a.json", openai_page(completions()))], openai_row, "openai")
    report = load(source, warehouse_url, now=NOW)
    assert (report.read, report.loaded, report.table) == (1, 1, "usage_buckets")
    row = buckets(warehouse_url)[0]
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"], row["n_requests"]) == (
        1000,
        800,
        500,
        5,
    )
    assert (row["bucket_start"], row["bucket_end"]) == (
        datetime(2026, 10, 5, tzinfo=UTC),
        datetime(2026, 10, 6, tzinfo=UTC),
    )
    assert (row["account_id"], row["api_key_hash"], row["model"], row["ingested_ts"]) == (
        "proj_a",
        "key_1",
        "gpt-x",
        NOW,
    )
    assert load(source, warehouse_url, now=NOW).already_there == 1


def test_anthropic_s_input_is_the_sum_of_its_parts(tmp_path: Path, warehouse_url: str) -> None:
    source = Buckets([write(tmp_path / "a.json", anthropic_page(messages()))], anthropic_row, "anthropic")
    load(source, warehouse_url, now=NOW)
    row = buckets(warehouse_url)[0]
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"]) == (100 + 700 + 20 + 30, 700, 40)
    assert row["n_requests"] is None  # published nowhere, so not zero
    assert load(source, warehouse_url, now=NOW).already_there == 1


def test_what_the_contract_does_not_tell_apart_is_added_up(tmp_path: Path, duckdb_warehouse: str) -> None:
    page = openai_page(
        completions(batch=False), completions(batch=True), completions(model="gpt-y"),
        completions(model="gpt-y", input_cached_tokens=None),
    )  # fmt: skip
    report = load(Buckets([write(tmp_path / "a.json", page)], openai_row, "openai"), duckdb_warehouse, now=NOW)
    assert report.loaded == 2
    rows = buckets(duckdb_warehouse)
    assert [(row["model"], row["input_tokens"], row["n_requests"]) for row in rows] == [
        ("gpt-x", 2000, 10),
        ("gpt-y", 2000, 10),
    ]
    assert [row["cached_input_tokens"] for row in rows] == [1600, None]  # a part that is unknown leaves the sum unknown


def test_a_dimension_that_was_not_asked_for_is_null_and_the_account_unmapped(
    tmp_path: Path, warehouse_url: str
) -> None:
    page = openai_page(completions(project_id=None, api_key_id=None, model=None))
    source = Buckets([write(tmp_path / "a.json", page)], openai_row, "openai")
    for loaded in (1, 0):
        report = load(source, warehouse_url, now=NOW)
        assert (report.loaded, report.unmapped) == (loaded, 1)
    row = buckets(warehouse_url)[0]
    assert (row["account_id"], row["api_key_hash"], row["model"]) == ("UNMAPPED", None, None)


def test_a_bucket_that_has_grown_since_replaces_the_earlier_one(tmp_path: Path, warehouse_url: str) -> None:
    path = write(tmp_path / "a.json", openai_page(completions(), completions(model=None)))
    source = Buckets([path], openai_row, "openai")
    load(source, warehouse_url, now=NOW)
    write(path, openai_page(completions(), completions(model=None, input_tokens=9_000)))
    later = NOW.replace(hour=9)
    report = load(source, warehouse_url, now=later)
    assert (report.loaded, report.already_there) == (1, 1)
    rows = query(warehouse_url, "SELECT input_tokens, ingested_ts FROM usage_buckets ORDER BY input_tokens")
    assert [(row["input_tokens"], row["ingested_ts"]) for row in rows] == [(1_000, NOW), (9_000, later)]


def test_embeddings_have_no_output(tmp_path: Path, duckdb_warehouse: str) -> None:
    result = {"input_tokens": 50, "num_model_requests": 2, "model": "embed", "project_id": "p", "api_key_id": None}
    load(Buckets([write(tmp_path / "a.json", openai_page(result))], openai_row, "openai"), duckdb_warehouse, now=NOW)
    row = buckets(duckdb_warehouse)[0]
    assert (row["output_tokens"], row["cached_input_tokens"]) == (0, None)


def test_pages_come_a_line_each_or_one_printed_over_many(tmp_path: Path, duckdb_warehouse: str) -> None:
    lines = write(tmp_path / "lines.jsonl", openai_page(completions()), openai_page(completions(), start=DAY + 86_400))
    printed = tmp_path / "printed.json"
    printed.write_text(json.dumps(openai_page(completions(), start=DAY + 2 * 86_400), indent=2))
    report = load(Buckets([lines, printed], openai_row, "openai"), duckdb_warehouse, now=NOW)
    assert report.loaded == 3


def test_what_is_no_page_or_another_provider_s_is_set_aside(tmp_path: Path, duckdb_warehouse: str) -> None:
    path = write(
        tmp_path / "a.json", {"error": {"message": "no key sk-admin-0123456789abcdef"}}, openai_page({"amount": 3}),
        openai_page(completions(input_tokens=2**70)), anthropic_page(messages()), openai_page(completions()),
    )  # fmt: skip
    report = load(Buckets([path], openai_row, "openai"), duckdb_warehouse, now=NOW)
    assert (report.loaded, report.n_rejected) == (1, 4)
    aside = query(duckdb_warehouse, "SELECT position, column_name AS c, reason FROM rejected_rows ORDER BY position")
    assert [(row["position"], row["c"]) for row in aside] == [
        ("a.json:1", "page"), ("a.json:2 bucket 1", "bucket"), ("a.json:3 bucket 1", "input_tokens"),
        ("a.json:4 bucket 1", "bucket"),
    ]  # fmt: skip
    assert aside[1]["reason"] == "no usage of this provider: 'input_tokens' is missing"


def part(kind: str, **values: Any) -> dict[str, Any]:
    return {"object": f"organization.usage.{kind}.result", "input_tokens": 70, "num_model_requests": 3,
            "project_id": "proj_a", "user_id": None, "api_key_id": None, "model": None, **values}  # fmt: skip


PARTS = (
    part("completions", output_tokens=9, input_cached_tokens=20), part("embeddings"), part("moderations"),
    {**part("images", images=4), "input_tokens": None},
)  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
@pytest.mark.parametrize("together", [True, False])
def test_endpoints_whose_buckets_have_one_key_are_added_up_in_any_order(
    tmp_path: Path, warehouse_url: str, order: tuple[int, ...], together: bool
) -> None:
    files = [write(tmp_path / f"{number}.json", openai_page(PARTS[number])) for number in order]
    for _ in range(2):
        for paths in [files] if together else [[path] for path in files]:
            report = load(Buckets(paths, openai_row, "openai"), warehouse_url, now=NOW)
            assert report.n_rejected == 0
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "n_requests")
    assert [tuple(row[name] for name in names) for row in buckets(warehouse_url)] == [(210, 20, 9, 12)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_of_two_exports_of_a_bucket_the_one_with_more_use_counts_in_any_order(
    tmp_path: Path, warehouse_url: str, order: tuple[int, int], together: bool
) -> None:
    pages = openai_page(completions()), openai_page(completions(input_tokens=1_800, num_model_requests=9))
    files = [write(tmp_path / f"{number}.json", pages[number]) for number in order]
    reports = [
        load(Buckets(paths, openai_row, "openai"), warehouse_url, now=NOW)
        for paths in ([files] if together else [[path] for path in files])
    ]
    assert [(row["input_tokens"], row["n_requests"]) for row in buckets(warehouse_url)] == [(1_800, 9)]
    assert sum(report.outdated for report in reports) == (order == (1, 0) and not together)


def test_audio_tokens_stand_beside_the_text_and_stores_are_no_requests(tmp_path: Path, duckdb_warehouse: str) -> None:
    page = openai_page(
        completions(input_audio_tokens=30, output_audio_tokens=4), {"object": "organization.usage.vector_stores.result",
                                                                    "usage_bytes": 9, "project_id": "proj_a"},
    )  # fmt: skip
    report = load(Buckets([write(tmp_path / "a.json", page)], openai_row, "openai"), duckdb_warehouse, now=NOW)
    assert report.not_requests == {"OpenAI: vector_stores": 1}
    assert [(row["input_tokens"], row["output_tokens"]) for row in buckets(duckdb_warehouse)] == [(1_030, 504)]


@pytest.mark.parametrize("start", [DAY * 1_000, 0, DAY * 10**15])
def test_a_bucket_at_an_impossible_time_is_set_aside(tmp_path: Path, duckdb_warehouse: str, start: int) -> None:
    path = write(tmp_path / "a.json", openai_page(completions(), start=start), openai_page(completions()))
    report = load(Buckets([path], openai_row, "openai"), duckdb_warehouse, now=NOW)
    assert (report.loaded, report.n_rejected) == (1, 1)


def test_a_load_and_the_doctor_say_what_buckets_another_source_has_too(tmp_path: Path, warehouse_url: str) -> None:
    path = write(tmp_path / "a.json", openai_page(completions()))
    report = load(Buckets([path], openai_row, "openai"), warehouse_url, now=NOW)
    assert report.shared == []
    report = load(Buckets([path], openai_row, "finance"), warehouse_url, now=NOW)
    assert report.shared == [
        "1 bucket is told by source finance too, on 1 day (2026-10-05): each counts once, under finance, and on a day "
        "with many of them openai is not evaluated"
    ]
    assert any(report.shared[0] in problem.what for problem in check(warehouse_url, now=NOW))


def test_a_load_says_on_what_days_exports_overlap_and_how_they_are_grouped(tmp_path: Path, warehouse_url: str) -> None:
    by_model = write(tmp_path / "model.json", openai_page(completions(api_key_id=None)))
    report = load(Buckets([by_model], openai_row, "openai"), warehouse_url, now=NOW)
    assert report.overlapping == []
    ungrouped = write(tmp_path / "all.json", openai_page(completions(api_key_id=None, model=None, input_tokens=1_200)))
    report = load(Buckets([ungrouped], openai_row, "openai"), warehouse_url, now=NOW)
    assert report.overlapping == [
        "buckets overlap on 1 day (2026-10-05), exported by the day, model and by the day, not broken down"
    ]
