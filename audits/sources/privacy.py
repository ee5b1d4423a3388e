"""What may never reach the warehouse: a key, an address or a prompt in a text column sets its row aside.

What such a text looks like says :mod:`audits.warehouse.raw_text`. Addresses and end users are stored as salted digests
(:mod:`audits.features.hashing`).
"""

from __future__ import annotations

import hashlib
import re

from audits.warehouse.raw_text import LONGEST_TEXT, Kind, form_of, kind_of

_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON can hold half a character
_SHAPE = re.compile(r"[^\W\d_]|(\d)")

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|=\([^)]*\)")

TOO_LONG = f"text of more than {LONGEST_TEXT} characters, where an identifier belongs"
NOT_TEXT = "characters that no database stores"


def trouble(column: str, text: str) -> str | None:
    """Why a text may not be stored in a column of the contract, or None; it reads after "the column holds"."""
    if len(text) > LONGEST_TEXT:
        return TOO_LONG
    if "\x00" in text or (not text.isascii() and _SURROGATE.search(text)):
        return NOT_TEXT
    kind = kind_of(text, form_of(column))
    return None if kind is None else looks_like(kind)


def place_of(identifier: str) -> str:
    """Where a row stands in its table, by its id; an id that may not be shown is known by its digest."""
    if trouble("event_id", identifier) is None:
        return identifier
    return f"sha256:{hashlib.sha256(identifier.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def looks_like(kind: Kind) -> str:
    """Why a text of this kind may not be stored."""
    return f"what looks like {kind.value}"


def unquoted(message: str) -> str:
    """What a database or library said, without what it quotes: that may be a row's content."""
    return _QUOTED.sub("'...'", message)


def redacted(value: object) -> str:
    """The shape of a value without what it says: letters become x, digits 9; at most 40 characters of it."""
    text = str(value)
    shape = _SHAPE.sub(lambda found: "9" if found[1] else "x", text[:40])
    return shape.encode("ascii", "replace").decode().replace("\x00", "?") + (
        f"... ({len(text)} characters)" if len(text) > 40 else ""
    )
