"""OpenTelemetry spans of requests to models, as OTLP JSON lines, -> usage_events.

Attributes are read by every convention in :mod:`audits.sources.otel_conventions`; what they mean is taken from the
conventions' texts and from spans that the OpenAI instrumentations of 2025 and of 2026 made
(tests/sources/record_otel.py):

* Input tokens include cached input; where an instrumentation leaves it out, it is added
  (:mod:`audits.sources.tokens`). A failed span carries no usage: its tokens are 0.
* A request is often recorded by a framework and by the provider's library inside it: the inner span is the request
  (:mod:`audits.sources.otel_nesting`). Spans of agents, tools and workflows are no requests.
* What carries usage and cannot be told is set aside: usage by a convention that is not known, a request that succeeded
  without usage (a stream whose client asked for none), an agent's usage without the requests below it.
* Where the application exports features of prompts (:mod:`audits.features.otel`), they are attributes of the span.
* There is no account: ``account_attribute`` names the attribute of the span or of its resource that holds it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Table

from audits.features.extract import COLUMNS
from audits.sources.base import (
    BATCH_ROWS,
    TOLD_AGAIN,
    UNMAPPED,
    Batch,
    Columns,
    NotRequest,
    Reject,
    SetAside,
    Waiting,
    digest,
)
from audits.sources.lines import blank_files
from audits.sources.otel_conventions import AROUND, access_path, operation_of
from audits.sources.otel_nesting import Spans, otel_spans
from audits.sources.otlp import Said, count_of, of_span, said, spans
from audits.sources.outcomes import failure, finish_reason
from audits.sources.times import occurred_at
from audits.sources.tokens import whole_input
from audits.warehouse.tables import usage_events

_FEATURES = {f"usage_audits.{name}": name for name in COLUMNS}
_USAGE_KEYS = {
    "input": ("input", "input_tokens", "prompt_tokens"), "output": ("output", "output_tokens", "completion_tokens"),
    "total": ("total", "total_tokens"),
    "cached": ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read", "cached_tokens"),
    "written": ("cache_creation_input_tokens", "input_cache_creation"),
    "reasoning": ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens"),
}  # fmt: skip
"""The keys of a usage object such as Langfuse's."""

_STARTED = ("startTimeUnixNano", "start_time_unix_nano")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_USAGE = Reject("gen_ai.usage.input_tokens", "nothing, though the request succeeded")
_AGENTS_USAGE = Reject("span", "usage of an agent, a tool or a workflow, without the requests below it")
_AROUND = "span of an agent, a tool or a workflow"
_UNKNOWN = Reject("span", "usage by a convention that is not known")
_UNNAMED = Reject("span", "usage without a model, or of an operation that is not named")


