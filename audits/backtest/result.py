"""What a back-test says, as data: counts by tier, rule and period, and every change with those whom it concerns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["gained", "lost", "raised", "lowered"]
KINDS: tuple[Kind, ...] = ("gained", "lost", "raised", "lowered")


@dataclass(frozen=True, slots=True)
class Counts:
    """Findings under the present book and under the proposed one, and how the one becomes the other.

    ``after`` = ``before`` + ``gained`` - ``lost``; a finding whose severity changes is in both.
    """

    before: int = 0
    after: int = 0
    gained: int = 0
    lost: int = 0
    raised: int = 0
    lowered: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Concerned:
    """Customers of a population with any finding in any of the periods, under the present and the proposed book."""

    customers: int  # audited: the population
    before: int
    after: int
    newly: int  # with a finding under the proposed book alone
    no_longer: int  # with a finding under the present book alone


@dataclass(frozen=True, slots=True)
class TierOutcome:
    """A tier over all periods."""

    tier: str
    title: str
    counts: Counts
    concerned: Concerned


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """A rule over all periods. A status is as in a run: active, shadow, stopped; "" where the rule is not asked."""

    rule_id: str
    title: str
    counts: Counts
    status_before: str
    status_after: str
    judged: int  # customers that the proposed book calls compliant or violating, over all periods
    stopped: tuple[str, ...]  # periods in which the circuit breaker would hold the proposed findings back
    errors: tuple[str, ...]  # in words, with book and period


@dataclass(frozen=True, slots=True)
class PeriodOutcome:
    """A period over all tiers and rules."""

    period: str
    title: str
    counts: Counts
    customers: int


@dataclass(frozen=True, slots=True)
class Change:
    """A finding that only one of the books leads to, or that has another severity: once, with all of its periods."""

    kind: Kind
    rule_id: str
    rule_title: str
    tier: str
    subject_type: str
    subject_id: str
    discriminator: str
    severity_before: str  # "" where there is no such finding
    severity_after: str
    summary: str  # of the newest of its periods, under the book that leads to the finding
    accounts: int
    customers: tuple[tuple[str, str], ...]  # (id, name)
    periods: tuple[str, ...]

    @property
    def severity(self) -> str:
        """The severity that counts: the proposed one, or the present one of what would be lost."""
        return self.severity_after or self.severity_before


@dataclass(frozen=True, slots=True)
class BackTest:
    """The whole of it."""

    periods: tuple[PeriodOutcome, ...]
    present: str  # digest of the book in force
    proposed: str
    title: str  # of the book in force
    proposed_title: str
    proposal: tuple[str, ...]  # what differs, in words
    counts: Counts
    concerned: Concerned  # over all tiers
    tiers: tuple[TierOutcome, ...]
    rules: tuple[RuleOutcome, ...]
    changes: tuple[Change, ...]  # gravest first
    notes: tuple[str, ...]

    @property
    def judged(self) -> bool:
        """Whether anybody could be judged by any of the rules: if not, that nothing changes says nothing."""
        return any(rule.judged for rule in self.rules)

    @property
    def partial(self) -> bool:
        """Whether a rule failed under one of the books, so that not everything could be compared."""
        return any(rule.errors for rule in self.rules)

    def of(self, kind: Kind, tier: str | None = None) -> tuple[Change, ...]:
        """The changes of one kind, of one tier or of all."""
        return tuple(one for one in self.changes if one.kind == kind and tier in {None, one.tier})

    def as_json(self) -> dict[str, Any]:
        """As plain data; shares of the population are written out."""
        data = asdict(self)
        for one in (data, *data["tiers"]):
            concerned = one["concerned"]
            people = concerned["customers"]
            for name in ("before", "after", "newly", "no_longer"):
                concerned[f"{name}_share"] = round(concerned[name] / people, 6) if people else None
        for change in data["changes"]:
            change["customers"] = [{"customer_id": one, "name": name} for one, name in change["customers"]]
        return data | {"partial": self.partial}
