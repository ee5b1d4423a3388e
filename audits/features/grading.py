"""Does a prompt use the model as a grader by a rubric, as a reward model is? From 0, no, to 1.

A judge's prompt shows several kinds of signs together (signs/grading.yaml): it asks to grade, what it grades is
somebody's answer, a scale or criteria are given, candidates stand side by side, and the verdict has a form that a
program reads. Rating a film from 1 to 10 shows one or two of them, and writing a rubric is not grading by it.
"""

from __future__ import annotations

import re

from audits.features.evidence import Signs, together

MADE = 0.5  # of the score, where a rubric or an exam is to be written

_SIGNS = Signs.read("grading")
_MAKES = re.compile(
    r"\b(?:write|create|design|make|draft|develop|build|suggest|prepare)\b[^.!?\n]{0,40}"
    r"\b(?:rubrics?|(?:grading|marking) scheme|evaluation criteria|quiz|exam|scorecard)\b",
    re.IGNORECASE,
)


def grading(text: str, words: frozenset[str]) -> float:
    """The score of a bounded text with those words."""
    if not _SIGNS.concern(text, words):
        return 0.0
    score = together(_SIGNS.weights(text, words))
    return round(score * MADE, 4) if score and _MAKES.search(text) else score
