"""An OpenTelemetry span processor that replaces what was asked and answered by features, before spans are exported.

    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider.add_span_processor(FeatureSpanProcessor(BatchSpanProcessor(exporter), Extractor(salt)))

It stands between the SDK and the processor that exports, so that no exporter behind it sees a text. The
instrumentation has to put the messages on the span (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY,
with OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental where it knows both conventions); without messages a
span passes as it is. Log records and events that an instrumentation emits beside the span do not pass here: leave
them off.

Tried with opentelemetry-instrumentation-openai-v2 2.4b0 and -genai-openai 1.3b0
(tests/sources/record_otel_features.py). :mod:`audits.sources.otel` reads the attributes into the contract's columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace.status import Status

from audits.features.extract import Extractor

PREFIX = "usage_audits."
"""Of the attributes that hold features; the column's name follows."""

LONGEST = 512  # characters of an attribute of a span about a model; what is longer is no parameter, whatever its name
_MODEL = re.compile(r"(?:gen_ai|llm|openinference|traceloop)\.")
_CONTENT = re.compile(
    r"gen_ai\.(?:input\.messages|output\.messages|system_instructions|prompt|completion|tool\.definitions"
    r"|tool\.call\.(?:arguments|result)|retrieval\..*|event\.content|.*\.explanation)(?:\..*|$)"
    r"|llm\.(?:prompts|completions|input_messages|output_messages|prompt_template|request\.functions|tools)(?:\..*|$)"
    r"|(?:input|output)\.value$|traceloop\.entity\.(?:input|output)$|exception\.(?:message|stacktrace)$"
    r"|(?:content|message|body|prompt|completion)$"
)
_NUMBERED = re.compile(r"(?:gen_ai\.prompt|llm\.prompts|llm\.input_messages)\.(\d+)\.(?:message\.)?(role|content)$")
_WHOLE = ("gen_ai.input.messages", "gen_ai.prompt", "input.value")
_TURNS_AS_EVENTS = {"gen_ai.user.message": "user", "gen_ai.system.message": "system"}


class FeatureSpanProcessor(SpanProcessor):
    """Hands every ended span on to ``exporting``; one about a model without its texts, with features in their place."""

    def __init__(self, exporting: SpanProcessor, extractor: Extractor) -> None:
        self._exporting, self._extractor = exporting, extractor

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """As the exporting processor has it."""
        self._exporting.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Replace texts by features and hand on what is left."""
        attributes = span.attributes or {}
        if any(_MODEL.match(name) for name in attributes):
            span = self._without_texts(span, attributes)
        self._exporting.on_end(span)

    def shutdown(self) -> None:
        """As the exporting processor has it."""
        self._exporting.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the exporting processor has it."""
        return self._exporting.force_flush(timeout_millis)

    def _without_texts(self, span: ReadableSpan, attributes: Mapping[str, Any]) -> ReadableSpan:
        body = _asked(attributes, span.events)
        features = self._extractor.of_request(body).recorded() if body else {}
        kept = {name: value for name, value in attributes.items() if _may_stay(name, value)}
        return ReadableSpan(
            name=span.name,
            context=span.get_span_context(),
            parent=span.parent,
            resource=span.resource,
            attributes={**kept, **{f"{PREFIX}{name}": value for name, value in features.items()}},
            events=[_bare(event) for event in span.events],
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code),  # its description may quote what was asked
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


def _may_stay(name: str, value: Any) -> bool:
    if _CONTENT.match(name) or name.startswith(PREFIX):
        return False
    return len(value if isinstance(value, str) else repr(value)) <= LONGEST


def _bare(event: Event) -> Event:
    attributes = {name: value for name, value in (event.attributes or {}).items() if _may_stay(name, value)}
    return Event(event.name, attributes, event.timestamp)


def _asked(attributes: Mapping[str, Any], events: Iterable[Event]) -> dict[str, Any]:
    """The request's body as far as a span tells it, in whichever convention; empty where it tells nothing."""
    body: dict[str, Any] = {}
    for name in _WHOLE:
        if name in attributes:
            said = _structure(attributes[name])
            body["messages" if isinstance(said, list) else "prompt"] = said
            break
    if "gen_ai.system_instructions" in attributes:
        body["system"] = _structure(attributes["gen_ai.system_instructions"])
    numbered: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if found := _NUMBERED.match(name):
            numbered.setdefault(int(found[1]), {})[found[2]] = value
    turns = [numbered[number] for number in sorted(numbered)]
    for event in events:
        if event.name in _TURNS_AS_EVENTS:
            content = (event.attributes or {}).get("content")
            turns.append({"role": _TURNS_AS_EVENTS[event.name], "content": _structure(content)})
    if turns and "messages" not in body:
        body["messages"] = turns
    return body


def _structure(value: Any) -> Any:
    """What an attribute holds: structured as it is, or as JSON, or a text by itself."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return list(value) if isinstance(value, tuple) else value