@dataclass(frozen=True, slots=True)
class Otel:
    """Files of OTLP JSON lines, read in the order given."""

    paths: Sequence[Path]
    account_attribute: str | None = None
    system: str = "otel"

    table: ClassVar[Table] = usage_events
    own_tables: ClassVar[tuple[Table, ...]] = (otel_spans,)

    def batches(self, _newest: datetime | None) -> Iterator[Batch]:
        """Every span of every line; a file is read from its beginning each time."""
        columns, named = Columns.of(usage_events), frozenset({*_FEATURES, self.account_attribute or ""})
        if blank := blank_files(self.paths):
            yield Batch(columns.arrow(()), (), 0, empty=blank)
        batch = _Collected()
        for item in spans(self.paths, named):
            batch.add(self, item, columns, named)
            if batch.read == BATCH_ROWS:
                yield batch.finished(columns, self.system)
                batch = _Collected()
        if batch.read:
            yield batch.finished(columns, self.system)

    def event(self, row: Mapping[str, Any], named: frozenset[str]) -> dict[str, Any] | Reject | NotRequest:
        """One span, ``{"span": ..., "resource": attributes}``, as a usage event, or what else it is."""
        span = row["span"]
        try:
            of = said(span.get("attributes"), named)
            identity, _ = identities(span)
            at = _started(span)
            ended = int(of_span(span, "endTimeUnixNano", "end_time_unix_nano") or 0)
            failed, code, problem = _outcome(span, of)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            return Reject("span", f"no OTLP span ({type(error).__name__})")
        usage = _usage(of)
        operation = _operation(of, usage)
        if not isinstance(operation, str):
            return operation
        if operation == AROUND:
            return _AGENTS_USAGE if usage or "like usage" in of.fields else NotRequest(_AROUND)
        if not failed and usage.get("input") is None:
            return _NO_USAGE
        status, error_class = failure(code, problem) if failed else (200, None)
        fields, account = of.fields, None
        if self.account_attribute:
            account = of.named.get(self.account_attribute) or row["resource"].get(self.account_attribute)
        requested, served = fields.get("requested"), fields.get("served")
        return {
            "event_id": f"{self.system}:{identity}",
            "source_system": self.system,
            "event_ts": at,
            "account_id": str(account) if account else UNMAPPED,
            "session_id": fields.get("session"),
            "access_path": access_path(fields.get("provider")),
            "operation": operation,
            "model_requested": requested or served,
            "model_served": served,
            "input_tokens": usage.get("input", 0),
            "cached_input_tokens": usage.get("cached"),
            "output_tokens": usage.get("output", 0),
            "reasoning_tokens": usage.get("reasoning"),
            "duration_ms": (ended - int(of_span(span, *_STARTED))) // 1_000_000 if ended else None,
            "status_code": status,
            "error_class": error_class,
            "finish_reason": _finish(fields.get("finish")),
            "max_output_tokens": count_of(fields.get("max_tokens")),
            "n_choices": fields.get("choices"),
            "content_stored": True if "content" in fields else None,  # kept elsewhere is not recorded here
            "content_available": False,  # what a span holds of it is not read
            **{column: of.named[name] for name, column in _FEATURES.items() if name in of.named},
        }


class _Collected:
    """A batch while it is read: events, what is set aside or waits, and which span lies in which."""

    def __init__(self) -> None:
        self.read = 0
        self._events: list[dict[str, Any]] = []
        self._aside: list[SetAside] = []
        self._ignored: Counter[str] = Counter()
        self._waiting: list[Waiting] = []
        self._no_events: list[str] = []
        self._no_requests: list[str] = []
        self._links: list[tuple[str, str, str]] = []

    def add(
        self, source: Otel, item: tuple[str, dict[str, Any]] | SetAside, columns: Columns, named: frozenset[str]
    ) -> None:
        self.read += 1
        if isinstance(item, SetAside):
            self._aside.append(item)
            return
        position, row = item
        event = source.event(row, named)
        found = columns.trouble(event) if isinstance(event, dict) else event
        if isinstance(found, Reject) and found not in (_NO_USAGE, _AGENTS_USAGE):
            event_id = _event_id(source.system, row["span"])
            self._aside.append(SetAside(found, position, digest(row), event_id, occurred_at=_told_at(row["span"])))
            if isinstance(event, dict):
                self._no_events.append(event["event_id"])
            return
        identity, parent = identities(row["span"])
        if parent:
            self._links.append((*identity.split("-", 1), parent))  # type: ignore[arg-type]
        if isinstance(found, NotRequest):
            self._ignored[found.kind] += 1
            self._no_requests.append(f"{source.system}:{identity}")
        elif isinstance(found, Reject):
            event_id, agent = f"{source.system}:{identity}", found is _AGENTS_USAGE
            aside = SetAside(found, position, digest(row), event_id, occurred_at=_told_at(row["span"]))
            self._no_events.append(event_id)
            self._waiting.append(Waiting(identity, aside, _AROUND if agent else TOLD_AGAIN, inside_too=not agent))
        elif isinstance(event, dict):
            self._events.append(event)

    def finished(self, columns: Columns, system: str) -> Batch:
        return Batch(
            columns.arrow(self._events),
            self._aside,
            self.read,
            self._ignored,
            Spans(system, self._links, self._waiting),
            no_events=self._no_events,
            no_requests=self._no_requests,
        )


