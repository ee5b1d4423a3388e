"""Short answers from the ledger for the command line."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from audits.ledger.coverage import Checks, checks_of
from audits.ledger.models import AuditedCustomer, FindingCustomer, FindingRow
from audits.rules.engine.base import SEVERITIES


@dataclass(frozen=True, slots=True)
class TierSummary:
    """A tier of a run in figures."""

    tier: str
    customers: int
    checks: Checks
    severities: Counter[str] = field(default_factory=Counter)


def summarise(session: Session, run_id: int) -> list[TierSummary]:
    """One row a tier, in order of name."""
    customers: dict[str, int] = {
        row[0]: row[1]
        for row in session.execute(
            select(AuditedCustomer.tier, func.count())
            .where(AuditedCustomer.run_id == run_id)
            .group_by(AuditedCustomer.tier)
        )
    }
    severities: dict[str, Counter[str]] = defaultdict(Counter)
    for tier, severity in session.execute(
        select(FindingRow.tier, FindingRow.severity).where(FindingRow.run_id == run_id, FindingRow.published)
    ):
        severities[tier][severity] += 1
    checks = checks_of(session, [run_id])
    return [
        TierSummary(tier, customers.get(tier, 0), checks.get((run_id, tier), Checks()), severities[tier])
        for tier in sorted(customers.keys() | {tier for _, tier in checks})
    ]


def example_customer(session: Session, run_id: int) -> str:
    """A customer worth looking at: one with the worst finding of a run, or any audited one where nothing was found."""
    f, c = FindingRow, FindingCustomer
    rank = case({severity: number for number, severity in enumerate(SEVERITIES)}, value=f.severity)
    worst = (
        select(c.customer_id)
        .join(f, (f.run_id == c.run_id) & (f.finding_id == c.finding_id))
        .where(f.run_id == run_id, f.published)
        .order_by(rank.desc(), c.customer_id)
        .limit(1)
    )
    anyone = select(func.min(AuditedCustomer.customer_id)).where(AuditedCustomer.run_id == run_id)
    return session.scalar(worst) or session.scalar(anyone) or "CUSTOMER"
