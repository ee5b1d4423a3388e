"""How much of a customer was evaluated in the audits behind a standing, and what was missing; from the ledger alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from audits.ledger.coverage import NO_ANSWER, names_customer
from audits.ledger.customers import Audited
from audits.ledger.models import CellGroup, EvaluationRow


@dataclass(frozen=True, slots=True)
class Gap:
    """A reason for which rules could not be evaluated for the customer."""

    reason: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A customer's checks (a check is one rule in one audit and tier), and the gaps, those of most rules first."""

    periods: tuple[str, ...]
    planned: int
    not_applicable: int
    not_evaluated: int  # those in which a rule failed included
    gaps: tuple[Gap, ...]

    @property
    def applicable(self) -> int:
        """The checks that apply to the customer."""
        return self.planned - self.not_applicable

    @property
    def evaluated(self) -> int:
        """The checks in which a rule judged the customer."""
        return self.applicable - self.not_evaluated

    def as_json(self) -> dict[str, Any]:
        """The counters of ``audits standing --format json``."""
        return {
            "periods": list(self.periods),
            "planned": self.planned,
            "evaluated": self.evaluated,
            "not_applicable": self.not_applicable,
            "not_evaluated": self.not_evaluated,
        }


def evaluated_of(
    session: Session, customer_id: str, audits: Collection[Audited], periods: tuple[str, ...]
) -> Evaluated:
    """What was evaluated of a customer in these runs and tiers, which are those of the periods."""
    e, g = EvaluationRow, CellGroup
    planned = session.scalar(select(func.count()).where(tuple_(e.run_id, e.tier).in_(audits))) or 0
    cells = session.execute(
        select(g.rule_id, g.verdict, g.reason, g.customers).where(
            tuple_(g.run_id, g.tier).in_(audits), g.verdict != "violating", names_customer(customer_id)
        )
    )
    counts: Counter[str] = Counter()
    rules: dict[str, set[str]] = defaultdict(set)
    for rule_id, verdict, reason, customers in cells:
        if customer_id in customers:
            counts[verdict] += 1
            if verdict in NO_ANSWER:
                rules[reason].add(rule_id)
    gaps = sorted(rules.items(), key=lambda gap: (-len(gap[1]), gap[0]))
    return Evaluated(
        periods=periods,
        planned=planned,
        not_applicable=counts["not_applicable"],
        not_evaluated=sum(counts[verdict] for verdict in NO_ANSWER),
        gaps=tuple(Gap(reason, tuple(sorted(its))) for reason, its in gaps),
    )
