"""Rows whose time is whole hours off, as under a wrong time zone: told by how long rows usually take to arrive.

A delay by itself says nothing: many sources deliver by the hour or the day. So a day's delays, in quarter hours, are
laid over those of the same weekday in the weeks before. A shift by whole hours moves all of them and keeps their shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from audits.quality.usual import LEAST_WEEKS

AN_HOUR = 4  # quarter hours
LONGEST_SHIFT = 26  # hours; time zones are no farther apart
Delays = Mapping[int, int]
"""Quarter hours from a request to its arrival -> rows."""


@dataclass(frozen=True, slots=True)
class Shift:
    """By how many hours rows are off, and the share of them that is."""

    hours: int
    share: float


def shift_of(now: Delays, past: Sequence[Delays]) -> Shift | None:
    """The shift that explains a day's delays best by those of the days before; None where there are too few days.

    The share is that of the rows that fit the shape of the weeks before when it is moved by so many hours, and no more
    than fit it worse where it is than a week usually fits the others: few rows never fit well, and of those that are
    delivered once a day most fit an hour off as well.
    """
    if len(past) < LEAST_WEEKS or not now:
        return None
    usual: Counter[int] = Counter()
    for week in past:
        usual.update(week)
    best = max(range(-LONGEST_SHIFT, LONGEST_SHIFT + 1), key=lambda hours: (_fit(now, usual, hours), -abs(hours)))
    fits = median(_fit(week, usual - Counter(week), 0) for week in past)
    worse = 1 - _fit(now, usual, 0) / fits if fits else 0.0
    return Shift(best, max(0.0, min(_fit(now, usual, best), worse))) if best else Shift(0, 0.0)


def _fit(delays: Delays, usual: Delays, hours: int) -> float:
    """The share of rows that have their place in the usual shape moved by so many hours."""
    there, total = sum(delays.values()), sum(usual.values())
    if not there or not total:
        return 0.0
    return sum(min(rows / there, usual.get(delay - hours * AN_HOUR, 0) / total) for delay, rows in delays.items())
