"""The language that a prompt is written in, as ISO 639-1; None where there are too few letters to tell.

By script where a script has one language, by function words for the most frequent one, else by py3langid, whose model
of 97 languages comes inside its wheel.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from py3langid.langid import MODEL_FILE, LanguageIdentifier

SAMPLE = 150  # characters suffice, and more take longer
_NO_LETTERS = re.compile(r"(?:<\w+>|[\d_<]|[^\w<])+")
_SCRIPTS = (
    ("ja", re.compile(r"[぀-ヿ]")), ("ko", re.compile(r"[가-힯]")), ("zh", re.compile(r"[㐀-鿿]")),
    ("th", re.compile(r"[฀-๿]")), ("el", re.compile(r"[Ͱ-Ͽ]")), ("he", re.compile(r"[֐-׿]")),
    ("hy", re.compile(r"[԰-֏]")), ("ka", re.compile(r"[Ⴀ-ჿ]")), ("ta", re.compile(r"[஀-௿]")),
    ("te", re.compile(r"[ఀ-౿]")),
)  # fmt: skip
_ENGLISH = frozenset(
    ("the", "and", "that", "with", "this", "your", "you", "what", "how", "which", "from", "should", "would", "when",
     "write", "explain")
)  # fmt: skip
"""Frequent words that no other language has; two of them tell."""
_SELDOM = {"la", "vo", "eo", "wa", "an", "oc", "br", "se", "nn", "nb", "fo"}
"""Languages that short texts in a neighbouring language are mistaken for more often than they are written."""


@cache
def _identifier() -> Any:
    """Read once, when it is first needed."""
    made = LanguageIdentifier.from_model_file(MODEL_FILE)
    made.set_languages([code for code in made.labels if len(code) == 2 and code not in _SELDOM])
    return made


def language(masked: str) -> str | None:
    """The language of a text whose code, quotations and numbers are masked."""
    sample = _NO_LETTERS.sub(" ", masked[: SAMPLE * 4]).strip()[:SAMPLE]
    if sample.isascii():
        words = sample.lower().split()
        if sum(len(word) for word in words) < 4:
            return None
        if len(_ENGLISH.intersection(words)) >= 2:
            return "en"
    else:
        letters = len(sample.replace(" ", ""))
        if letters < 2:
            return None
        for code, script in _SCRIPTS:
            share = len(script.findall(sample)) / letters
            if share > (0.1 if code == "ja" else 0.4):  # Japanese is kana among Chinese characters
                return code
    found: str = _identifier().classify(sample)[0]
    return found
