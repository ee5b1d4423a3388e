"""What changed, as data: against the period before, and against the revision that the reader has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from audits.periods import Period


@dataclass(frozen=True, slots=True)
class Gone:
    """A finding of an earlier report that this one no longer has, and what became of it."""

    rule_id: str
    title: str
    subject: str
    severity: str
    became: Literal["resolved", "not_evaluated", "left"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SincePeriod:
    """What changed against the newest audit of the period before, by rule and subject."""

    period: Period
    revision: int
    counts: Mapping[str, int]  # by ChangeWord
    gone: tuple[Gone, ...]
    customers: int  # audited then
    good_standing: int  # of them
    not_evaluated: int  # of them
    found: int  # findings then
    evaluated: int  # cells that a rule judged then
    none_evaluated: bool  # no rule judged any customer then: there is nothing to compare with

    def became(self, word: str) -> int:
        """How many of the earlier findings became this."""
        return sum(one.became == word for one in self.gone)


@dataclass(frozen=True, slots=True)
class SinceRevision:
    """What changed against the revision of this period that the reader has, and why it was made anew."""

    revision: int
    causes: tuple[str, ...]
    added: tuple[str, ...]  # finding ids
    withdrawn: tuple[Gone, ...]
    altered: tuple[str, ...]  # finding ids whose severity or figures differ
