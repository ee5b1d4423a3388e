"""What a rule answers about one account under one tier, and how a customer's cell is made of several answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

ORDER = ("violating", "errored", "not_evaluated", "compliant", "not_applicable")
"""A customer's cell is the first of these that any of its accounts has."""

SEVERITIES = ("low", "medium", "high", "critical")


@dataclass(frozen=True)
class Found:
    """One thing that a rule found of a subject: how severe it is, and the figures that prove it, by their names."""

    severity: str
    observed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A verdict on one account under one tier. ``or_else`` names other verdicts that are right as well.

    Two cases have more than one right verdict. Data is missing, and what is known already shows that it could not have
    changed the answer: compliant is then true, and not evaluated is merely cautious. And a rule that speaks of nobody
    like this account: compliant and not applicable say the same.
    """

    verdict: str
    reason: str = ""
    or_else: tuple[str, ...] = ()
    found: tuple[Found, ...] = ()
    under: str = ""  # the tier that a finding about a customer is reported under, where it is not the highest

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset({self.verdict, *self.or_else})

    @property
    def severity(self) -> str:
        """The most severe thing that was found."""
        return max((one.severity for one in self.found), key=SEVERITIES.index)


def violating(severity: str, **observed: Any) -> Answer:
    return Answer("violating", found=(Found(severity, observed),))


def together(answers: Iterable[Answer | None]) -> Answer | None:
    """Everything that was found of one subject, each thing with its own severity; None where nothing was."""
    found = [one for answer in answers if answer for one in answer.found]
    return Answer("violating", found=tuple(found)) if found else None


def no(reasons: Iterable[str], *, could_matter: bool = True) -> Answer:
    """Not violating: compliant where nothing is missing, else not evaluated (or either, where it could not matter)."""
    found = sorted(set(reasons))
    if not found:
        return Answer("compliant")
    return Answer("not_evaluated", "; ".join(found), () if could_matter else ("compliant",))


def not_applicable(reason: str) -> Answer:
    return Answer("not_applicable", reason)


def not_evaluated(reason: str) -> Answer:
    return Answer("not_evaluated", reason)


def cell(answers: Iterable[Answer]) -> frozenset[str]:
    """The verdicts that are right for a customer with these answers on its accounts."""
    outcomes = {"not_applicable"}
    for answer in answers:
        outcomes = {min(a, b, key=ORDER.index) for a in outcomes for b in answer.allowed}
    return frozenset(outcomes)


@dataclass(frozen=True)
class Finding:
    """What a rule found of a subject, before any explanation of links or combination of rules.

    Nothing in ``found``: the reference has no opinion, and a finding is as right as none.
    """

    rule: str
    subject_type: str
    subject: str
    tier: str
    found: tuple[Found, ...] = field(compare=False, hash=False)
