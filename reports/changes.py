"""What changed: against the period before, by rule and subject, and against the revision that the reader has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger.coverage import Checks, checks_of, unevaluated_customers
from audits.ledger.models import AuditedCustomer, FindingRow, Run
from audits.ledger.read import SEVERITY_RANK, Recorded, earlier_periods, findings_in, previous_revision
from audits.periods import Period
from audits.standing.states import weighs
from reports.model import TrendPoint
from reports.since import Gone, SincePeriod, SinceRevision
from reports.wording import Key, Past, Words, key_of, subject_of

PERIODS_BACK = 12
"""Earlier periods that a report looks at: its cost does not grow with the ledger's history."""

Fate = tuple[Literal["resolved", "not_evaluated", "left"], str]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The findings of the periods before: by subject, and by severity for the tier."""

    runs: Mapping[str, Run | None]  # period -> run, newest period first
    found: Mapping[str, Mapping[Key, str]]  # period -> what was found (under any tier) -> gravest severity
    counts: Mapping[str, Counter[str]]  # period -> severities of the tier's own findings
    checks: Mapping[str, Checks]  # period -> the tier's cells

    def past_of(self, row: FindingRow) -> Past:
        """What the earlier periods say of a finding."""
        key = key_of(row)
        seen = [(Period.parse(period), found[key]) for period, found in self.found.items() if key in found]
        last = next(iter(self.runs))
        if self.runs[last] is None or self.checks[last].none_evaluated:
            return Past(seen=tuple(seen))
        before = self.found[last].get(key)
        if before is None:
            return Past("returned" if seen else "new", seen=tuple(seen))
        step = SEVERITY_RANK[row.severity] - SEVERITY_RANK[before]
        change = "worse" if step > 0 else "eased" if step < 0 else "same"
        return Past(change, before, tuple(seen))

    def trend(self, run: Run, rows: Iterable[FindingRow], checks: Checks) -> tuple[TrendPoint, ...]:
        """Findings by severity, oldest period first, this one last; leading periods without an audit are left out."""
        points = [
            _trend_point(period, self.counts[period], self.checks.get(period)) for period in reversed(list(self.runs))
        ]
        while points and points[0].gap == "not audited":
            points.pop(0)
        return (*points, _trend_point(run.period, Counter(row.severity for row in rows), checks))


def read_earlier(session: Session, run: Run, tier: str) -> Earlier:
    """The twelve periods of the same kind before, each in the newest revision that the run knew."""
    runs = earlier_periods(session, run, tier, PERIODS_BACK)
    periods = {one.id: period for period, one in runs.items() if one}
    found: dict[str, dict[Key, str]] = {period: {} for period in runs}
    counts: dict[str, Counter[str]] = {period: Counter() for period in runs}
    f = FindingRow
    rows = session.execute(
        select(f.run_id, f.tier, f.severity, f.rule_id, f.kind, f.subject_type, f.subject_id)
        .where(f.run_id.in_(periods), f.published)
        .order_by(f.run_id, f.finding_id)
    )
    for run_id, its_tier, severity, rule_id, kind, *subject in rows:
        period, about = periods[run_id], (rule_id, kind or "", subject[0], subject[1])
        before = found[period].get(about)
        if before is None or SEVERITY_RANK[severity] > SEVERITY_RANK[before]:
            found[period][about] = severity
        if its_tier == tier:
            counts[period][severity] += 1
    cells = checks_of(session, periods)
    checks = {period: cells.get((run_id, tier), Checks()) for run_id, period in periods.items()}
    return Earlier(runs, found, counts, checks)


def _trend_point(period: str, counts: Counter[str], checks: Checks | None) -> TrendPoint:
    """A period's findings; without any, a period in which nothing was evaluated is a gap and not a zero."""
    if checks is None:
        return TrendPoint(Period.parse(period), None, "not audited")
    if checks.none_evaluated and not counts:
        return TrendPoint(Period.parse(period), None, "nothing was evaluated")
    return TrendPoint(Period.parse(period), counts)


def burdened(found: Iterable[Recorded], customers: set[str], words: Words, day: date) -> set[str]:
    """Which of the customers are not in good standing for these findings."""
    return customers & {
        customer
        for one in found
        if weighs(one.row.severity, one.status.word, words.of(one.row), words.book, day)
        for customer in one.row.customer_ids
    }


def since_period(
    session: Session,
    tier: str,
    earlier: Earlier,
    pasts: Sequence[Past],
    words: Words,
    fate_of: Callable[[FindingRow], Fate | None],
    until: datetime | None,
) -> SincePeriod | None:
    """The change against the period before, or None where that was not audited."""
    period, before = next(iter(earlier.runs.items()))
    if before is None:
        return None
    theirs = findings_in(session, before, until, brief=True)
    customers = set(
        session.scalars(
            select(AuditedCustomer.customer_id).where(AuditedCustomer.run_id == before.id, AuditedCustomer.tier == tier)
        )
    )
    weighed = burdened(theirs, customers, words, Period.parse(period).last_day)
    unevaluated, checks = unevaluated_customers(session, before.id, tier), earlier.checks[period]
    own = [one.row for one in theirs if one.row.tier == tier]
    return SincePeriod(
        period=Period.parse(period),
        revision=before.revision,
        counts=Counter(past.change for past in pasts),
        gone=_gone(own, words, fate_of),
        customers=len(customers),
        good_standing=len(customers - weighed - unevaluated),
        not_evaluated=len(customers & unevaluated),
        found=len(own),
        evaluated=checks.evaluated,
        none_evaluated=checks.none_evaluated,
    )


def since_revision(
    session: Session, run: Run, tier: str, rows: Sequence[FindingRow], words: Words,
    fate_of: Callable[[FindingRow], Fate | None],
) -> SinceRevision | None:  # fmt: skip
    """The difference to the revision before, or None for the first audit of the period."""
    before = previous_revision(session, run, tier)
    if before is None:
        return None
    theirs = {one.row.finding_id: one.row for one in findings_in(session, before, brief=True) if one.row.tier == tier}
    ours = {row.finding_id: row for row in rows}
    return SinceRevision(
        revision=before.revision,
        causes=tuple(run.causes),
        added=tuple(finding for finding in ours if finding not in theirs),
        withdrawn=_gone([row for finding, row in theirs.items() if finding not in ours], words, fate_of),
        altered=tuple(finding for finding, row in ours.items() if finding in theirs and _differ(row, theirs[finding])),
    )


def _differ(row: FindingRow, before: FindingRow) -> bool:
    return (row.severity, row.summary, row.observed, row.limits, sorted(row.account_ids)) != (
        before.severity, before.summary, before.observed, before.limits, sorted(before.account_ids),
    )  # fmt: skip


def _gone(rows: Iterable[FindingRow], words: Words, fate_of: Callable[[FindingRow], Fate | None]) -> tuple[Gone, ...]:
    gone = []
    for row in rows:
        if fate := fate_of(row):
            subject = subject_of(row.subject_type, row.subject_id, words.people(row.customer_ids))
            gone.append(Gone(row.rule_id, str(words.of(row).get("title", row.rule_id)), subject, row.severity, *fate))
    return tuple(gone)
