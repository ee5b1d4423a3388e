"""Rows whose time is whole hours off, as under a wrong time zone: told by how long rows usually take to arrive.

A delay by itself says nothing: many sources deliver by the hour or the day. So a day's delays, in quarter hours, are
laid over those of the same weekday in the weeks before. A shift by whole hours moves all of them and keeps their shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    The share is that of the rows that fit the shape of the weeks before when it is moved by so many hours.
    """
    if len(past) < LEAST_WEEKS or not now:
        return None
    usual: Counter[int] = Counter()
    for week in past:
        usual.update(week)
    total, there = usual.total(), sum(now.values())

    def fit(hours: int) -> float:
        return sum(min(rows / there, usual[delay - hours * AN_HOUR] / total) for delay, rows in now.items())

    best = max(range(-LONGEST_SHIFT, LONGEST_SHIFT + 1), key=lambda hours: (fit(hours), -abs(hours)))
    return Shift(best, fit(best)) if best else Shift(0, 0.0)
