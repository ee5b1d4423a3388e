"""From what rules found to findings that people read: identity, wording, clauses, evidence and the series behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from audits.display import opaque_id
from audits.ledger.charts import Charts
from audits.ledger.record import CellTally, Finding, finding_id
from audits.periods import Period
from audits.policy import Book
from audits.rules.engine.base import SEVERITIES, Found
from audits.rules.engine.evaluate import VERDICTS, Evaluation
from audits.rules.engine.scope import Scope
from audits.rules.engine.wording import summary_of
from audits.warehouse import Warehouse


def tally(evaluation: Evaluation, status: str) -> list[CellTally]:
    """A rule's cells counted by tier, with the customers behind every verdict but compliance."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(VERDICTS, 0))
    groups: dict[str, dict[tuple[str, str], tuple[str, ...]]] = defaultdict(dict)
    for cells in evaluation.cells:
        counts[cells.tier][cells.verdict] += cells.count
        if cells.verdict != "compliant":
            groups[cells.tier][cells.verdict, cells.reason] = cells.customers
    return [
        CellTally(
            tier, evaluation.rule.id, evaluation.rule.version, status, counts[tier], groups[tier], evaluation.error
        )
        for tier in sorted(counts)
    ]


def make_findings(
    connection: Connection,
    warehouse: Warehouse,
    scopes: Mapping[str, Scope],
    evaluations: Iterable[Evaluation],
    *,
    published: Mapping[str, bool],
    tier_order: Sequence[str],
) -> list[Finding]:
    """Findings of all rules, in order of rule, tier and subject."""
    found = [(evaluation.rule, one) for evaluation in evaluations for one in distinct(evaluation.found)]
    period = next(iter(scopes.values())).period if found else None
    charts = Charts(connection, period, [one for _, one in found], tier_order) if period else None
    rank = {tier: number for number, tier in enumerate(tier_order)}
    taken: set[str] = set()
    findings = []
    # The highest tier comes first: a subject found under two tiers keeps its plain identity there.
    for rule, one in sorted(found, key=lambda pair: (pair[0].id, -rank.get(pair[1].tier, -1))):
        scope = scopes[rule.id]
        identity = finding_id(rule.id, one.subject_type, one.subject_id, scope.period.id, one.discriminator)
        if identity in taken:
            identity = finding_id(
                rule.id, one.subject_type, one.subject_id, scope.period.id, f"{one.discriminator}\x1f{one.tier}"
            )
        taken.add(identity)
        findings.append(
            Finding(
                finding_id=identity,
                rule_id=rule.id,
                rule_version=rule.version,
                subject_type=one.subject_type,
                subject_id=opaque_id(one.subject_type, one.subject_id),
                account_ids=one.account_ids,
                customer_ids=one.customer_ids,
                tier=one.tier,
                severity=one.severity,
                published=published[rule.id],
                clauses=clauses_in_force(scope.book, rule.spec.families_of(one.discriminator), scope.period),
                summary=summary_of(rule, one),
                observed=one.observed,
                limits=one.limits,
                evidence_sql=warehouse.standalone_sql(rule.evidence(scope, one)),
                chart=charts.of(rule.spec, one) if charts else {},
                kind=one.discriminator if one.discriminator in rule.spec.kinds else None,
            )
        )
    return sorted(findings, key=lambda f: (f.rule_id, f.tier, f.subject_type, f.subject_id, f.finding_id))


def clauses_in_force(book: Book, families: Iterable[str], period: Period) -> tuple[str, ...]:
    """Ids of the clause versions that held on any day of the period; a change inside it cites both wordings."""
    return tuple(sorted(clause.id for clause in book.clauses(families, period.first_day, period.last_day)))


def distinct(found: Sequence[Found]) -> list[Found]:
    """What a rule found, without the accounts that a group's finding of the same rule already speaks of.

    A pool of forty accounts is one thing to decide about; an account stays apart where it is worse than its group.
    """
    said: dict[str, int] = {}
    for one in found:
        if one.subject_type == "group":
            rank = SEVERITIES.index(one.severity)
            said |= {account: max(rank, said.get(account, rank)) for account in one.account_ids}
    return [
        one
        for one in found
        if one.subject_type != "account" or SEVERITIES.index(one.severity) > said.get(one.subject_id, -1)
    ]
