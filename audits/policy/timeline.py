"""Laws of effective dating: pieces of time, what covers them, and what is in force in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise

FOREVER = date.max
"""Stands for "still so" where days are compared."""

Span = tuple[date, date]
"""Days [from, to)."""


def span(from_day: date, to_day: date | None) -> Span:
    """Days as a comparable pair."""
    return from_day, to_day or FOREVER


def cuts(spans: Iterable[Span]) -> list[Span]:
    """The pieces between all edges of some spans: within a piece, nothing begins or ends."""
    edges = sorted({edge for one in spans for edge in one})
    return list(pairwise(edges))


def uncovered(wanted: Span, spans: Sequence[Span]) -> Iterator[Span]:
    """The parts of the wanted days that no span covers."""
    at, end = wanted
    for first, last in sorted(spans):
        if at < first:
            if first >= end:
                break
            yield at, first
        at = max(at, last)
        if at >= end:
            return
    if at < end:
        yield at, end


def open_end(day: date) -> date | None:
    """The end of a span as the book's rows have it."""
    return None if day == FOREVER else day
