"""Record spans of an application that exports features instead of texts: fixtures/otel_features_*.jsonl.

Either environment of record_otel.py, with ``py3langid maxminddb ruamel.yaml`` installed as well:

    PYTHONPATH=. /tmp/otel/bin/python tests/sources/record_otel_features.py

The real instrumentation captures the messages on the span, :class:`audits.features.otel.FeatureSpanProcessor` replaces
them, and the real SDK exports. Ends with an error if a span holds anything that was asked or answered.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {  # before the instrumentation is imported, which reads them then
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
}
import openai
import record_otel
import standin
from asked import INSTRUCTION, INVOICES, JUDGES, QUESTION, TELLING
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from audits.features import Extractor
from audits.features.otel import FeatureSpanProcessor

OUT = Path(__file__).parent / "fixtures" / f"otel_features_{record_otel.GENERATION}.jsonl"


def ask(base: str, provider: TracerProvider) -> None:
    """Two inputs of one instruction, a judge, an elicitation plain, streamed and refused; a span that asks no model."""
    instrumentor = record_otel.OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    client = openai.OpenAI(base_url=f"{base}/v1", api_key="up", max_retries=0)

    def chat(*turns: tuple[str, str], model: str = "gpt-4o-mini", **options: Any) -> Any:
        messages: Any = [{"role": role, "content": content} for role, content in turns]
        return client.chat.completions.create(model=model, messages=messages, **options)

    with provider.get_tracer("application").start_as_current_span("handle request"):
        for invoice in INVOICES:
            chat(("user", f"{INSTRUCTION}\n\n{invoice}"))
    chat(("system", JUDGES), ("user", "Response: the sky is blue."))
    chat(("user", QUESTION))
    for _ in chat(("user", QUESTION), stream=True, stream_options={"include_usage": True}):
        pass
    try:
        chat(("user", QUESTION), model="limited")
    except openai.APIStatusError as error:
        print(error.status_code)
    provider.shutdown()
    instrumentor.uninstrument()


def main() -> None:
    """Record, and see that the texts were there before and are not there after."""
    OUT.unlink(missing_ok=True)
    record_otel.OUT = OUT
    before = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "assistant", "tenant.id": "acct-acme"}))
    provider.add_span_processor(SimpleSpanProcessor(before))
    provider.add_span_processor(FeatureSpanProcessor(BatchSpanProcessor(record_otel.JsonLines()), Extractor("pepper")))
    with standin.provider() as url:
        ask(url, provider)
    captured = "".join(span.to_json() for span in before.get_finished_spans())
    if "Kestrel" not in captured or "mountain" not in captured:
        sys.exit("the instrumentation captured no messages")
    written = OUT.read_text("utf-8")
    for word in (*TELLING, "fixed answer"):
        if word in written:
            sys.exit(f"a span holds {word!r}")
    print(written.count("\n"), "lines in", OUT)


if __name__ == "__main__":
    main()
