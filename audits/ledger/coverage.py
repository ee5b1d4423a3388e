"""What the ledger knows about coverage: counters of every cell, and the cells that are not compliant with their reason.

A tier's cells are those of the newest revision that audited it. Compliant cells are counted and not listed: the
counters prove that nothing is left out, since each rule's add up to the tier's customers.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from audits.ledger.models import AuditedCustomer, CellGroup, EvaluationRow, RuleVersion, Run
from audits.ledger.read import governing_runs
from audits.ledger.seal import require_intact
from audits.linkage import LinkReport
from audits.rules.engine.verdicts import NO_USAGE, VERDICTS

NO_ANSWER = ("not_evaluated", "errored")


@dataclass(frozen=True, slots=True)
class Checks:
    """Cells (customer x rule) by verdict; whatever is planned is in exactly one of the others."""

    planned: int = 0
    compliant: int = 0
    violating: int = 0
    not_applicable: int = 0
    not_evaluated: int = 0
    errored: int = 0

    @property
    def accounted(self) -> int:
        """Cells that ended with a verdict, those not evaluated, with their reasons, included."""
        return self.planned - self.errored

    @property
    def evaluated(self) -> int:
        """Cells in which a rule judged a customer: compliant or violating."""
        return self.compliant + self.violating

    @property
    def none_evaluated(self) -> bool:
        """Whether no rule judged any customer although some should have: that nothing was found then says nothing."""
        return self.evaluated == 0 and (self.planned == 0 or self.not_evaluated + self.errored > 0)

    @property
    def by_verdict(self) -> tuple[tuple[str, int], ...]:
        """The five verdicts with their counts."""
        return tuple((verdict, getattr(self, verdict)) for verdict in VERDICTS)

    @classmethod
    def of(cls, rows: Iterable[EvaluationRow]) -> Checks:
        """The sum of counters of several rules."""
        each = [(row.planned, *(getattr(row, verdict) for verdict in VERDICTS)) for row in rows]
        return cls(*(sum(numbers) for numbers in zip(*each, strict=True)))


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A cell that is not compliant. ``reason`` is empty for violating ones only."""

    customer_id: str
    tier: str
    rule_id: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which cells are meant: tier -> the run that holds, narrowed to some rules and one customer."""

    runs: dict[str, Run]
    rules: frozenset[str] = field(default=frozenset())  # empty: every rule
    customer_id: str | None = None

    def counters(self, session: Session) -> Iterator[EvaluationRow]:
        """The counters of each tier and rule, in this order."""
        e = EvaluationRow
        for tier, run in sorted(self.runs.items()):
            rows = select(e).where(e.run_id == run.id, e.tier == tier, *self._of_rules(e.rule_id)).order_by(e.rule_id)
            yield from session.scalars(rows)

    def cells(self, session: Session) -> Iterator[CellRecord]:
        """The cells that are not compliant, in order of tier, rule, verdict, reason and customer; read as they go."""
        g = CellGroup
        for tier, run in sorted(self.runs.items()):
            rows = (
                select(g.rule_id, g.verdict, g.reason, g.customers)
                .where(g.run_id == run.id, g.tier == tier, *self._of_rules(g.rule_id))
                .order_by(g.rule_id, g.number)
                .execution_options(yield_per=20)
            )
            if self.customer_id is not None:
                rows = rows.where(names_customer(self.customer_id))
            for rule_id, verdict, reason, customers in session.execute(rows):
                for customer in customers:
                    if self.customer_id in (None, customer):
                        yield CellRecord(customer, tier, rule_id, verdict, reason)

    def _of_rules(self, column: object) -> Sequence[ColumnElement[bool]]:
        return (column.in_(sorted(self.rules)),) if self.rules else ()  # type: ignore[attr-defined]


def coverage_of(
    session: Session, period: str, tiers: Sequence[str] = (), rules: Sequence[str] = (), customer_id: str | None = None
) -> Coverage:
    """The cells of a period, of some tiers, rules and one customer, as asked for; none of a ledger that was changed."""
    runs = {tier: run for (_, tier), run in governing_runs(session, period).items() if not tiers or tier in tiers}
    for run in runs.values():
        require_intact(session, run, (EvaluationRow.__tablename__, CellGroup.__tablename__))
    return Coverage(runs, frozenset(rules), customer_id)


def tiers_of(session: Session, coverage: Coverage) -> frozenset[str]:
    """The tiers under which the covered customer was audited."""
    a = AuditedCustomer
    return frozenset(
        tier
        for tier, run in coverage.runs.items()
        if session.scalar(
            select(a.customer_id).where(a.run_id == run.id, a.tier == tier, a.customer_id == coverage.customer_id)
        )
    )


def checks_of(session: Session, run_ids: Iterable[int]) -> dict[tuple[int, str], Checks]:
    """(run, tier) -> its cells by verdict; a tier without a customer has none."""
    e = EvaluationRow
    sums = [func.sum(getattr(e, name)) for name in ("planned", *VERDICTS)]
    rows = session.execute(
        select(e.run_id, e.tier, *sums).where(e.run_id.in_(list(run_ids))).group_by(e.run_id, e.tier)
    )
    return {(run_id, tier): Checks(*map(int, numbers)) for run_id, tier, *numbers in rows}


def unevaluated_tiers(session: Session, runs: Mapping[str, int]) -> list[str]:
    """Which of the tiers (tier -> run) had customers of whom nothing was evaluated at all, in order of name."""
    a = AuditedCustomer
    with_customers = session.execute(
        select(a.run_id, a.tier).where(a.run_id.in_(set(runs.values()))).distinct().order_by(a.tier)
    )
    checks = checks_of(session, set(runs.values()))
    return [
        tier
        for run_id, tier in with_customers
        if runs.get(tier) == run_id and checks.get((run_id, tier), Checks()).none_evaluated
    ]


def unevaluated_customers(session: Session, run_id: int, tier: str, customer_id: str | None = None) -> frozenset[str]:
    """The customers of a tier whose usage a run did not evaluate in substance, or at all.

    Of the rules that judge usage and may count against standing, more had no answer about the customer than had one.
    With ``customer_id`` only this one is looked for. A customer without usage has no open question, and rules that
    judge what is on record say nothing about usage. Where no rule was asked, nobody was evaluated.
    """
    e, g, a = EvaluationRow, CellGroup, AuditedCustomer
    asked = set(session.scalars(select(e.rule_id).where(e.run_id == run_id, e.tier == tier)))
    if not asked:
        everyone = frozenset(session.scalars(select(a.customer_id).where(a.run_id == run_id, a.tier == tier)))
        return everyone if customer_id is None else everyone & {customer_id}
    rules = asked & _judging_usage(session, run_id) or asked
    rows = select(g.verdict, g.reason, g.customers).where(
        g.run_id == run_id, g.tier == tier, g.rule_id.in_(sorted(rules)), g.verdict.in_((*NO_ANSWER, "not_applicable"))
    )
    if customer_id is not None:
        rows = rows.where(names_customer(customer_id))
    unanswered: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    idle: set[str] = set()
    for verdict, reason, customers in session.execute(rows):
        silent.update(customers)
        if verdict in NO_ANSWER:
            unanswered.update(customers)
        elif reason == NO_USAGE:
            idle.update(customers)
    found = {one for one, count in unanswered.items() if one not in idle and count > len(rules) - silent[one]}
    return frozenset(found if customer_id is None else found & {customer_id})


def names_customer(customer_id: str) -> ColumnElement[bool]:
    """Whether a group of cells may name a customer; its list of customers says whether it does."""
    return cast(CellGroup.customers, Text).contains(json.dumps(customer_id), autoescape=True)


def linkage_of(run: Run) -> LinkReport | None:
    """What linking the run's accounts came to, as the run recorded it."""
    return LinkReport.from_json(json.dumps(run.linkage)) if run.linkage else None


def _judging_usage(session: Session, run_id: int) -> set[str]:
    """The rules of a run that judge usage and may count against a customer's standing."""
    run = session.get_one(Run, run_id)
    found = set()
    for rule_id, version in run.rules.items():
        stored = session.get(RuleVersion, (rule_id, version))
        if stored is None or not stored.content.get("marks_standing", True):
            continue
        if stored.content.get("needs", {}).get("usage", True):
            found.add(rule_id)
    return found


def reasons_of(cells: Iterator[CellRecord]) -> dict[tuple[str, str], dict[str, int]]:
    """(verdict, reason) -> rule -> cells, for those that have a reason."""
    counted: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for cell in cells:
        if cell.reason:
            counted[cell.verdict, cell.reason][cell.rule_id] += 1
    return counted
