"""A request's body, as clients of the common APIs send it, -> the system prompt and the prompt in it.

OpenAI's chat completions, responses, completions and embeddings, Anthropic's messages, Gemini's contents, and the
messages of OpenTelemetry's GenAI attributes are understood; what has another form holds no text. Results of tools,
images and the model's own turns are not what somebody asked and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SYSTEM = ("system", "developer")
_INSTRUCTIONS = ("system", "instructions", "systemInstruction", "system_instruction")
_TURNS = ("messages", "input", "contents")
_NOT_ASKED = ("tool_result", "function_call_output", "tool_call_response", "reasoning", "thinking")
_SIGNED = ("signature", "encrypted_content", "thoughtSignature", "thought_signature")
_DEEPEST = 6  # a batch line's body, its messages, their parts: nothing that is asked lies deeper


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says: the system prompt, and the newest thing that its user wrote."""

    system: str
    prompt: str


def asked(body: Mapping[str, Any]) -> Asked:
    """What is asked in a request's body, or in the line of a batch file around one; never raises."""
    for envelope in ("body", "params", "request"):
        inner = body.get(envelope)
        if isinstance(inner, Mapping):
            body = inner
            break
    system = [_text(body.get(name)) for name in _INSTRUCTIONS]
    prompt = _text(body.get("prompt"))
    for name in _TURNS:
        turns = body.get(name)
        if isinstance(turns, str):
            prompt = turns
        elif isinstance(turns, list):
            said, newest = _conversation(turns)
            system += said
            prompt = newest or prompt
    return Asked("\n".join(part for part in system if part), prompt)


def first_turn(body: Mapping[str, Any]) -> str:
    """The first thing that a user says in a request's conversation, which later requests of it repeat."""
    for name in _TURNS:
        turns = body.get(name)
        if isinstance(turns, list):
            for turn in turns:
                if isinstance(turn, Mapping) and turn.get("role", "user") == "user" and (said := _text(turn)):
                    return said
    return asked(body).prompt


def signatures(body: Any, depth: int = 0) -> Iterator[str]:
    """The signatures of reasoning that a request brings back to the provider, as the provider once gave them."""
    if depth > _DEEPEST:
        return
    if isinstance(body, Mapping):
        for name, value in body.items():
            signed = name in _SIGNED or (name == "data" and body.get("type") == "redacted_thinking")
            if signed and isinstance(value, str) and value:
                yield value
            elif isinstance(value, Mapping | list):
                yield from signatures(value, depth + 1)
    elif isinstance(body, list):
        for entry in body:
            yield from signatures(entry, depth + 1)


def _conversation(turns: list[Any]) -> tuple[list[str], str]:
    """The system prompts among the turns, and the newest text of a user; a list of plain texts is one prompt."""
    if all(isinstance(turn, str) for turn in turns):
        return [], "\n".join(turns)
    system, newest = [], ""
    for turn in turns:
        if not isinstance(turn, Mapping):
            continue
        role, said = turn.get("role", "user"), _text(turn)
        if role in _SYSTEM:
            system.append(said)
        elif role == "user" and said.strip():
            newest = said
    return system, newest


def _text(content: Any, depth: int = 0) -> str:
    """The text in a message or its parts, whatever form they have."""
    if isinstance(content, str):
        return content
    if depth > _DEEPEST:
        return ""
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := _text(part, depth + 1)))
    if isinstance(content, Mapping) and content.get("type") not in _NOT_ASKED:
        for name in ("text", "content", "parts"):
            if name in content:
                return _text(content[name], depth + 1)
    return ""
