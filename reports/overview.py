"""What the index pages say, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from audits.ledger.coverage import Checks
from audits.periods import Period


@dataclass(frozen=True, slots=True)
class TierLine:
    """A tier of a period on an index page. ``folder`` leads from the page to its report; "" where none was rendered."""

    tier: str
    title: str
    revision: int
    audited_at: datetime
    status: str
    customers: int
    findings: Mapping[str, int]  # by severity
    open: Mapping[str, int]  # the part that nobody has decided, by severity
    checks: Checks
    folder: str


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """A period on the index over all periods, each tier from the newest revision that audited it."""

    period: Period
    tiers: tuple[TierLine, ...]
    revisions: tuple[tuple[int, str], ...]  # (revision, folder or "")


@dataclass(frozen=True, slots=True)
class RunPage:
    """The page of one revision: its tiers, what it was made from and what changed its predecessor."""

    period: Period
    revision: int
    audited_at: datetime
    status: str
    policy_version: str
    policy_title: str
    causes: tuple[str, ...]
    notes: tuple[str, ...]
    tiers: tuple[TierLine, ...]
