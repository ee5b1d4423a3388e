"""What an account manager is told about a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from audits.standing.evaluated import Evaluated
from audits.standing.states import State


@dataclass(frozen=True, slots=True)
class Reason:
    """A finding that weighs on the customer on the day asked for; no evidence and nobody else's name."""

    finding_id: str
    rule_id: str
    title: str
    severity: str
    summary: str
    period: str
    status: str
    leads_to: State
    since: date
    may_say: str
    linked: bool  # found for a group of linked accounts, not for this customer alone


@dataclass(frozen=True, slots=True)
class Change:
    """The state from a day on."""

    since: date
    state: State


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer's state on a day, what led to it and what came before."""

    customer_id: str
    name: str
    account_manager: str
    tiers: tuple[str, ...]
    state: State
    since: date | None  # the first day of the state; None where no audit has reached it
    as_of: date
    audited_to: date  # the last day that an audit of this customer covers
    reasons: tuple[Reason, ...]
    history: tuple[Change, ...]  # oldest first
    would_change: str  # what would bring the customer back to good standing, in words
    evaluated: Evaluated  # in the audits of the day

    def as_json(self) -> dict[str, Any]:
        """The shape of ``audits standing --format json``."""
        return {
            "customer_id": self.customer_id,
            "name": self.name,
            "account_manager": self.account_manager,
            "tiers": list(self.tiers),
            "standing": self.state,
            "since": self.since.isoformat() if self.since else None,
            "as_of": self.as_of.isoformat(),
            "audited_to": self.audited_to.isoformat(),
            "reasons": [
                {
                    "finding_id": one.finding_id,
                    "rule_id": one.rule_id,
                    "title": one.title,
                    "severity": one.severity,
                    "summary": one.summary,
                    "period": one.period,
                    "status": one.status,
                    "since": one.since.isoformat(),
                    "may_say": one.may_say,
                }
                for one in self.reasons
            ],
            "checks": self.evaluated.as_json(),
            "not_evaluated": [{"reason": gap.reason, "rules": list(gap.rules)} for gap in self.evaluated.gaps],
            "history": [{"since": one.since.isoformat(), "state": one.state} for one in self.history],
            "would_change": self.would_change,
        }
