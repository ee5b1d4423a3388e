"""What every feature begins with: a text of bounded length, and its variable parts masked.

Bounded, because a gateway computes this before each request and a prompt may hold a book: what is asked stands at the
beginning or at the end.
"""

from __future__ import annotations

import re
import unicodedata

HEAD, TAIL = 6_000, 2_000

_CODE_LINE = (
    r"[ \t]*(?:(?:async )?def \w+|class \w+\s*[:({]|import [\w.]+|from [\w.]+ import |@\w|#include|#define|>>>|return\b"
    r"|(?:public|private|static|const|let|var|function|func|fn|package|using|namespace)\s\w+.*[{;(=]"
    r"|(?:if|for|while|else|elif|try|except|switch)\b.*[:{]$|SELECT\s.*\sFROM\s|[}\])];?$|</?\w+[^>]*>$|.*[;{]$)"
)
_Mask = tuple[re.Pattern[str], str, re.Pattern[str]]


def _mask(written: str, kind: str, marks: str, flags: int = 0) -> _Mask:
    """What is replaced, by what, and the characters without which it need not be looked for."""
    return re.compile(written, flags), kind, re.compile(marks)


_INPUTS: tuple[_Mask, ...] = (
    _mask(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", "<code>", "```|~~~", re.DOTALL),
    _mask(
        rf"(?:^{_CODE_LINE}.*\n?(?:^[ \t]+\S.*\n?|^[ \t]*\n(?=[ \t]+\S))*)+",
        "<code>\n",
        r"[;{}()\[\]@>#]|import|SELECT",
        re.MULTILINE,
    ),
    _mask(r"`[^`\n]{1,400}`", "<code>", "`"),
    _mask(r'""".*?"""|' + r"'{3}.*?'{3}", "<quote>", r"\"{3}|'{3}", re.DOTALL),
    _mask(r'"[^"\n]{1,2000}"|“[^”]{1,2000}”|«[^»]{1,2000}»|「[^」]{1,2000}」', "<quote>", '["“«「]'),
    _mask(r"(?<!\w)'[^'\n]{2,400}'(?!\w)", "<quote>", "'"),
    _mask(r"\$?\{[^{}]{0,2000}\}|\[\[?[^\[\]\n]{0,200}\]\]?", "<slot>", r"[{\[]"),
)
_VALUES: tuple[_Mask, ...] = (
    _mask(r"\b(?:https?|ftp|s3|file)://\S+|\bwww\.\S+", "<url>", r"://|www\."),
    _mask(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", "<email>", "@"),
    _mask(r"(?<![\w/])(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@+-]+){2,}/?", "<path>", r"[/\\]"),
    _mask(
        r"(?<![\w-])(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}"
        r"|(?:[A-Za-z_-]+\d|\d[\d-]*[A-Za-z])[\w-]{4,})(?![\w-])",
        "<id>",
        r"\d|[0-9a-fA-F]{8}",
    ),
    _mask(r"\d+(?:[.,:/%×^*+–-]*\d+)*%?", "<number>", r"\d"),
)
_CALENDAR = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march(?= <)|april|may(?= <)|june|july|august"
    r"|september|october|november|december)\b",
    re.IGNORECASE,
)
_TAGGED = re.compile(r"<([A-Za-z][\w-]{0,30})(?:\s[^<>]{0,200})?>")


def bounded(text: str) -> str:
    """The beginning and the end of a text, which is most often the whole of it, in one form of every character."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]}\n\n{text[-TAIL:]}"
    if text.isascii():
        return text.replace("\r\n", "\n")
    return unicodedata.normalize("NFKC", text).replace("\r\n", "\n")


def masked(text: str) -> str:
    """A bounded text with code, quotations, addresses, ids and numbers each replaced by their kind."""
    if "<" in text:
        text = _without_tagged(text)
    return _replaced(text, _INPUTS + _VALUES)


def settled(text: str) -> str:
    """A bounded system prompt in one case and spacing, without what changes from day to day: dates, ids, addresses."""
    return " ".join(_CALENDAR.sub("<date>", _replaced(text, _VALUES)).casefold().split())


def _replaced(text: str, masks: tuple[_Mask, ...]) -> str:
    for written, kind, marks in masks:
        if marks.search(text):
            text = written.sub(kind, text)
    return text


def _without_tagged(text: str) -> str:
    """What stands between a tag and its end, as inputs are often marked, is replaced by the tag's kind.

    A scan instead of one expression with a back-reference, which takes quadratic time on tags that never end.
    """
    parts, at = [], 0
    for found in _TAGGED.finditer(text):
        if found.start() < at:
            continue
        end = text.find(f"</{found[1]}>", found.end())
        if end >= 0:
            parts.append(text[at : found.start()] + "<quote>")
            at = end + len(found[1]) + 3
    parts.append(text[at:])
    return "".join(parts)
