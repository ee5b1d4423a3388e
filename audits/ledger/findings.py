"""From what rules found to findings that people read: identity, wording, clauses, evidence and the series behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from audits.ledger.record import CellTally, Finding, finding_id
from audits.periods import Period
from audits.policy import Book
from audits.rollups.account_day import account_day
from audits.rules.base import SEVERITIES, Found, Rule
from audits.rules.evaluate import VERDICTS, Evaluation
from audits.rules.scope import Scope
from audits.rules.wording import summary_of
from audits.warehouse import Warehouse

CHART_BASELINE_DAYS = 28  # days shown before the period: the baseline window of the rule catalogue
LARGEST_MEMBERS = 8  # single accounts drawn under a group's curve


def tally(evaluation: Evaluation, status: str) -> list[CellTally]:
    """A rule's cells counted by tier, with the customers behind every verdict but compliance."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(VERDICTS, 0))
    groups: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for cell in evaluation.cells:
        counts[cell.tier][cell.verdict] += 1
        if cell.verdict != "compliant":
            groups[cell.tier][cell.verdict, cell.reason].append(cell.customer_id)
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
    charts = _Charts(connection, scopes, [one for _, one in found])
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
                subject_id=one.subject_id,
                account_ids=one.account_ids,
                customer_ids=one.customer_ids,
                tier=one.tier,
                severity=one.severity,
                published=published[rule.id],
                clauses=clauses_in_force(scope.book, rule, scope.period),
                summary=summary_of(rule, one),
                observed=one.observed,
                limits=one.limits,
                evidence_sql=warehouse.standalone_sql(rule.evidence(scope, one)),
                chart=charts.of(one),
            )
        )
    return sorted(findings, key=lambda f: (f.rule_id, f.tier, f.subject_type, f.subject_id, f.finding_id))


def clauses_in_force(book: Book, rule: Rule, period: Period) -> tuple[str, ...]:
    """Ids of the clause versions that held on any day of the period; a change inside it cites both wordings."""
    return tuple(sorted(clause.id for clause in book.clauses(rule.spec.families, period.first_day, period.last_day)))


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


class _Charts:
    """The daily requests behind each finding, read in one query for all of them."""

    def __init__(self, connection: Connection, scopes: Mapping[str, Scope], found: Sequence[Found]) -> None:
        self.days: tuple[date, ...] = ()
        self.series: dict[str, dict[date, int]] = defaultdict(dict)
        accounts = sorted({account for one in found for account in one.account_ids})
        if not accounts:
            return
        period = next(iter(scopes.values())).period
        first = period.first_day - timedelta(days=CHART_BASELINE_DAYS)
        self.days = tuple(first + timedelta(days=n) for n in range((period.end_day - first).days))
        d = account_day.c
        rows = connection.execute(
            select(d.account_id, d.day, func.sum(func.coalesce(d.n_requests, 0)).label("n"))
            .where(d.day.between(first, period.last_day), d.account_id.in_(accounts))
            .group_by(d.account_id, d.day)
        )
        for row in rows:
            self.series[row.account_id][row.day] = int(row.n)

    def of(self, found: Found) -> dict[str, Any]:
        """The chart of one finding: see :class:`audits.ledger.models.FindingRow`."""
        if not found.account_ids:
            return {}
        members = {account: [self.series[account].get(day, 0) for day in self.days] for account in found.account_ids}
        values = [sum(column) for column in zip(*members.values(), strict=True)]
        before = sorted(values[:CHART_BASELINE_DAYS])
        largest = sorted(members, key=lambda account: (-max(members[account]), account))[:LARGEST_MEMBERS]
        return {
            "unit": "requests a day",
            "days": [day.isoformat() for day in self.days],
            "values": values,
            "limit": found.limits.get("requests_a_day"),
            "baseline_days": CHART_BASELINE_DAYS,
            "usual": [before[len(before) // 10], before[-1 - len(before) // 10]] if any(before) else None,
            "series": {account: members[account] for account in largest} if len(members) > 1 else {},
        }
