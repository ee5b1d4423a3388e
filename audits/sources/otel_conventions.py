"""What the attributes of a span mean, by the conventions that instrumentations follow.

* OpenTelemetry's conventions for generative AI, with the names they have had since 2024 (``gen_ai.usage.prompt_tokens``
  before ``gen_ai.usage.input_tokens``, ``gen_ai.system`` before ``gen_ai.provider.name``), and Sentry's and
  PydanticAI's variants of them;
* OpenInference (``llm.token_count.*``, ``openinference.span.kind``);
* OpenLLMetry (``llm.usage.*``, ``llm.request.type``, ``traceloop.span.kind``);
* Vercel's AI SDK (``ai.*``), whose spans name no operation in OpenTelemetry's sense before version 6;
* Langfuse (``langfuse.observation.*``, its usage as a JSON object).

A key that looks like usage and is none of these is reported too, so that no usage passes unnoticed.
"""

from __future__ import annotations

import re
from functools import lru_cache

AROUND = "around"
"""The operation of a span that is known to enclose requests, or to be none: an agent, a tool, a workflow."""

FIELDS: dict[str, tuple[str, ...]] = {
    "input": (
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.input_tokens",
        "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens",
    ),
    "output": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
        "llm.usage.output_tokens", "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens",
    ),
    "total": (
        "gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens", "ai.usage.totalTokens",
    ),
    "cached": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cached_tokens",
        "gen_ai.usage.input_cached_tokens", "gen_ai.usage.cached_input_tokens", "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.details.cache_read_input_tokens", "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.input_tokens_details.cached_tokens", "llm.usage.cache_read_input_tokens",
        "llm.usage.cached_tokens", "llm.anthropic.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input",
        "ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens",
    ),
    "written": (
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens", "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.input_tokens.cache_write", "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens", "llm.usage.cache_creation_input_tokens",
        "llm.anthropic.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.output_tokens_details.reasoning_tokens",
        "llm.usage.reasoning_tokens", "llm.token_count.completion_details.reasoning", "ai.usage.reasoningTokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
    ),
    "usage": ("langfuse.observation.usage_details",),
    "requested": (
        "gen_ai.request.model", "llm.request.model_name", "llm.request.model", "llm.model_name", "embedding.model_name",
        "ai.model.id", "langfuse.observation.model.name",
    ),
    "served": ("gen_ai.response.model", "llm.response.model_name", "llm.response.model", "ai.response.model"),
    "provider": (
        "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor", "ai.model.provider",
    ),
    "session": ("gen_ai.conversation.id", "session.id", "langfuse.session.id"),
    "finish": (
        "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "llm.finish_reason",
        "llm.response.finish_reason", "llm.response.stop_reason", "ai.response.finishReason",
    ),
    "max_tokens": ("gen_ai.request.max_tokens", "llm.request.max_tokens", "ai.settings.maxOutputTokens",
                   "ai.settings.maxTokens"),
    "choices": ("gen_ai.request.choice.count",),
    "operation": ("gen_ai.operation.name",),
    "kind": ("openinference.span.kind", "ai.operationId", "llm.request.type", "langfuse.observation.type",
             "traceloop.span.kind"),
    "problem": ("error.type", "exception.type"),
    "http_status": ("http.response.status_code", "http.status_code"),
    "span_status": ("otel.status_code", "langfuse.observation.level", "error"),
}  # fmt: skip
"""Field -> the attributes that hold it. Of several counts the largest is meant, of several names the first."""

COUNTS = ("input", "output", "total", "cached", "written", "reasoning")

