"""Features that a real instrumented application exported instead of texts, and the processor on the real SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from audits.features import Extractor
from audits.features.otel import FeatureSpanProcessor
from audits.sources.load import load
from audits.sources.otel import Otel
from tests.sources.asked import INSTRUCTION, INVOICES, JUDGES, TELLING
from tests.sources.reading import query
from tests.sources.test_otel import NOW

RECORDED = [
    Path(__file__).parent / "fixtures" / f"otel_features_{name}.jsonl" for name in ("openai_v2", "genai_openai")
]
EXTRACTOR = Extractor("pepper")
PROMPT = "Explain the Kestrel engine to me in two sentences."
EXPECTED = EXTRACTOR.of_text(PROMPT, JUDGES).recorded()


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
def test_recorded_features_arrive_in_their_columns(recorded: Path, duckdb_warehouse: str) -> None:
    report = load(Otel([recorded], account_attribute="tenant.id"), duckdb_warehouse, now=NOW)
    assert (report.loaded, report.ignored, report.n_rejected) == (6, 1, 0)
    rows = query(duckdb_warehouse, "SELECT * FROM usage_events ORDER BY event_ts")
    for row, invoice in zip(rows[:2], INVOICES, strict=True):
        expected = EXTRACTOR.of_text(f"{INSTRUCTION}\n\n{invoice}").recorded()
        assert {name: row[name] for name in expected} == expected
    assert rows[0]["prompt_template_hash"] == rows[1]["prompt_template_hash"]
    assert rows[2]["system_prompt_hash"] == EXTRACTOR.of_text("", JUDGES).system_prompt_hash
    assert rows[2]["rubric_grade_score"] > 0.8
    assert [row["cot_elicit_score"] for row in rows[3:]] == [pytest.approx(0.95)] * 3
    assert [row["status_code"] for row in rows] == [200] * 5 + [429]
    assert not [row for row in rows if row["content_stored"]]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.stem)
def test_no_exported_span_holds_what_was_asked(recorded: Path) -> None:
    assert not [word for word in TELLING if word in recorded.read_text("utf-8")]


def messages(*turns: tuple[str, str]) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in turns])


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.input.messages": messages(("system", JUDGES), ("user", PROMPT))},
        {
            "gen_ai.input.messages": messages(("user", PROMPT)),
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": JUDGES}]),
            "gen_ai.output.messages": messages(("assistant", "Kestrel engines fly.")),
        },
        {"gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": JUDGES, "gen_ai.prompt.1.role": "user",
         "gen_ai.prompt.1.content": PROMPT, "gen_ai.completion.0.content": "Kestrel engines fly."},
        {"gen_ai.prompt": json.dumps([{"role": "system", "content": JUDGES}, {"role": "user", "content": PROMPT}])},
        {"llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": JUDGES,
         "llm.input_messages.1.message.role": "user", "llm.input_messages.1.message.content": PROMPT},
    ],
    ids=["messages", "instructions", "numbered", "prompt", "openinference"],
)  # fmt: skip
def test_texts_of_every_convention_are_replaced_before_export(attributes: dict[str, Any]) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(FeatureSpanProcessor(SimpleSpanProcessor(exporter), EXTRACTOR))
    tracer = provider.get_tracer("application")
    with tracer.start_as_current_span("handle Kestrel"), tracer.start_as_current_span("chat") as span:
        span.set_attributes({"gen_ai.operation.name": "chat", "usage_audits.lang": "xx", **attributes})
        span.set_attribute("gen_ai.note", f"{PROMPT} " * 20)
        span.add_event("gen_ai.choice", {"content": "Kestrel engines fly.", "index": 0})
        span.record_exception(ValueError(f"cannot answer {PROMPT!r}"))
        span.set_status(StatusCode.ERROR, f"refused: {PROMPT}")
    provider.force_flush()
    chat, outer = exporter.get_finished_spans()
    told = {name.removeprefix("usage_audits."): value for name, value in (chat.attributes or {}).items()
            if name.startswith("usage_audits.")}  # fmt: skip
    assert told == EXPECTED
    assert "Kestrel" not in chat.to_json()
    assert "impartial" not in chat.to_json()
    assert [event.name for event in chat.events] == ["gen_ai.choice", "exception"]
    assert dict(chat.events[1].attributes or {})["exception.type"] == "ValueError"
    assert chat.status.status_code is StatusCode.ERROR
    assert chat.parent is not None
    assert outer.context is not None
    assert chat.parent.span_id == outer.context.span_id
    assert outer.name == "handle Kestrel"  # no span about a model, and none of its matter
    provider.shutdown()


def test_a_span_without_texts_keeps_what_it_says() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(FeatureSpanProcessor(SimpleSpanProcessor(exporter), EXTRACTOR))
    with provider.get_tracer("application").start_as_current_span("chat") as span:
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7, "http.route": "/x"})
    assert dict(exporter.get_finished_spans()[0].attributes or {}) == {
        "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7, "http.route": "/x",
    }  # fmt: skip
    provider.shutdown()
