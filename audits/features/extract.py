"""A request in, its features out: the contract's columns that say what a prompt is like without saying what it says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import islice
from typing import Any

from audits.features.benchmark import benchmark
from audits.features.elicitation import elicitation
from audits.features.evidence import words_of
from audits.features.grading import grading
from audits.features.hashing import Hasher
from audits.features.language import language
from audits.features.request import asked
from audits.features.similarity import Simhash
from audits.features.template import template
from audits.features.text import bounded, masked, settled
from audits.features.topics import Topics

_BEGINNING = 1_000  # characters before a known item, at most
_INPUT_BEGINS = re.compile(r"\n+|: ")
_PAYLOAD = 8  # characters of the varying part from which on it says what the prompt is about


@dataclass(frozen=True, slots=True)
class Features:
    """Columns of ``usage_events``; None stands for what the request does not have."""

    system_prompt_hash: str | None = None
    prompt_template_hash: str | None = None
    prompt_simhash: int | None = None
    topic_id: int | None = None
    lang: str | None = None
    cot_elicit_score: float | None = None
    rubric_grade_score: float | None = None
    benchmark_score: float | None = None

    def recorded(self) -> dict[str, str | int | float]:
        """Those that the request has, by column."""
        return {name: value for name in COLUMNS if (value := getattr(self, name)) is not None}


COLUMNS = tuple(field.name for field in fields(Features))


@dataclass(frozen=True, slots=True)
class _System:
    """What is known of a system prompt."""

    digest: str | None = None
    elicits: float = 0.0
    text: str = ""
    words: frozenset[str] = frozenset()


class Extractor:
    """Turns requests into features under one salt; digests of different salts cannot be compared.

    ``topics`` is the operator's taxonomy. ``known`` are texts of benchmark items: a prompt that is one of them, or ends
    with one, scores 1.
    """

    def __init__(self, salt: str | None, topics: Topics | None = None, known: Collection[str] = ()) -> None:
        self.hasher = Hasher(salt)
        self._simhash = Simhash(self.hasher.words())
        self._topics = (topics or Topics.read()).finder()
        self._system = lru_cache(maxsize=256)(self._of_system)  # one system prompt comes with thousands of prompts
        self._known = frozenset(_plain(text) for text in known)

    def of_request(self, body: Mapping[str, Any]) -> Features:
        """The features of a request's body in any of the common APIs' forms; never raises."""
        said = asked(body)
        return self.of_text(said.prompt, said.system)

    def of_text(self, prompt: str, system: str = "") -> Features:
        """The features of a prompt and the system prompt that goes with it."""
        before = self._system(system)
        text = bounded(prompt)
        if not text.strip():
            return Features(before.digest)
        bare = masked(text)
        divided = template(bare)
        about = divided.varying if len(divided.varying) >= _PAYLOAD else bare
        words = words_of(text)
        return Features(
            system_prompt_hash=before.digest,
            prompt_template_hash=self.hasher.passage("template", divided.fixed) if divided.fixed else None,
            prompt_simhash=self._simhash.of(prompt),
            topic_id=self._topics.topic(about) or self._topics.topic(text),
            lang=language(bare) or language(text),
            cot_elicit_score=max(elicitation(text, words), before.elicits),
            # A judge's rubric stands in the system prompt as often as before the answer: both are read as one.
            rubric_grade_score=grading(before.text + text, words | before.words),
            benchmark_score=1.0 if self._is_known(text) else benchmark(text, words),
        )

    def _of_system(self, system: str) -> _System:
        text = bounded(system)
        if not text.strip():
            return _System()
        words = words_of(text)
        return _System(self.hasher.passage("system", settled(text)), elicitation(text, words), text + "\n", words)

    def _is_known(self, text: str) -> bool:
        """Whether the text, or what follows a first line or label in it, is a known item."""
        if not self._known:
            return False
        starts = [0, *(found.end() for found in islice(_INPUT_BEGINS.finditer(text, 0, _BEGINNING), 20))]
        return any(_plain(text[start:]) in self._known for start in starts)


def _plain(text: str) -> str:
    return " ".join(bounded(text).casefold().split())