_OPERATIONS = {
    "chat": "chat", "chat_completion": "chat", "chat_completions": "chat", "responses": "chat",
    "generate_content": "chat", "text_completion": "completion", "completion": "completion",
    "embeddings": "embeddings", "embedding": "embeddings",
    **dict.fromkeys(
        ("create_agent", "invoke_agent", "execute_tool", "invoke_workflow", "retrieval", "rerank"), AROUND
    ),
}  # fmt: skip
_KINDS = {
    "llm": "chat", "generation": "chat", "embedding": "embeddings", "chat": "chat", "completion": "completion",
    **dict.fromkeys(
        ("chain", "retriever", "reranker", "rerank", "tool", "agent", "guardrail", "evaluator", "prompt", "workflow",
         "task", "span", "event"),
        AROUND,
    ),
}  # fmt: skip
_VERCEL = re.compile(r"ai\.(?:(generate|stream)(?:Text|Object)|(embed)(?:Many)?|[A-Za-z]+)(?:\.|$)")

_MAKERS = {
    "openai", "anthropic", "gcp.gemini", "gcp.gen_ai", "gemini", "google", "cohere", "mistral_ai", "mistralai",
    "mistral", "deepseek", "groq", "x_ai", "xai", "perplexity",
}  # fmt: skip

_FIELD_OF = {name: field for field, names in FIELDS.items() for name in names}
_CONTENT = re.compile(
    r"(?:gen_ai\.(?:(?:input|output)\.messages|prompt|completion)|llm\.(?:input|output)_messages|(?:input|output)\.value"
    r"|ai\.(?:prompt|response\.(?:text|object))|traceloop\.entity\.(?:input|output)"
    r"|langfuse\.observation\.(?:input|output))(?:\.(?:\d|messages).*)?"
)
_LIKE_USAGE = re.compile(
    r"(?:prompt|input|completion|output|total)[._]?tokens?(?:[._]?count)?$|token[._]?(?:count|usage)|[._]usage[._]",
    re.IGNORECASE,
)
_OF_TOKENS = re.compile(r"(?:^|[._/-])(?:tokens|usage)(?=$|[._/-]|[A-Z])|(?<=[a-z])(?:Tokens|Usage)(?=$|[._/-]|[A-Z])")
"""A part of a name that speaks of tokens or usage, in whatever convention."""

_NOT_USAGE = re.compile(
    r"max|limit|remaining|budget|cost|price|header|(?:^|[._-])(?:per|rate|cpu|memory|mem|heap|disk)(?=$|[._-])",
    re.IGNORECASE,
)


@lru_cache(maxsize=4_096)
def field_of(key: str) -> tuple[str, int] | None:
    """The field that an attribute holds and the place of its name among that field's names; None where none is read.

    Beside those of :data:`FIELDS` there are "content", a text of the request or its answer, and "like usage", which is
    usage where it holds a number.
    """
    field = _FIELD_OF.get(key)
    if field is not None:
        return field, FIELDS[field].index(key)
    if _CONTENT.fullmatch(key):
        return "content", 0
    if (_LIKE_USAGE.search(key) or _OF_TOKENS.search(key)) and not _NOT_USAGE.search(key):
        return "like usage", 0
    return None


def operation_of(operation: object, kind: object) -> str | None:
    """The contract's operation of a span, ``AROUND``, or None where nothing known names one.

    ``operation`` is OpenTelemetry's name of it, ``kind`` what another convention calls the span.
    """
    named = _OPERATIONS.get(str(operation).lower())
    if named is not None or kind is None:
        return named
    vercel = _VERCEL.match(str(kind))
    if vercel:
        return "chat" if vercel[1] else "embeddings" if vercel[2] else AROUND
    return _KINDS.get(str(kind).lower())


def access_path(provider: object) -> str | None:
    """The contract's access path of a provider, however its name is spelled; None where the name tells none."""
    if not isinstance(provider, str):
        return None
    name = provider.strip().lower()
    for part, path in (("azure", "azure"), ("az.ai", "azure"), ("bedrock", "bedrock"), ("vertex", "vertex"),
                       ("openrouter", "aggregator")):  # fmt: skip
        if part in name:
            return path
    if name == "aws":
        return "bedrock"
    return "native" if re.split(r"[.\s/]", name)[0] in _MAKERS or name in _MAKERS else None
