"""How text that is not ours is shown: names and notes out of the data, URLs out of settings, digests of keys.

Every error, every line on a terminal, every page and every table writes foreign text through these functions.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

_SYMBOLS = {"\n": "↵", "\r": "↵", "\t": "⇥"}
_JOINERS = {"\u200c", "\u200d", "\ufe0f"}  # they shape emoji and Indic scripts and cannot turn text around
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

_PORT = r"\d{1,5}(?:[/?#\s]|$)"
_PASSWORD = re.compile(rf"((?::/{{1,3}}|//)[^\s:@/\[]*:)(?:\S*(?=@)|(?!{_PORT})(?:[^\n]*?(?=@)|[^\s/?#]+))")
"""After the user of a URL: up to the last @ of its word; where there is none, and no port, what there is."""
_NO_SLASHES = re.compile(r"(?<![\w/])([\w.+-]+:)(?!//)[^\s@/]+(?=@)")
_PARAMETER = re.compile(r"(?i)((?:password|passwd|pwd|secret|token|api_?key)=)[^&\s]+")
_DIGEST = re.compile(
    r"(?:[a-z0-9_.-]+:)*(?:[0-9a-f]{16,}|[0-9A-F]{16,}|[A-Za-z0-9+/_-]{43}=?|[A-Za-z0-9+/_-]{27}=?)"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[358][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_NAMED = 60  # characters: half a line of a report's notes
SHORT_DIGEST = 12  # characters: enough to tell the digests of one report apart
SECRET_SUBJECTS = ("key", "network")
"""Kinds of subject whose identifier is shown as a digest only."""


def visible(text: object, *, keep: str = "") -> str:
    """Foreign text with every control and direction mark shown as what it is, but those of ``keep``.

    It cannot move a terminal's cursor, change its colours or rearrange a page.
    """
    said = str(text)
    if said.isprintable():
        return said
    return "".join(char if char in keep else _SYMBOLS.get(char) or _shown(char) for char in said)


def _shown(char: str) -> str:
    hidden = unicodedata.category(char) in _HIDDEN and char not in _JOINERS
    return f"⟨U+{ord(char):04X}⟩" if hidden else char


def json_text(data: Any, **how: Any) -> str:
    """JSON in ASCII: every control and direction mark is escaped, and none is lost. ``how``: see :func:`json.dumps`."""
    return json.dumps(data, **how).replace("\x7f", "\\u007f")  # the one control that is ASCII and left as it is


def plain(text: object) -> str:
    """Foreign text that may hold a URL, as :func:`visible` and without passwords, ready to be laid out in lines."""
    return visible(without_passwords(str(text)))


def shortened(text: str) -> str:
    """Foreign text as it is named within a sentence: its beginning, where it is long."""
    return text if len(text) <= _NAMED else f"{text[: _NAMED - 1]}…"


def without_passwords(text: str) -> str:
    """A URL, or text that has URLs in it, with ``***`` in the place of every password, also where it is malformed.

    >>> without_passwords("postgresql://reader:s3cret@db/usage?sslmode=require")
    'postgresql://reader:***@db/usage?sslmode=require'
    """
    return _PARAMETER.sub(r"\1***", _NO_SLASHES.sub(r"\1***", _PASSWORD.sub(r"\1***", text)))


def opaque_id(subject_type: str, subject_id: str) -> str:
    """The identifier of a subject as it is recorded: of a key or network its digest, unless it is one by its form."""
    if subject_type not in SECRET_SUBJECTS or _DIGEST.fullmatch(subject_id):
        return subject_id
    return digest_of(subject_id)


def digest_of(secret: str) -> str:
    """What stands for text that may not be shown: the same for the same text."""
    return f"sha256:{hashlib.sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def short_id(subject_type: str, subject_id: str) -> str:
    """The identifier of a subject as a person reads it: of a key or network the beginning of its digest."""
    if subject_type not in SECRET_SUBJECTS or len(subject_id) <= SHORT_DIGEST:
        return subject_id
    return opaque_id(subject_type, subject_id).rpartition(":")[2][:SHORT_DIGEST]
