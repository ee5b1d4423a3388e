"""Does a prompt ask for the model's hidden reasoning? From 0, no, to 1.

Hidden reasoning is what the model thinks and the provider does not show, or shows summarised: the chain of thought, the
scratchpad, what stands in thinking blocks. Asking for steps, workings or an explanation *in the answer* is ordinary and
scores at most 0.15, asking to put them between tags as well. It takes a demand (print, reveal, repeat ...) and the
model's own reasoning as its object, marked as hidden, as verbatim or as already thought (signs/elicitation.yaml), or
the wish that a rule against showing it be ignored. What is forbidden ("never reveal your internal reasoning") is no
demand, and what is only quoted counts for less: somebody translates or classifies it.
"""

from __future__ import annotations

import re

from audits.features.evidence import SENTENCE, Signs, words_of

STEPS = 0.15
LIFTED = 0.95
LONGEST = 1_000  # characters of a sentence
QUOTED = 0.4  # of what a quotation would score if it were no quotation

_SIGNS = Signs.read("elicitation")
_THOUGHT = r"\b(?:reasoning|thoughts?|thinking|scratch ?pad|monologue|chains?[- ]of[- ]thought|cot)\b"
_FORBIDDEN = re.compile(
    r"\b(?:under no circumstances|not allowed|forbidden|prohibited|do not|don't|never|must not|mustn't|should not"
    r"|shouldn't|cannot|can't|no need to|without|avoid|refrain from|not to|refuse to|instead of|rather than|not)\b"
    r"(?! (?:only|summar|omit|redact|hid|leav|edit|paraphras|filter))"
    r"[^.!?\n]{0,60}?\b(?:print|reveal|show|output|expos|dump|repeat|includ|display|disclos|writ|return|shar|emit"
    rf"|mention|leak|discuss|giv|provid|releas|quot)\w*\b[^.!?\n]{{0,80}}?{_THOUGHT}[^.!?\n]*",
    re.IGNORECASE,
)
_LIFTED = re.compile(
    r"\b(?:ignore|bypass|disregard|override|forget|circumvent|disable|turn off|lift|drop)\b[^.!?\n]{0,80}"
    r"\b(?:rules?|instructions?|polic(?:y|ies)|restrictions?|guidelines?|filters?|summari\w+|redact\w*|hid\w+)\b"
    rf"[^!?\n]{{0,120}}\b(?:hidden|internal|private|raw|unfiltered|your|own)\b[^.!?\n]{{0,30}}{_THOUGHT}",
    re.IGNORECASE,
)
_LIFTS = frozenset(
    ("ignore", "bypass", "disregard", "override", "forget", "circumvent", "disable", "turn", "lift", "drop")
)
_QUOTATION = re.compile(r"\"[^\"\n]*\"|“[^”]*”|«[^»]*»|```.*?```|(?<!\w)'[^'\n]{8,}'(?!\w)", re.DOTALL)
_ABOUT_IT = re.compile(
    r"\b(?:translate|classify|moderat\w+|detect\w*|label|paraphrase|rephrase|proofread|grammar|is this|jailbreak\w*"
    r"|(?:this|following) (?:message|prompt|request)|explain (?:what|why|how)|difference between|what (?:is|are) an?"
    r"|blog|article|paper|essay|benchmark|story|novel|characters?|scene"
    r"|the (?:phrase|term|sentence|string|button|field|column))\b",
    re.IGNORECASE,
)


def elicitation(text: str, words: frozenset[str]) -> float:
    """The score of a bounded text with those words."""
    if not _SIGNS.concern(text, words):
        return 0.0
    plain = text.replace("’", "'")
    if not words.isdisjoint(_LIFTS) and _LIFTED.search(plain):
        return LIFTED
    score = _highest(plain)
    if score > QUOTED and _ABOUT_IT.search(plain):
        score = max(_highest(_QUOTATION.sub(" ", plain)), round(score * QUOTED, 4))
    return max(score, STEPS)


def _highest(text: str) -> float:
    """Of the sentences that speak of reasoning; what never ends is looked at piece by piece."""
    score = 0.0
    for sentence in SENTENCE.split(text):
        for at in range(0, len(sentence), LONGEST):
            piece = sentence[at : at + LONGEST]
            if _SIGNS.concern(piece, words_of(piece)):
                asking = _FORBIDDEN.sub(" ", piece)
                score = max(score, _SIGNS.highest(asking, words_of(asking)))
    return score
