"""What LiteLLM's ``call_type`` says of a row: a request to a model, a call that is none, or neither known.

The names are those of ``CallTypes`` in LiteLLM 1.106 (litellm/types/utils.py), each with or without the ``a`` of its
asynchronous form. Calls that read, list, delete or cancel repeat the usage of the request that they name under an id
of their own; the retrieval of a batch is the exception, since no other row has the batch's usage.
"""

from __future__ import annotations

OPERATIONS = {
    "completion": "chat", "anthropic_messages": "chat", "responses": "chat", "compact_responses": "chat",
    "generate_content": "chat", "generate_content_stream": "chat", "run_thread": "chat", "run_thread_stream": "chat",
    "text_completion": "completion", "embedding": "embeddings",
    "create_batch": "batch", "retrieve_batch": "batch", "create_file": "file", "create_fine_tuning_job": "finetune",
    "pass_through_endpoint": "pass_through", "llm_passthrough_route": "pass_through",
    "image_generation": "image_generation", "image_edit": "image_edit", "image_variation": "image_variation",
    "moderation": "moderation", "transcription": "transcription", "speech": "speech", "rerank": "rerank", "ocr": "ocr",
    "realtime": "realtime", "responses_websocket": "realtime", "realtime_calls": "realtime",
    "create_video": "video", "video_remix": "video", "video_edit": "video", "video_extension": "video",
}  # fmt: skip
"""Requests to a model, as the contract's ``operation`` names them; what it does not name keeps LiteLLM's name."""

_COUNTED_IN_TOKENS = {"chat", "completion", "embeddings", "pass_through"}
_VERBS = ("get", "list", "retrieve", "delete", "cancel")
_NO_REQUESTS = {
    "file_content": "retrieve", "video_content": "retrieve", "vector_store_file_content": "retrieve",
    "count_tokens": "count tokens", "token_counter": "count tokens",
    "create_assistants": "threads and assistants", "create_thread": "threads and assistants",
    "add_message": "threads and assistants",
    "search": "search and stores", "ingest": "search and stores", "vector_store_search": "search and stores",
    "vector_store_create": "search and stores", "vector_store_file_create": "search and stores",
    "vector_store_file_update": "search and stores",
    "call_mcp_tool": "tools and containers", "create_container": "tools and containers",
    "upload_container_file": "tools and containers", "create_sandbox": "tools and containers",
    "run_code": "tools and containers", "code_interpreter_tool": "tools and containers",
    "create_skill": "tools and containers", "video_create_character": "tools and containers",
    "create_realtime_client_secret": "session setup", "create_realtime_transcription_session": "session setup",
}  # fmt: skip


def operation_of(call_type: str) -> str | None:
    """The operation of a request to a model, or None where the call is no such request or not known."""
    return next((OPERATIONS[name] for name in _names(call_type) if name in OPERATIONS), None)


def no_request(call_type: str) -> str | None:
    """What kind of call it is that asks no model anything; None of a request, and of a call that is not known."""
    for name in _names(call_type):
        if name in _NO_REQUESTS:
            return _NO_REQUESTS[name]
        words = name.split("_")
        for verb in _VERBS:
            if verb in (words[0], words[-1]) or (verb in words and name.startswith(("video_", "vector_"))):
                return verb
    return None


def counted_in_tokens(operation: str) -> bool:
    """Whether a request of this kind that succeeded has used tokens; images and audio are metered otherwise."""
    return operation in _COUNTED_IN_TOKENS


def _names(call_type: str) -> tuple[str, ...]:
    """The name as it is, and without the prefix of its asynchronous form ("_", "a", "a_")."""
    name = call_type.strip().lower().lstrip("_")
    return (name, name[1:].lstrip("_")) if name.startswith("a") else (name,)
