"""OpenTelemetry spans as the real SDK and both generations of the OpenAI instrumentation wrote them."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audits.errors import AuditsError
from audits.sources.load import load, preview
from audits.sources.otel import Otel
from tests.sources.reading import query

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
FIXTURES = Path(__file__).parent / "fixtures"
V2, GENAI = FIXTURES / "otel_openai_v2.jsonl", FIXTURES / "otel_genai_openai.jsonl"


def span(**attributes: Any) -> dict[str, Any]:
    """A successful chat with 7 + 3 tokens, but for what is given; None leaves an attribute out."""
    said = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3, **{name.replace("__", "."): value for name, value in attributes.items()},
    }  # fmt: skip
    kinds = {str: "stringValue", int: "intValue", list: "arrayValue"}
    return {
        "traceId": "5b8aa5a2d2c872e8321cf37308d69df2", "spanId": f"{zlib.crc32(json.dumps(said).encode()):016x}",
        "startTimeUnixNano": "1795492368208207025", "endTimeUnixNano": "1795492368223244360", "status": {},
        "attributes": [{"key": k, "value": {kinds[type(v)]: v}} for k, v in said.items() if v is not None],
    }  # fmt: skip


def write(path: Path, *spans: dict[str, Any]) -> Path:
    request = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": list(spans)}]}]}
    path.write_text(json.dumps(request) + "\n")
    return path


@pytest.mark.parametrize("recorded", [V2, GENAI], ids=["openai_v2", "genai_openai"])
def test_recorded_spans_become_events_however_often_they_are_loaded(recorded: Path, duckdb_warehouse: str) -> None:
    source = Otel([recorded], account_attribute="tenant.id")
    report = load(source, duckdb_warehouse, now=NOW)
    assert (report.read, report.loaded, report.ignored, report.n_rejected) == (16, 14, 2, 0)  # 2 are no model calls
    assert (report.unmapped, report.unknown_accounts) == (7, {"acct-acme": 7})
    again = load(source, duckdb_warehouse, now=NOW)
    assert (again.loaded, again.already_there) == (0, 14)
    rows = query(duckdb_warehouse, "SELECT * FROM usage_events WHERE account_id = 'acct-acme' ORDER BY event_ts")
    told = [
        (
            r["operation"],
            r["model_requested"],
            r["input_tokens"],
            r["output_tokens"],
            r["status_code"],
            r["error_class"],
        )
        for r in rows
    ]
    assert told == [
        ("chat", "gpt-4o-mini", 120, 30, 200, None),
        ("chat", "gpt-4o-mini", 120, 30, 200, None),  # streamed
        ("embeddings", "text-embedding-3-small", 8, 0, 200, None),
        ("chat", "limited", 0, 0, 429, "rate_limit"),
        ("chat", "broken", 0, 0, 500, "server"),
        ("chat", "forbidden", 0, 0, 403, "auth"),
        ("chat", "gpt-4o-mini", 0, 0, 503, "server"),  # nobody answered
    ]
    assert rows[0]["model_served"] == "gpt-4o-mini-2026-08-01"
    assert (rows[0]["finish_reason"], rows[0]["n_choices"], rows[0]["max_output_tokens"]) == ("stop", 2, 100)
    assert rows[0]["ingested_ts"] == NOW
    assert rows[0]["access_path"] == "native"
    assert {"api_key_hash", "client_ip_hash", "cost_usd", "end_user_hash"} <= set(report.not_recorded)


def test_times_are_kept_to_the_microsecond(tmp_path: Path, duckdb_warehouse: str) -> None:
    load(Otel([write(tmp_path / "a.jsonl", span())]), duckdb_warehouse, now=NOW)
    row = query(duckdb_warehouse, "SELECT event_ts, duration_ms FROM usage_events")[0]
    assert row == {"event_ts": datetime(2026, 11, 24, 3, 52, 48, 208207, tzinfo=UTC), "duration_ms": 15}


def test_cached_and_reasoning_tokens_are_parts_of_the_totals_where_they_are_recorded(duckdb_warehouse: str) -> None:
    load(Otel([GENAI]), duckdb_warehouse, now=NOW)
    parts = "SELECT DISTINCT cached_input_tokens AS c, reasoning_tokens AS r FROM usage_events WHERE input_tokens = 120"
    assert query(duckdb_warehouse, parts) == [{"c": 64, "r": 12}]
    report = load(Otel([V2], system="older"), duckdb_warehouse, now=NOW)
    assert {"cached_input_tokens", "reasoning_tokens"} <= set(report.not_recorded)


def test_without_an_account_attribute_every_span_is_unmapped(duckdb_warehouse: str) -> None:
    report = load(Otel([GENAI]), duckdb_warehouse, now=NOW)
    assert (report.unmapped, report.unknown_accounts) == (14, {})
    assert query(duckdb_warehouse, "SELECT DISTINCT account_id AS a FROM usage_events") == [{"a": "UNMAPPED"}]


def test_the_account_on_the_span_goes_before_the_resource_s(tmp_path: Path, duckdb_warehouse: str) -> None:
    request = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "tenant", "value": {"stringValue": "of-the-service"}}]},
                "scopeSpans": [{"spans": [span(tenant="of-the-call"), span(tenant=None)]}],
            }
        ]
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(request))
    load(Otel([tmp_path / "a.jsonl"], account_attribute="tenant"), duckdb_warehouse, now=NOW)
    rows = query(duckdb_warehouse, "SELECT account_id AS a FROM usage_events ORDER BY a")
    assert [row["a"] for row in rows] == ["of-the-call", "of-the-service"]


def test_a_request_that_succeeded_without_usage_is_set_aside_not_counted_as_nothing(
    tmp_path: Path, duckdb_warehouse: str
) -> None:
    path = write(tmp_path / "a.jsonl", span(), span(gen_ai__usage__input_tokens=None))
    report = load(Otel([path]), duckdb_warehouse, now=NOW)
    assert report.rejected == {("gen_ai.usage.input_tokens", "nothing, though the request succeeded"): 1}
    aside = query(duckdb_warehouse, "SELECT position FROM rejected_rows")
    assert aside == [{"position": "a.jsonl:1 span 2"}]


def test_what_is_no_json_no_export_and_no_span_is_set_aside_by_its_place(tmp_path: Path, duckdb_warehouse: str) -> None:
    path = write(
        tmp_path / "a.jsonl", span(), {**span(), "startTimeUnixNano": "soon"}, {"attributes": span()["attributes"]}
    )
    with path.open("ab") as lines:
        lines.write(b'\n{"resourceSpans": [{"secret words\n[1, 2]\n{"resourceLogs": []}\n\xff\xfe\n')
        lines.write(json.dumps({"resourceSpans": "none"}).encode() + b"\n" + b"[" * 100_000)
    for _ in range(2):
        report = load(Otel([path]), duckdb_warehouse, now=NOW)
        assert report.read == 9
        assert report.n_rejected == 8
    rows = query(duckdb_warehouse, "SELECT position, column_name, reason FROM rejected_rows ORDER BY position")
    assert [(row["position"], row["column_name"]) for row in rows] == [
        ("a.jsonl:1 span 2", "span"),
        ("a.jsonl:1 span 3", "span"),
        ("a.jsonl:3", "line"),
        ("a.jsonl:4", "line"),
        ("a.jsonl:5", "line"),
        ("a.jsonl:6", "line"),
        ("a.jsonl:7", "line"),
        ("a.jsonl:8", "line"),
    ]
    assert "secret" not in json.dumps(query(duckdb_warehouse, "SELECT * FROM rejected_rows"), default=str)


@pytest.mark.parametrize(
    ("attribute", "value", "column"),
    [
        ("gen_ai__request__model", "sk-ant-0123456789abcdefgh", "model_requested"),
        ("gen_ai__request__model", "a\x00b", "model_requested"),
        ("gen_ai__request__model", "a\ud800b", "model_requested"),
        ("gen_ai__conversation__id", "word " * 200, "session_id"),
        ("gen_ai__usage__output_tokens", 2**70, "output_tokens"),
        ("gen_ai__request__choice__count", 40_000, "n_choices"),
        ("gen_ai__usage__input_tokens", "many", "input_tokens"),
    ],
)
def test_values_that_no_column_takes_set_one_row_aside_and_not_its_batch(
    tmp_path: Path, duckdb_warehouse: str, attribute: str, value: Any, column: str
) -> None:
    path = write(tmp_path / "a.jsonl", span(), span(**{attribute: value}))
    report = load(Otel([path]), duckdb_warehouse, now=NOW)
    assert report.loaded == 1
    assert [name for name, _ in report.rejected] == [column]


def test_several_files_and_compressed_ones_are_read(tmp_path: Path, duckdb_warehouse: str) -> None:
    packed = tmp_path / "spans.jsonl.gz"
    packed.write_bytes(gzip.compress(GENAI.read_bytes()))
    assert load(Otel([V2, packed]), duckdb_warehouse, now=NOW).loaded == 28


def test_spans_load_into_postgresql_too(postgres_url: str) -> None:
    assert load(Otel([GENAI]), postgres_url, now=NOW).loaded == 14
    again = load(Otel([GENAI, V2]), postgres_url, now=NOW)
    assert (again.loaded, again.already_there) == (14, 14)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, duckdb_warehouse: str) -> None:
    with pytest.raises(AuditsError, match=r"There is no file .*absent\.jsonl"):
        load(Otel([tmp_path / "absent.jsonl"]), duckdb_warehouse, now=NOW)


def test_a_preview_counts_and_writes_nothing(tmp_path: Path) -> None:
    report = preview(Otel([GENAI], account_attribute="tenant.id"), rows=1_000, now=NOW)
    assert (report.read, report.loaded, report.ignored, report.unmapped) == (16, 14, 2, 7)
    assert list(tmp_path.iterdir()) == []


def test_providers_finish_reasons_become_the_contract_s_words_where_their_meaning_is_certain(
    tmp_path: Path, duckdb_warehouse: str
) -> None:
    said = {
        "end_turn": "stop", "eos": "stop", "FinishReason.STOP": "stop", "Max_Tokens": "length",
        "SAFETY": "content_filter", "tool-calls": "tool_calls", "refusal": "refusal", "OTHER": "OTHER",
    }  # fmt: skip
    spans = (span(gen_ai__response__finish_reason=reason, tenant__id=reason) for reason in said)
    load(Otel([write(tmp_path / "spans.jsonl", *spans)], account_attribute="tenant.id"), duckdb_warehouse, now=NOW)
    rows = query(duckdb_warehouse, "SELECT account_id, finish_reason FROM usage_events")
    assert {row["account_id"]: row["finish_reason"] for row in rows} == said
