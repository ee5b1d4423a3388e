"""Days in a row of which the same is to be said: one line for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from reports.model import QualityDay


@dataclass(frozen=True, slots=True)
class Spell:
    """The first and last of such days, their verdict and reasons, and the most checks that one of them left open."""

    first_day: date
    last_day: date
    verdict: str
    reasons: tuple[str, ...]
    checks: int


def poor_spells(days: Iterable[QualityDay]) -> tuple[Spell, ...]:
    """The days that are not good, in order; days in a row with the same verdict and reasons are one spell."""
    spells: list[Spell] = []
    for one in days:
        if one.verdict == "good":
            continue
        reasons, last = tuple(dict.fromkeys(one.reasons)), spells[-1] if spells else None
        if last and (last.last_day + timedelta(days=1), last.verdict, last.reasons) == (one.day, one.verdict, reasons):
            spells[-1] = replace(last, last_day=one.day, checks=max(last.checks, one.checks))
        else:
            spells.append(Spell(one.day, one.day, one.verdict, reasons, one.checks))
    return tuple(spells)
