"""Short answers from the ledger for the command line."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audits.ledger.models import AuditedCustomer, EvaluationRow, FindingCustomer, FindingRow


@dataclass(frozen=True, slots=True)
class TierSummary:
    """A tier of a run in figures. ``judged`` + ``indeterminate`` + errored cells make ``planned``."""

    tier: str
    customers: int
    planned: int
    judged: int
    indeterminate: int
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
    e = EvaluationRow
    rows = session.execute(
        select(
            e.tier,
            func.sum(e.planned),
            func.sum(e.compliant + e.violating + e.not_applicable),
            func.sum(e.indeterminate + e.errored),
        )
        .where(e.run_id == run_id)
        .group_by(e.tier)
        .order_by(e.tier)
    )
    return [
        TierSummary(tier, customers.get(tier, 0), int(planned), int(judged), int(rest), severities[tier])
        for tier, planned, judged, rest in rows
    ]


def example_customer(session: Session, run_id: int) -> str:
    """A customer with a finding of a run, to show a command with; any audited one where nothing was found."""
    found = session.scalar(
        select(func.min(FindingCustomer.customer_id)).where(FindingCustomer.run_id == run_id)
    ) or session.scalar(select(func.min(AuditedCustomer.customer_id)).where(AuditedCustomer.run_id == run_id))
    return found or "CUSTOMER"
