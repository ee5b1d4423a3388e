"""What a finding does to a customer's standing: by severity and status, as the policy book and the rule say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from audits.errors import AuditsError
from audits.policy import Book, StandingRule

State = Literal["good", "watch", "restricted", "suspended-recommended", "not_evaluated"]
STATES: tuple[State, ...] = ("good", "watch", "restricted", "suspended-recommended")
"""What findings lead to, mildest first; `not_evaluated` is what no finding leads to and no audit could answer."""

DEFAULT: Mapping[str, StandingRule] = {
    "low": StandingRule("good", 14),
    "medium": StandingRule("watch", 14),
    "high": StandingRule("restricted", 14),
    "critical": StandingRule("suspended-recommended", 14),
}
"""What holds where the book of a run cannot be asked."""

DECIDED_AWAY = frozenset({"false_positive", "remediated", "excepted"})
"""Statuses that take a finding's weight away; it stays in every report, marked."""


def effect_of(severity: str, rule: Mapping[str, Any], book: Book | None, day: date) -> StandingRule:
    """The standing that an undecided finding leads to, and the quiet days that end it.

    ``rule`` is the rule's description as it was recorded. What it finds may be no fault of a customer, however severe.
    """
    try:
        rules = book.settings(day).standing if book else DEFAULT
    except AuditsError:  # the book begins later
        rules = DEFAULT
    effect = rules.get(severity, DEFAULT[severity])
    return effect if rule.get("marks_standing", True) else StandingRule("good", effect.quiet_days)


def weighs(severity: str, status: str, rule: Mapping[str, Any], book: Book | None, day: date) -> bool:
    """Whether a finding takes its customers out of good standing."""
    return status not in DECIDED_AWAY and effect_of(severity, rule, book, day).standing != "good"
