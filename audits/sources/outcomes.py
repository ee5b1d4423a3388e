"""How a request ended, in the contract's words, whatever the provider or library that says so."""

from __future__ import annotations

_ENDS = {
    "stop": ("stop", "end_turn", "stop_sequence", "complete", "completed", "finish", "eos", "eos_token", "pause_turn"),
    "length": (
        "length", "max_tokens", "max_output_tokens", "max_length", "model_length", "error_limit",
        "model_context_window_exceeded",
    ),
    "tool_calls": (
        "tool_calls", "tool_call", "tool_use", "function_call", "malformed_function_call", "unexpected_tool_call",
        "malformed_tool_use",
    ),
    "content_filter": (
        "content_filter", "content_filtered", "guardrail_intervened", "safety", "recitation", "blocklist",
        "prohibited_content", "spii", "image_safety", "image_prohibited_content", "image_recitation", "model_armor",
        "error_toxic",
    ),
    "refusal": ("refusal",),
}  # fmt: skip
"""The contract's finish reason -> what OpenAI, Anthropic, Google, Bedrock, Cohere, Mistral, Hugging Face and Vercel
call it."""
_END = {name: end for end, names in _ENDS.items() for name in names}

_BY_NAME = {
    "RateLimitError": (429, "rate_limit"),
    "BudgetExceededError": (429, "quota"),
    "AuthenticationError": (401, "auth"),
    "PermissionDeniedError": (403, "auth"),
    "ContentPolicyViolationError": (400, "policy"),
    "ContentFilterFinishReasonError": (400, "policy"),
    "GuardrailRaisedException": (400, "policy"),
    "BadRequestError": (400, "client"),
    "ContextWindowExceededError": (400, "client"),
    "ProxyModelNotFoundError": (400, "client"),
    "NotFoundError": (404, "client"),
    "ConflictError": (409, "client"),
    "UnprocessableEntityError": (422, "client"),
    "InternalServerError": (500, "server"),
    "ServiceUnavailableError": (503, "server"),
    "APIConnectionError": (503, "server"),
    "Timeout": (504, "server"),
    "APITimeoutError": (504, "server"),
    "OverloadedError": (529, "server"),
    # Bedrock's exceptions, Google's status names, and the error types and codes in the bodies of OpenAI and Anthropic
    "ThrottlingException": (429, "rate_limit"),
    "ServiceQuotaExceededException": (429, "quota"),
    "AccessDeniedException": (403, "auth"),
    "ValidationException": (400, "client"),
    "ResourceNotFoundException": (404, "client"),
    "ModelTimeoutException": (504, "server"),
    "ServiceUnavailableException": (503, "server"),
    "InternalServerException": (500, "server"),
    "ResourceExhausted": (429, "rate_limit"),
    "PermissionDenied": (403, "auth"),
    "Unauthenticated": (401, "auth"),
    "InvalidArgument": (400, "client"),
    "DeadlineExceeded": (504, "server"),
    "rate_limit_error": (429, "rate_limit"),
    "rate_limit_exceeded": (429, "rate_limit"),
    "insufficient_quota": (429, "quota"),
    "authentication_error": (401, "auth"),
    "invalid_api_key": (401, "auth"),
    "permission_error": (403, "auth"),
    "invalid_request_error": (400, "client"),
    "not_found_error": (404, "client"),
    "content_filter": (400, "policy"),
    "overloaded_error": (529, "server"),
    "api_error": (500, "server"),
    "timeout": (504, "server"),
}
_BY_STATUS = {401: "auth", 402: "quota", 403: "auth", 429: "rate_limit"}


def failure(code: str | None, name: str | None) -> tuple[int, str | None]:
    """(HTTP status, error class) of a failure, from the code and the exception's name that were recorded.

    A code that is a status wins; otherwise the exception tells. Where neither does, the status is 500, since the
    contract wants one, and the class stays unrecorded.
    """
    status, known = _BY_NAME.get((name or "").rpartition(".")[2], (500, None))
    if code and code.isascii() and code.isdigit() and 400 <= int(code) <= 599:
        status = int(code)
        if known in {"policy", "quota"}:
            return status, known  # told by the exception only: their statuses are shared with other failures
        return status, _BY_STATUS.get(status, "server" if status >= 500 else "client")
    return status, known


def finish_reason(said: object) -> object:
    """The contract's word for why an answer ended; what is not certain to mean one of them is kept as it is."""
    name = str(said).strip().rpartition(".")[2].lower().replace("-", "_")
    return _END.get(name, said)
