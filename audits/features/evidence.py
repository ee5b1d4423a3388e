"""Signs in a text, read from signs/*.yaml: phrases with a weight each, of which one hit counts once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

FOLDER = Path(__file__).with_name("signs")
SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")
_FRAGMENT = re.compile(r"\{([a-z_]+)\}")
_SPACE = r"[\s-]{1,3}"
_GAPS = {" .. ": r"[^.!?\n]{0,70}?", " ... ": r"[\s\S]{0,3000}?"}
_EDGES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_{}()")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿]|\{zh_")
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Sign:
    """One kind of sign. To save time it is looked for only where one of its words is: in a text with any of ``words``,
    in the sentences with any of ``within``. A ``supporting`` sign says nothing by itself.
    """

    weight: float
    written: tuple[tuple[re.Pattern[str], ...], ...]  # any of these, of which all are there
    words: frozenset[str]
    within: frozenset[str]
    supporting: bool

    def shows(self, text: str) -> bool:
        """Whether a text shows the sign."""
        return any(all(part.search(text) for part in parts) for parts in self.written)


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs of one score. A text without any word of ``about`` (or of ``scripts``, inside it) shows none."""

    about: frozenset[str]
    works: frozenset[str]  # of which one is needed as well, where there are any
    scripts: tuple[str, ...]
    written: tuple[Sign, ...]

    @classmethod
    def read(cls, name: str) -> Signs:
        """The signs that are shipped under a name."""
        with (FOLDER / f"{name}.yaml").open(encoding="utf-8") as file:
            listed = YAML(typ="safe", pure=True).load(file)
        fragments: dict[str, str] = {}
        for key, value in listed["fragments"].items():
            fragments[key] = _alternatives(value, fragments)
        whole = frozenset(key for key, value in listed["fragments"].items() if isinstance(value, str))
        return cls(
            frozenset(listed["about"]),
            frozenset(listed.get("works", ())),
            tuple(listed["scripts"]),
            tuple(
                Sign(
                    entry["weight"],
                    _compiled(entry["written"], fragments, whole),
                    frozenset(entry.get("words", ())),
                    frozenset(entry.get("within", ())),
                    entry.get("supporting", False),
                )
                for entry in listed["signs"]
            ),
        )

    def concern(self, text: str, words: frozenset[str]) -> bool:
        """Whether the text can show any sign; ``words`` are :func:`words_of` it."""
        spoken = not self.about.isdisjoint(words) and not (self.works and self.works.isdisjoint(words))
        return spoken or (not text.isascii() and any(written in text for written in self.scripts))

    def weights(self, text: str, words: frozenset[str]) -> list[float]:
        """The weights of the signs that a text with those words shows."""
        english = text.isascii()
        weights: list[float] = []
        pieces: list[tuple[str, frozenset[str]]] = []
        for sign in self.written:
            if sign.supporting and not weights:
                continue
            looked_at, needed = text, sign.words or sign.within
            if english and needed:
                if needed.isdisjoint(words):
                    continue
                if sign.within:
                    pieces = pieces or [(piece, words_of(piece)) for piece in SENTENCE.split(text)]
                    looked_at = "\n".join(piece for piece, of in pieces if not sign.within.isdisjoint(of))
            if sign.shows(looked_at):
                weights.append(sign.weight)
        return weights

    def highest(self, text: str, words: frozenset[str]) -> float:
        """The weight of the strongest sign, 0 where there is none."""
        return max(self.weights(text, words), default=0.0)


def words_of(text: str) -> frozenset[str]:
    """The different words of a text, in one case."""
    return frozenset(_WORD.findall(text.casefold()))


def together(weights: Iterable[float]) -> float:
    """The certainty, from 0 to 1, that signs of different kinds leave together."""
    doubt = 1.0
    for weight in weights:
        doubt *= 1.0 - weight
    return round(1.0 - doubt, 4)


def _alternatives(fragment: str | list[str], earlier: Mapping[str, str]) -> str:
    if isinstance(fragment, str):
        return f"(?:{_FRAGMENT.sub(lambda found: earlier[found[1]], fragment)})"
    longest_first = sorted(fragment, key=len, reverse=True)
    return f"(?:{'|'.join(map(_spaced, longest_first))})"


def _compiled(
    written: list[str | list[str]], fragments: Mapping[str, str], whole: frozenset[str]
) -> tuple[tuple[re.Pattern[str], ...], ...]:
    """Phrases by themselves become one expression, lists of phrases one expression for each phrase."""
    alone = [_expression(phrase, fragments, whole) for phrase in written if isinstance(phrase, str)]
    lists = [
        [_expression(part, fragments, whole) for part in phrases] for phrases in written if isinstance(phrases, list)
    ]
    return tuple(
        tuple(_once(expression) for expression in expressions)
        for expressions in ([["|".join(alone)]] if alone else []) + lists
    )


@cache
def _once(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def _expression(phrase: str, fragments: Mapping[str, str], whole: frozenset[str]) -> str:
    """A phrase as an expression. Its words have edges, where it is written with spaces between them; fragments that are
    expressions (``whole``) and signs at the edge say themselves what may stand beside them.
    """

    def filled(part: str) -> str:
        first, last = _FRAGMENT.match(part), _FRAGMENT.search(part, part.rfind("{"))
        before = "" if (first and first[1] in whole) or part[0] not in _EDGES else r"(?<!\w)"
        after = "" if (last and last.end() == len(part) and last[1] in whole) or part[-1] not in _EDGES else r"(?!\w)"
        return before + _FRAGMENT.sub(lambda found: fragments[found[1]], _spaced(part)) + after

    if _UNSPACED.search(phrase):
        return _FRAGMENT.sub(lambda found: fragments[found[1]], phrase)
    return "".join(_GAPS.get(part) or filled(part) for part in re.split(r"( \.{2,3} )", phrase))


def _spaced(phrase: str) -> str:
    """Spaces between words become what may stand there; inside an expression they stay what they are."""
    return phrase if re.search(r"[\\|?*+\[(]", phrase) else phrase.replace(" ", _SPACE)
