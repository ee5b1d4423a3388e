"""What a policy book answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Value = int | float | str | bool | tuple[str, ...]
Status = Literal["draft", "shadow", "active", "retired"]


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier as the warehouse names it; its rank is its place in :attr:`Book.tiers`."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class LimitRow:
    """All parameters of a rule for a tier, on the days [from_day, to_day); None is still so."""

    tier: str
    from_day: date
    to_day: date | None
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Clause:
    """A version of a clause, in our own words; in force on [effective_from, effective_to)."""

    id: str
    family: str
    effect: Literal["forbidden", "permitted"]
    pack: str
    document: str
    section: str
    text: str
    url: str | None
    examples: tuple[str, ...]  # public terms that have a like clause
    supersedes: str | None
    effective_from: date
    effective_to: date | None


@dataclass(frozen=True, slots=True)
class EntitlementRow:
    """Whether a tier may use something on the days [from_day, to_day). What no row names is allowed."""

    tier: str
    kind: Literal["model", "model_family", "operation", "capability", "access_path"]
    value: str
    allowed: bool
    from_day: date
    to_day: date | None


@dataclass(frozen=True, slots=True)
class TerritoryRow:
    """A country's status on the days [from_day, to_day). What no row names is supported."""

    country: str
    status: Literal["supported", "unsupported", "sanctioned"]
    from_day: date
    to_day: date | None


@dataclass(frozen=True, slots=True)
class StandingRule:
    """What an open finding of a severity does to a customer, and after how many quiet days that ends."""

    standing: Literal["good", "watch", "restricted", "suspended-recommended"]
    quiet_days: int


@dataclass(frozen=True, slots=True)
class QualityLimit:
    """A limit of the quality gate, what a failure does to the day, and which rules it leaves not evaluated.

    Where rows are missing, what these rules find stands. Where what they read is wrong, its rows are ``set_aside``.
    """

    limit: float
    severity: Literal["warn", "degrade", "block"]
    not_evaluated: tuple[str, ...]
    set_aside: bool


@dataclass(frozen=True, slots=True)
class Combination:
    """When findings inferred from behaviour make their subject critical together; none of them does alone."""

    families_min: int
    severity_from: Literal["low", "medium", "high", "critical"]  # a finding below has no say
    alike: tuple[tuple[str, ...], ...]  # families that follow from one another count as one

    def family(self, signal: str) -> str:
        """The name under which a signal family is counted."""
        return next((kin[0] for kin in self.alike if signal in kin), signal)


@dataclass(frozen=True, slots=True)
class OpenLinks:
    """When something harmless explains why the accounts of a group are linked, and lowers a finding of the group."""

    holder_share_min: float  # of the accounts on one network, domain or instrument: maybe a class, an office, an agency
    # Of the accounts that share cards, devices or keys in smaller circles: it is none of these. Devices do not count
    # where as many have one organisation's offices in common: they are a room's.
    tied_share_min: float
    volume_factor_min: float  # by which half of the members' volumes must differ from the median, as people's do


@dataclass(frozen=True, slots=True)
class BookSettings:
    """The settings of the audit as a whole on one day."""

    packs: tuple[str, ...]
    grace_days: int
    baseline_days: int
    breaker_share: float
    breaker_findings_min: int
    standing: Mapping[str, StandingRule]  # by severity
    quality: Mapping[str, QualityLimit]  # by name of the limit
    combination: Combination | None = None  # None: nothing from behaviour is ever critical
    open_links: OpenLinks | None = None  # None: no link lowers a severity


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who receives which report, after which kinds of period."""

    id: str
    audience: str
    channel: Literal["email", "webhook", "files"]
    to: tuple[str, ...]
    tiers: tuple[str, ...]
    periods: tuple[str, ...]
    formats: tuple[str, ...]
    severity_from: str | None
    from_day: date
    to_day: date | None


@dataclass(frozen=True, slots=True)
class PolicyException:
    """What was agreed with a customer: findings of these rules stay in the report, marked as excepted."""

    id: str
    rules: tuple[str, ...]
    subject_type: str
    subject_id: str
    owner: str
    why: str
    from_day: date
    to_day: date
