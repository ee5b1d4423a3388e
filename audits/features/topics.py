"""What a prompt is about, from the operator's list of topics (YAML, words for each); topics.yaml is the shipped one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from audits.errors import AuditsError

SHIPPED = Path(__file__).with_name("topics.yaml")
OTHER = 0  # the id of every prompt in which no topic's word is found
LONGEST = 250  # words that are looked at
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*\+*")
_LIKE = "Write it like - {id: 1, name: algebra, words: [equation*, polynomial]}."


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics by word, by beginning of a word and by pair of words; smaller ``rank`` stands first in the list."""

    rank: Mapping[int, int]
    words: Mapping[str, tuple[int, ...]]
    beginnings: Mapping[str, tuple[int, ...]]
    pairs: Mapping[tuple[str, str], tuple[int, ...]]

    @classmethod
    def read(cls, path: Path = SHIPPED) -> Topics:
        """Read a taxonomy; what is wrong with it is said with the entry that it is wrong with."""
        try:
            with path.open(encoding="utf-8") as file:
                listed = YAML(typ="safe", pure=True).load(file)["topics"]
        except (OSError, YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise AuditsError("The list of topics cannot be read.", where=str(path), fix=_LIKE) from error
        rank: dict[int, int] = {}
        kinds: tuple[dict[Any, tuple[int, ...]], ...] = ({}, {}, {})
        for number, entry in enumerate(listed or (), 1):
            topic, words = _entry(entry, f"{path}, topic {number}")
            if topic in rank:
                raise AuditsError(f"Two topics have the id {topic}.", where=f"{path}, topic {number}", fix=_LIKE)
            rank[topic] = number
            for word in words:
                pair = tuple(word.split())
                where, key = (2, pair) if len(pair) == 2 else (1, word[:-1]) if word.endswith("*") else (0, word)
                kinds[where][key] = (*kinds[where].get(key, ()), topic)
        return cls(rank, *kinds)

    def finder(self) -> Finder:
        """What finds the topic of a text, with a memory for words it has seen."""
        return Finder(self)


class Finder:
    """Finds the topic of texts."""

    def __init__(self, topics: Topics) -> None:
        lengths = sorted({len(beginning) for beginning in topics.beginnings})
        none: tuple[int, ...] = ()

        def hits(word: str) -> tuple[int, ...]:
            found = topics.words.get(word, none)
            for length in lengths:
                if length > len(word):
                    break
                found += topics.beginnings.get(word[:length], none)
            return found

        self._topics = topics
        self._firsts = {first for first, _ in topics.pairs}
        self._hits = lru_cache(maxsize=65_536)(hits)

    def topic(self, text: str) -> int:
        """The topic with most words in a text; of a long text the beginning is looked at."""
        words = _WORD.findall(text.casefold())[:LONGEST]
        counts: dict[int, int] = {}
        for number, word in enumerate(words):
            for topic in self._hits(word):
                counts[topic] = counts.get(topic, 0) + 1
            if word in self._firsts and number + 1 < len(words):
                for topic in self._topics.pairs.get((word, words[number + 1]), ()):
                    counts[topic] = counts.get(topic, 0) + 2
        if not counts:
            return OTHER
        return min(counts, key=lambda topic: (-counts[topic], self._topics.rank[topic]))


def _entry(entry: Any, where: str) -> tuple[int, list[str]]:
    """The id and the words of one topic, checked."""
    if not isinstance(entry, Mapping):
        raise AuditsError("This is no topic.", where=where, fix=_LIKE)
    topic, words = entry.get("id"), entry.get("words")
    if type(topic) is not int or not 0 < topic < 2**31:
        raise AuditsError(f"A topic's id is a whole number from 1 on, not {topic!r}.", where=where, fix=_LIKE)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word.strip() for word in words):
        raise AuditsError("A topic's words are a list of texts.", where=where, fix=_LIKE)
    return topic, [" ".join(word.casefold().split()) for word in words]
