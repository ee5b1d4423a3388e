"""A stand-in for model providers on 127.0.0.1, for the recording scripts: fixed answers in each provider's format.

Token counts are chosen so that every convention can be told apart: OpenAI, Azure and Gemini count cached input inside
the input, Anthropic beside it. A model whose name holds ``limited``, ``broken`` or ``forbidden`` answers with that
failure.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_number = itertools.count(1)
FAILURES = {
    "limited": (429, "rate_limit_exceeded", "Rate limit reached for requests"),
    "broken": (500, "server_error", "The server had an error"),
    "forbidden": (403, "permission_denied", "This project may not use the model"),
}
OPENAI_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 12},
}
ANTHROPIC_USAGE = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 70,
    "output_tokens": 25,
}
GEMINI_USAGE = {
    "promptTokenCount": 90,
    "cachedContentTokenCount": 40,
    "candidatesTokenCount": 15,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 110,
}


def answer(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and JSON body that a provider would send for a request."""
    model = body.get("model") or path
    for name, (status, code, message) in FAILURES.items():
        if name in model:
            return status, {"error": {"message": message, "type": code, "code": code}}
    if path.endswith("/embeddings"):
        usage = {"prompt_tokens": 8, "total_tokens": 8}
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}
        return 200, {"object": "list", "data": [vector], "model": model, "usage": usage}
    if path.endswith("/messages"):
        text = [{"type": "text", "text": "fixed answer"}]
        return 200, {"id": f"msg_{next(_number):04}", "type": "message", "role": "assistant", "model": model,
                     "content": text, "stop_reason": "end_turn", "usage": ANTHROPIC_USAGE}  # fmt: skip
    if ":generateContent" in path:
        text = {"content": {"parts": [{"text": "fixed answer"}], "role": "model"}, "finishReason": "STOP"}
        return 200, {"responseId": f"gem_{next(_number):04}", "candidates": [text], "usageMetadata": GEMINI_USAGE}
    choice = {"index": 0, "message": {"role": "assistant", "content": "fixed answer"}, "finish_reason": "stop"}
    return 200, {"id": f"chatcmpl-{next(_number):04}", "object": "chat.completion", "created": 1_790_000_000,
                 "model": f"{model}-2026-08-01", "choices": [choice], "usage": OPENAI_USAGE}  # fmt: skip


def streamed(full: dict[str, Any]) -> Iterator[bytes]:
    """An OpenAI answer as server-sent events, its usage in the last one."""
    head = {**{k: full[k] for k in ("id", "created", "model")}, "object": "chat.completion.chunk"}
    delta = {"index": 0, "delta": {"role": "assistant", "content": "fixed answer"}, "finish_reason": None}
    for part in (
        {**head, "choices": [delta]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": full["usage"]},
    ):
        yield b"data: " + json.dumps(part).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


class Provider(BaseHTTPRequestHandler):
    """One request, answered."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, reply = answer(self.path.split("?")[0], body)
        stream = status == 200 and body.get("stream")
        content = b"".join(streamed(reply)) if stream else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the recorders' own output is what matters."""


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """The base URL of a running stand-in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