def _started(span: Mapping[str, Any]) -> datetime:
    return _EPOCH + timedelta(microseconds=int(of_span(span, *_STARTED)) // 1000)


def _told_at(span: Any) -> datetime | None:
    """When a span began, where that can be read."""
    try:
        return occurred_at({"event_ts": _started(span)})
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def _event_id(system: str, span: Any) -> str | None:
    """The id of the event that a span would be, where it has one."""
    try:
        return f"{system}:{identities(span)[0]}"
    except (KeyError, TypeError, AttributeError):
        return None


def identities(span: Mapping[str, Any]) -> tuple[str, str | None]:
    """``trace-span`` of a span, and its parent's span id where it has one; as text, whatever else it came as."""
    trace, own = of_span(span, "traceId", "trace_id"), of_span(span, "spanId", "span_id")
    if not trace or not own:
        raise KeyError("traceId" if not trace else "spanId")
    parent = of_span(span, "parentSpanId", "parent_span_id")
    return f"{trace}-{own}", str(parent) if parent and str(parent).strip("0") else None


def _operation(of: Said, usage: Mapping[str, Any]) -> str | Reject | NotRequest:
    fields = of.fields
    named = operation_of(fields.get("operation"), fields.get("kind"))
    if named is not None:
        return named
    if usage:
        has_model = fields.get("requested") or fields.get("served")
        return "chat" if has_model and usage.get("output") is not None and "operation" not in fields else _UNNAMED
    if "like usage" in fields:
        return _UNKNOWN
    return NotRequest("operation without usage" if "operation" in fields else "span of something else")


def _usage(of: Said) -> dict[str, Any]:
    """Counts by field, the input as a whole; empty where the span carries none."""
    usage = {name: of.fields[name] for name in _USAGE_KEYS if name in of.fields}
    if "usage" in of.fields:
        held = of.fields["usage"]
        try:
            held = json.loads(held) if isinstance(held, str) else held
        except ValueError:
            held = None
        for name, keys in _USAGE_KEYS.items() if isinstance(held, Mapping) else ():
            found = next((count_of(held[key]) for key in keys if held.get(key) is not None), None)
            if found is not None:
                usage.setdefault(name, found)
    counts = [usage.get(name, 0) for name in ("input", "cached", "written", "output")]
    if "input" in usage and all(type(count) is int for count in counts):
        whole, cached, written, output = counts
        total = usage.get("total")
        usage["input"] = whole_input(whole, cached, written, output=output, total=total if type(total) is int else None)
    usage.pop("total", None)
    return usage


def _outcome(span: Mapping[str, Any], of: Said) -> tuple[bool, str | None, str | None]:
    """Whether the span failed, the code and the name that tell how."""
    status = span.get("status") or {}
    code = status.get("code") if isinstance(status, Mapping) else status
    http = count_of(of.fields.get("http_status"))
    http_failed = type(http) is int and 400 <= http <= 599
    problem = of.fields.get("problem")
    if problem is None:
        problem = next((name for event in span.get("events") or () if (name := _exception(event))), None)
    marked = str(of.fields.get("span_status", "")).lower() in {"error", "true", "status_code_error"}
    recorded = "problem" in of.fields
    failed = str(code).lower() in {"2", "error", "status_code_error"} or http_failed or marked or recorded
    text = None if problem is None else str(problem)
    return failed, str(http) if http_failed else text, text


def _exception(event: Mapping[str, Any]) -> Any:
    if event.get("name") != "exception":
        return None
    return said(event.get("attributes"), frozenset()).fields.get("problem")


def _finish(finish: Any) -> Any:
    if isinstance(finish, str) and finish.startswith("["):
        try:
            finish = json.loads(finish)
        except ValueError:
            return None
    if isinstance(finish, list):
        finish = finish[0] if finish else None
    return finish_reason(finish)
