"""Does a prompt look like an item of a benchmark or of a training set? From 0, no, to 1.

By form alone: a function to complete from its docstring with examples, a question with lettered choices, a word problem
with one number for an answer, an answer wanted in a fixed form, solved examples before the question. A benchmark of
plain questions (MT-Bench, Vicuna) has no form that tells it from a user's questions; its items are found only where the
operator names them (``known`` of :class:`audits.features.extract.Extractor`).
"""

from __future__ import annotations

import re

from audits.features.evidence import Signs, together

_SIGNS = Signs.read("benchmark")
_CHOICE = re.compile(r"(?:^|\s)\(?([A-Ea-e1-4])[).:]\s+\S", re.MULTILINE)
_STUB = re.compile(r"^[ \t]*(?:async )?def \w+\(.*\).*:\s*\n\s*[rRuU]?(?:\"\"\"|''')", re.MULTILINE)
_EXAMPLE = re.compile(r">>> ?\S|\bassert \w+\(|➞|\breturns? |\bExamples?:|\w\) ?(?:==|=>|=|->|should)", re.IGNORECASE)
_AMOUNT = (
    r"total|sum|average|value|probability|remainder|area|difference|product|number|smallest|largest|perimeter|speed"
    r"|ratio|volume"
)
_PROBLEM = re.compile(
    rf"\b(?:how (?:many|much|long|far|old|fast|tall)|what (?:is|was|will be) (?:the|its|her|his|their) (?:{_AMOUNT}))\b"
    r"[^.!?\n]{0,200}\?\W*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_OWN = frozenset({"i", "my", "me", "mine", "we", "our", "us"})  # a user asks for herself, an item about Natalia


def benchmark(text: str, words: frozenset[str]) -> float:
    """The score of a bounded text with those words."""
    weights = _SIGNS.weights(text, words) if _SIGNS.concern(text, words) else []
    if "def" in words and _STUB.search(text):
        weights.append(0.7)
        weights += [0.5] if _EXAMPLE.search(text) else []
        weights += [0.5] if text.rstrip().endswith(('"""', "'''")) else []
    if _in_turn("".join(_CHOICE.findall(text)).upper()):
        weights.append(0.7)
    if words.isdisjoint(_OWN) and _PROBLEM.search(text) and len(_NUMBER.findall(text)) >= 2:
        weights.append(0.85 if len(text) > 80 else 0.5)
    return together(weights)


def _in_turn(letters: str) -> bool:
    """Whether choices A, B, C (or 1, 2, 3, 4) follow one another, and no more of them than an item has."""
    return len(letters) <= 24 and ("ABC" in letters or letters in {"AB", "1234"})
