"""Record OpenTelemetry GenAI spans as OTLP JSON lines, with either generation of the OpenAI instrumentation.

fixtures/otel_openai_v2.jsonl, the conventions of 2025 (``gen_ai.system``; cached input is not recorded):

    python3 -m venv /tmp/otel && /tmp/otel/bin/pip install 'openai<3' opentelemetry-sdk \\
        opentelemetry-instrumentation-openai-v2 opentelemetry-util-genai==0.4b0 opentelemetry-exporter-otlp-proto-common
    /tmp/otel/bin/python tests/sources/record_otel.py

fixtures/otel_genai_openai.jsonl, those of 2026 (``gen_ai.provider.name``): the same with ``openai`` and
``opentelemetry-instrumentation-genai-openai``, which continues openai-v2 under a new name.

The real ``openai`` client, instrumented by the real instrumentation, asks a stand-in provider on 127.0.0.1; the real
SDK batches the spans and encodes them for OTLP. One line is one export request, as the collector's file exporter
writes it (trace and span ids in hexadecimal, enumerations as numbers).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai
import standin
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

try:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    GENERATION = "genai_openai"
except ImportError:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    GENERATION = "openai_v2"

OUT = Path(__file__).parent / "fixtures" / f"otel_{GENERATION}.jsonl"
HELLO: Any = [{"role": "user", "content": "hello"}]


class JsonLines(SpanExporter):
    """Writes each batch of finished spans as one line."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        request = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
        for span in (s for r in request["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in span:
                    span[name] = base64.b64decode(span[name]).hex()
        with OUT.open("a") as lines:
            lines.write(json.dumps(request, sort_keys=True) + "\n")
        return SpanExportResult.SUCCESS


def ask(base: str) -> None:
    """Plain, streamed and failed requests, embeddings, a span that is no model call, and two services' resources."""
    for service, attributes in (("assistant", {"tenant.id": "acct-acme"}), ("crawler", {})):
        provider = TracerProvider(resource=Resource.create({"service.name": service, **attributes}))
        provider.add_span_processor(BatchSpanProcessor(JsonLines()))
        instrumentor = OpenAIInstrumentor()
        instrumentor.instrument(tracer_provider=provider)
        client = openai.OpenAI(base_url=f"{base}/v1", api_key="up", max_retries=0)
        tracer = provider.get_tracer("application")
        with tracer.start_as_current_span("handle request"):
            client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=100, n=2, temperature=0.2)
            for _ in client.chat.completions.create(
                model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
            ):
                pass
        client.embeddings.create(model="text-embedding-3-small", input="hello")
        for model in ("limited", "broken", "forbidden"):
            try:
                client.chat.completions.create(model=model, messages=HELLO)
            except openai.APIStatusError as error:
                print(model, error.status_code)
        try:
            openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="up", max_retries=0).chat.completions.create(
                model="gpt-4o-mini", messages=HELLO
            )
        except openai.APIConnectionError as error:
            print(error)
        provider.shutdown()
        instrumentor.uninstrument()


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    OUT.unlink(missing_ok=True)
    with standin.provider() as url:
        ask(url)
    print(OUT.read_text().count("\n"), "lines in", OUT)
