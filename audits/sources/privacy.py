"""What may never reach the warehouse: a raw key or a prompt in a text column sets its row aside.

Addresses and end users are stored as salted digests (:mod:`audits.features.hashing`).
"""

from __future__ import annotations

import re

LONGEST_TEXT = 512  # characters; identifiers and names of models are shorter, prompts are mostly longer
RAW_KEY_PATTERN = r"(^|[^A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}"  # OpenAI's, Anthropic's and LiteLLM's keys all begin so
_RAW_KEY = re.compile(RAW_KEY_PATTERN)
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold half a character
_SHAPE = re.compile(r"[^\W\d_]|(\d)")

RAW_KEY = "a raw key"
TOO_LONG = f"text of more than {LONGEST_TEXT} characters, where an identifier belongs"
NOT_TEXT = "characters that no database stores"


def trouble(text: str) -> str | None:
    """Why a text may not be stored, or None."""
    if len(text) > LONGEST_TEXT:
        return TOO_LONG
    if "sk-" in text and _RAW_KEY.search(text):
        return RAW_KEY
    if "\x00" in text or (not text.isascii() and _SURROGATE.search(text)):
        return NOT_TEXT
    return None


def redacted(value: object) -> str:
    """The shape of a value without what it says: letters become x, digits 9; at most 40 characters of it."""
    text = str(value)
    shape = _SHAPE.sub(lambda found: "9" if found[1] else "x", text[:40])
    return shape.encode("ascii", "replace").decode().replace("\x00", "?") + (
        f"... ({len(text)} characters)" if len(text) > 40 else ""
    )
