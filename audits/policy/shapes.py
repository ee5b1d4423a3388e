"""The words in which a file of the book is described: one description checks it, prints its schema and finds names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way from a file's top to a value in it, such as ``("limits", 2, "why")``."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words; with ``pattern`` only such as match it whole."""

    pattern: str | None = None
    words: str = "text"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some names."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of something that the book or the catalogue has: a tier, a rule or a pack."""

    to: str


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds (both included)."""

    whole: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A UTC day, written 2026-10-01 without quotes."""


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""


@dataclass(frozen=True, slots=True)
class LimitValue:
    """A limit: a number, a word, a flag or a list of words; the rule's declaration says which."""


@dataclass(frozen=True, slots=True)
class Each:
    """A list of things of one shape."""

    item: Shape
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class ByTier:
    """One value for each of some tiers."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a record: what stands there, what it means, and whether it may be left out."""

    shape: Shape
    meaning: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields; of ``either`` exactly one must be given."""

    fields: Mapping[str, Field]
    either: tuple[str, ...] = ()


Shape = Text | Choice | Ref | Number | Day | Flag | LimitValue | Each | ByTier | Record
