"""OpenTelemetry GenAI spans, as OTLP JSON lines, -> usage_events.

A line is one export request, as the collector's file exporter writes it. What the attributes mean is taken from the
semantic conventions for generative AI and from spans that the OpenAI instrumentations of 2025 and of 2026 made
(tests/sources/record_otel.py):

* ``gen_ai.usage.input_tokens`` include cached input. A failed span carries no usage: its tokens are 0.
* A span that succeeded without usage (a stream whose client asked for none) is set aside: its tokens are unknown.
* Spans of agents, tools and workflows repeat the usage of the model calls below them and are left out.
* Where the application exports features of prompts (:mod:`audits.features.otel`), they are attributes of the span.
* There is no account: ``account_attribute`` names the attribute of the span or of its resource that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Table

from audits.features.extract import COLUMNS
from audits.sources.base import UNMAPPED, Batch, Columns, Reject, SetAside, digest, mapped_batches
from audits.sources.lines import json_lines
from audits.sources.outcomes import FINISHES, failure
from audits.warehouse.tables import usage_events

_OPERATIONS = {
    "chat": "chat", "generate_content": "chat", "text_completion": "completion", "embeddings": "embeddings",
}  # fmt: skip
"""The operations that are requests to a model; every other is something around them."""

_PATHS = {
    "openai": "native", "anthropic": "native", "azure.ai.openai": "azure", "azure.ai.inference": "azure",
    "az.ai.openai": "azure", "az.ai.inference": "azure", "aws.bedrock": "bedrock", "gcp.vertex_ai": "vertex",
    "vertex_ai": "vertex", "gcp.gemini": "native", "gcp.gen_ai": "native",
}  # fmt: skip
_CONTENT = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion"}
_FEATURES = {f"usage_audits.{name}": name for name in COLUMNS}
_READ = _CONTENT | _FEATURES.keys() | {
    "error.type", "gen_ai.conversation.id", "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system",
    "gen_ai.request.choice.count", "gen_ai.request.max_tokens", "gen_ai.request.model",
    "gen_ai.response.finish_reasons", "gen_ai.response.model", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.reasoning.output_tokens",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Otel:
    """Files of OTLP JSON lines, read in the order given."""

    paths: Sequence[Path]
    account_attribute: str | None = None
    system: str = "otel"

    table: ClassVar[Table] = usage_events

    def batches(self, _newest: datetime | None) -> Iterator[Batch]:
        """Every span of every line; a file is read from its beginning each time."""
        yield from mapped_batches(_spans(self.paths, self.account_attribute), self.event, Columns.of(usage_events))

    def event(self, row: Mapping[str, Any]) -> dict[str, Any] | Reject | None:
        """One span, ``{"span": ..., "resource": attributes}``, as a usage event; None if it asks no model anything."""
        span = row["span"]
        try:
            said = _attributes(span.get("attributes"), self.account_attribute)
            operation = _OPERATIONS.get(said.get("gen_ai.operation.name", ""))
            if operation is None:
                return None
            started, ended = int(span["startTimeUnixNano"]), int(span.get("endTimeUnixNano") or 0)
            at = _EPOCH + timedelta(microseconds=started // 1000)
            identity = f"{span['traceId']}-{span['spanId']}"
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return Reject("span", f"no OTLP span ({type(error).__name__})")
        problem = said.get("error.type")
        failed = problem is not None or (span.get("status") or {}).get("code") == 2
        status, error_class = failure(str(problem), str(problem)) if failed else (200, None)
        if not failed and "gen_ai.usage.input_tokens" not in said:
            return Reject("gen_ai.usage.input_tokens", "nothing, though the request succeeded")
        provider = said.get("gen_ai.provider.name") or said.get("gen_ai.system")
        finishes = said.get("gen_ai.response.finish_reasons")
        finish = finishes[0] if isinstance(finishes, list) and finishes else None
        name = self.account_attribute
        account = (said.get(name) or row["resource"].get(name)) if name else None
        return {
            "event_id": f"{self.system}:{identity}",
            "source_system": self.system,
            "event_ts": at,
            "account_id": str(account) if account else UNMAPPED,
            "session_id": said.get("gen_ai.conversation.id"),
            "access_path": _PATHS.get(provider) if provider else None,
            "operation": operation,
            "model_requested": said.get("gen_ai.request.model") or said.get("gen_ai.response.model"),
            "model_served": said.get("gen_ai.response.model"),
            "input_tokens": said.get("gen_ai.usage.input_tokens", 0),
            "cached_input_tokens": said.get("gen_ai.usage.cache_read.input_tokens"),
            "output_tokens": said.get("gen_ai.usage.output_tokens", 0),
            "reasoning_tokens": said.get("gen_ai.usage.reasoning.output_tokens"),
            "duration_ms": (ended - started) // 1_000_000 if ended else None,
            "status_code": status,
            "error_class": error_class,
            "finish_reason": FINISHES.get(str(finish), finish),
            "max_output_tokens": said.get("gen_ai.request.max_tokens"),
            "n_choices": said.get("gen_ai.request.choice.count"),
            "content_stored": True if said.keys() & _CONTENT else None,  # kept elsewhere is not recorded here
            "content_available": False,  # what a span holds of it is not read
            **{column: said[name] for name, column in _FEATURES.items() if name in said},
        }


def _spans(paths: Sequence[Path], account: str | None) -> Iterator[tuple[str, dict[str, Any]] | SetAside]:
    for item in json_lines(paths):
        if isinstance(item, SetAside):
            yield item
            continue
        position, request = item
        try:
            rows = [
                {"span": span, "resource": resource}
                for group in request["resourceSpans"]
                for resource in [_attributes((group.get("resource") or {}).get("attributes"), account)]
                for scope in group.get("scopeSpans") or ()
                for span in scope.get("spans") or ()
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            yield SetAside(Reject("line", "no OTLP export request with spans"), position, digest(request))
            continue
        for number, row in enumerate(rows, 1):
            yield f"{position} span {number}", row


def _attributes(listed: Sequence[Mapping[str, Any]] | None, account: str | None) -> dict[str, Any]:
    """Those of the attributes that are used; the account's name may be any."""
    said: dict[str, Any] = {}
    for attribute in listed or ():
        name = attribute["key"]
        if name in _READ or name == account:
            value = attribute["value"]
            text = value.get("stringValue")  # which most are
            said[name] = text if text is not None else _value(value)
    return said


def _value(value: Mapping[str, Any]) -> Any:
    """What an AnyValue of OTLP's JSON holds; 64-bit integers come as text."""
    for kind, held in value.items():
        if kind == "intValue":
            return int(held)
        if kind == "arrayValue":
            return [_value(entry) for entry in held.get("values") or ()]
        return held
    return None
