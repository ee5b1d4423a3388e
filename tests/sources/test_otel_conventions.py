"""Spans by every convention that is read, and those that are none of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audits.sources.load import LoadReport, load
from audits.sources.otel import Otel
from tests.sources.reading import query

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)
START = 1_792_000_000_000_000_000


def value(held: Any) -> dict[str, Any]:
    if isinstance(held, bool):
        return {"boolValue": held}
    if isinstance(held, list):
        return {"arrayValue": {"values": [value(entry) for entry in held]}}
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return {kinds[type(held)]: str(held) if isinstance(held, int) else held}


def span(number: int, attributes: dict[str, Any], *, inside: int | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "traceId": "a" * 32, "spanId": f"{number:016x}", "startTimeUnixNano": str(START + number),
        "endTimeUnixNano": str(START + number + 5_000_000), "status": {}, "name": "any",
        **({} if inside is None else {"parentSpanId": f"{inside:016x}"}),
        "attributes": [{"key": key, "value": value(held)} for key, held in attributes.items()], **fields,
    }  # fmt: skip


def write(path: Path, *spans: dict[str, Any]) -> Path:
    """One export request a line."""
    lines = [{"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [one]}]}]} for one in spans]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def loaded(path: Path, url: str, *spans: dict[str, Any]) -> tuple[LoadReport, list[dict[str, Any]]]:
    report = load(Otel([write(path / "spans.jsonl", *spans)]), url, now=NOW)
    return report, query(url, "SELECT * FROM usage_events ORDER BY event_id")


CONVENTIONS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "gen_ai of 2024": (
        {"gen_ai.system": "az.ai.openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
         "gen_ai.usage.prompt_tokens": 31, "gen_ai.usage.completion_tokens": 7},
        ("chat", "m", 31, None, 7, "azure"),
    ),
    "OpenInference": (
        {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.provider": "anthropic",
         "llm.token_count.prompt": 31, "llm.token_count.completion": 7,
         "llm.token_count.prompt_details.cache_read": 20},
        ("chat", "m", 31, 20, 7, "native"),
    ),
    "OpenInference embedding": (
        {"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e", "llm.token_count.prompt": 9},
        ("embeddings", "e", 9, None, 0, None),
    ),
    "AI SDK 3, inner span": (
        {"operation.name": "ai.streamText.doStream f", "ai.operationId": "ai.streamText.doStream", "ai.model.id": "m",
         "ai.model.provider": "openai.chat", "gen_ai.system": "openai.chat", "gen_ai.request.model": "m",
         "gen_ai.usage.prompt_tokens": 31, "gen_ai.usage.completion_tokens": 7, "ai.usage.promptTokens": 31},
        ("chat", "m", 31, None, 7, "native"),
    ),
    "AI SDK 5, its own names only": (
        {"ai.operationId": "ai.generateObject.doGenerate", "ai.model.id": "m", "ai.usage.inputTokens": 31,
         "ai.model.provider": "amazon-bedrock", "ai.usage.outputTokens": 7, "ai.usage.cachedInputTokens": 20},
        ("chat", "m", 31, 20, 7, "bedrock"),
    ),
    "AI SDK embedding": (
        {"ai.operationId": "ai.embedMany.doEmbed", "ai.model.id": "e", "ai.usage.tokens": 9},
        ("embeddings", "e", 9, None, 0, None),
    ),
    "OpenLLMetry": (
        {"llm.request.type": "completion", "gen_ai.system": "AWS", "gen_ai.request.model": "m",
         "gen_ai.usage.prompt_tokens": 31, "llm.usage.completion_tokens": 7, "llm.usage.total_tokens": 38},
        ("completion", "m", 31, None, 7, "bedrock"),
    ),
    "Langfuse": (
        {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m",
         "langfuse.observation.usage_details": '{"input": 11, "output": 7, "input_cached_tokens": 20, "total": 38}'},
        ("chat", "m", 31, 20, 7, None),
    ),
    "an operation that is not named, with all else": (
        {"gen_ai.system": "openai", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 31,
         "gen_ai.usage.output_tokens": 7},
        ("chat", "m", 31, None, 7, "native"),
    ),
    "counts as text and as decimals": (
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": "31",
         "gen_ai.usage.output_tokens": 7.0},
        ("chat", "m", 31, None, 7, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVENTIONS)
def test_each_convention_tells_one_request(tmp_path: Path, duckdb_warehouse: str, name: str) -> None:
    attributes, expected = CONVENTIONS[name]
    report, rows = loaded(tmp_path, duckdb_warehouse, span(1, attributes))
    assert (report.loaded, report.n_rejected, report.ignored) == (1, 0, 0)
    names = ("operation", "model_requested", "input_tokens", "cached_input_tokens", "output_tokens", "access_path")
    assert tuple(rows[0][column] for column in names) == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {"acme.llm.promptTokens": 12, "acme.llm.completionTokens": 3},
        {"mlflow.chat.tokenUsage": '{"input_tokens": 1}'},
        {"gen_ai.operation.name": "teleport", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5,
         "gen_ai.usage.output_tokens": 5},
        {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 5},
        {"gen_ai.request.model": "e", "gen_ai.usage.input_tokens": 5},
    ],
)  # fmt: skip
def test_usage_that_is_not_understood_is_set_aside(
    tmp_path: Path, duckdb_warehouse: str, attributes: dict[str, Any]
) -> None:
    report, rows = loaded(tmp_path, duckdb_warehouse, span(1, attributes))
    assert (report.n_rejected, rows) == (1, [])
    assert next(iter(report.rejected))[1].startswith("usage ")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"http.request.method": "GET", "gen_ai.request.max_tokens": 5}, "span of something else"),
        ({"x.ratelimit.remaining_input_tokens": 5}, "span of something else"),
        ({"gen_ai.operation.name": "create_agent"}, "span of an agent, a tool or a workflow"),
        ({"openinference.span.kind": "CHAIN"}, "span of an agent, a tool or a workflow"),
        ({"traceloop.span.kind": "workflow"}, "span of an agent, a tool or a workflow"),
        ({"ai.operationId": "ai.toolCall"}, "span of an agent, a tool or a workflow"),
        ({"langfuse.observation.type": "span"}, "span of an agent, a tool or a workflow"),
        ({"gen_ai.operation.name": "load_model"}, "operation without usage"),
    ],
)
def test_spans_that_are_no_requests_are_counted_by_kind(
    tmp_path: Path, duckdb_warehouse: str, attributes: dict[str, Any], kind: str
) -> None:
    report, rows = loaded(tmp_path, duckdb_warehouse, span(1, attributes))
    assert (report.not_requests, report.n_rejected, rows) == ({kind: 1}, 0, [])


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 60,
        "gen_ai.usage.output_tokens": 4}  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.usage.cache_read.input_tokens": 40}, (60, 40)),  # inside, as the conventions say
        ({"gen_ai.usage.cache_read_input_tokens": 40}, (60, 40)),  # under its first name
        ({"gen_ai.usage.cache_read.input_tokens": 400}, (460, 400)),  # beside
        ({"gen_ai.usage.cache_creation.input_tokens": 300, "gen_ai.usage.cache_read.input_tokens": 50}, (410, 50)),
        ({"gen_ai.usage.cache_creation_input_tokens": 300}, (360, None)),
        ({"gen_ai.usage.details.cache_read_tokens": 400}, (460, 400)),
        ({"gen_ai.usage.cache_read.input_tokens": 50, "gen_ai.usage.total_tokens": 114}, (110, 50)),  # the total tells
        ({"gen_ai.usage.cache_read.input_tokens": 50, "gen_ai.usage.total_tokens": 64}, (60, 50)),
    ],
)
def test_cached_input_is_inside_the_input_wherever_it_was_counted(
    tmp_path: Path, duckdb_warehouse: str, attributes: dict[str, Any], expected: tuple[int, int | None]
) -> None:
    _, rows = loaded(tmp_path, duckdb_warehouse, span(1, {**CHAT, **attributes}))
    assert (rows[0]["input_tokens"], rows[0]["cached_input_tokens"]) == expected


@pytest.mark.parametrize(
    ("attributes", "fields", "expected"),
    [
        ({}, {"status": {"code": 2}}, (500, None)),
        ({}, {"status": {"code": "STATUS_CODE_ERROR"}}, (500, None)),
        ({}, {"status": {"code": "ERROR"}}, (500, None)),
        ({}, {"status": {"code": "Error"}}, (500, None)),
        ({}, {"status": {"code": "2"}}, (500, None)),
        ({}, {"status": {"code": "OK"}}, (200, None)),
        ({}, {"status": {"code": "STATUS_CODE_UNSET"}}, (200, None)),
        ({"http.response.status_code": 429}, {}, (429, "rate_limit")),
        ({"http.status_code": 503}, {"status": {"code": 2}}, (503, "server")),
        ({"http.status_code": 200}, {}, (200, None)),
        ({"error.type": "openai.AuthenticationError"}, {}, (401, "auth")),
        ({"error.type": "429"}, {}, (429, "rate_limit")),
        ({"otel.status_code": "ERROR"}, {}, (500, None)),
        ({"langfuse.observation.level": "ERROR"}, {}, (500, None)),
        ({}, {"status": {"code": "ERROR"}, "events": [
            {"name": "exception", "attributes": [{"key": "exception.type", "value": value("ThrottlingException")}]}
        ]}, (429, "rate_limit")),
        ({}, {"events": [  # an attempt that was made again
            {"name": "exception", "attributes": [{"key": "exception.type", "value": value("APITimeoutError")}]}
        ]}, (200, None)),
    ],
)  # fmt: skip
def test_a_failure_is_one_however_it_is_spelled(
    tmp_path: Path, duckdb_warehouse: str, attributes: dict[str, Any], fields: dict[str, Any], expected: Any
) -> None:
    _, rows = loaded(tmp_path, duckdb_warehouse, span(1, {**CHAT, **attributes}, **fields))
    assert (rows[0]["status_code"], rows[0]["error_class"]) == expected


def test_other_spellings_of_the_protocol_are_read(tmp_path: Path, duckdb_warehouse: str) -> None:
    snake = {
        "trace_id": "b" * 32, "span_id": "c" * 16, "start_time_unix_nano": START, "end_time_unix_nano": START + 10**9,
        "attributes": [{"key": k, "value": {"int_value" if isinstance(v, int) else "string_value": v}}
                       for k, v in CHAT.items()],
    }  # fmt: skip
    lines = [
        {"resource_spans": [{"scope_spans": [{"spans": [snake]}]}]},
        {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [span(1, CHAT)]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{**span(2, {}), "attributes": CHAT}]}]}]},
    ]
    path = tmp_path / "spans.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = load(Otel([path]), duckdb_warehouse, now=NOW)
    assert (report.loaded, report.n_rejected) == (3, 0)
    assert query(duckdb_warehouse, "SELECT sum(input_tokens) AS n FROM usage_events") == [{"n": 180}]


@pytest.mark.parametrize("started", [0, START // 1_000_000, START * 1_000])
def test_a_time_in_another_unit_is_set_aside(tmp_path: Path, duckdb_warehouse: str, started: int) -> None:
    report, _ = loaded(tmp_path, duckdb_warehouse, span(1, CHAT), span(2, CHAT, startTimeUnixNano=str(started)))
    assert (report.loaded, report.n_rejected) == (1, 1)


@pytest.mark.parametrize(
    "name",
    ["llm.tokens.prompt", "llm.tokens_in", "usage.input", "tokens", "myco.llm.tokensOut", "myco.tokenUsage.in",
     "x.promptTokens", "llm/usage/in"],
)  # fmt: skip
@pytest.mark.parametrize("held", [31, 31.0, "31", '{"in": 31}'])
def test_usage_under_a_name_that_is_not_known_is_set_aside(
    tmp_path: Path, duckdb_warehouse: str, name: str, held: Any
) -> None:
    report, events = loaded(tmp_path, duckdb_warehouse, span(1, {name: held, "llm.model": "m"}))
    assert (events, report.ignored) == ([], 0)
    assert report.rejected == {("span", "usage by a convention that is not known"): 1}


@pytest.mark.parametrize(
    ("name", "held"),
    [("auth.token.type", "bearer"), ("auth.token.ttl", 3600), ("llm.max_tokens", 100), ("process.cpu.usage", 0.5),
     ("tokens_per_second", 31), ("usage", "standard"), ("usage.recorded", True), ("tokenizer.version", 2)],
)  # fmt: skip
def test_what_speaks_of_tokens_without_their_number_is_no_usage(
    tmp_path: Path, duckdb_warehouse: str, name: str, held: Any
) -> None:
    report, _ = loaded(tmp_path, duckdb_warehouse, span(1, {name: held}))
    assert (report.n_rejected, report.not_requests) == (0, {"span of something else": 1})


def test_usage_of_an_agent_under_a_name_that_is_not_known_waits_for_the_requests_below(
    tmp_path: Path, duckdb_warehouse: str
) -> None:
    agent = {"openinference.span.kind": "AGENT", "llm.tokens_in": 31}
    report, _ = loaded(tmp_path, duckdb_warehouse, span(1, agent))
    assert report.rejected == {("span", "usage of an agent, a tool or a workflow, without the requests below it"): 1}
    report, _ = loaded(tmp_path, duckdb_warehouse, span(1, agent), span(2, CHAT, inside=1))
    assert (report.n_rejected, report.loaded) == (0, 1)
