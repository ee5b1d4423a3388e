"""What the ledger is asked by everything above it: runs, findings with their status, and what was known when.

Only selects. A finding's status is what people decided about it; its line is ``contract/finding.schema.json``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, defer

from audits.ledger.models import AuditedCustomer, Decision, FindingRow, PolicyVersion, Run
from audits.ledger.seal import require_intact
from audits.periods import Period, utc_midnight
from audits.policy import Book, PolicyException

StatusWord = Literal["open", "acknowledged", "confirmed", "false_positive", "remediated", "excepted"]
SEVERITY_RANK: Mapping[str, int] = {"low": 0, "medium": 1, "high": 2, "critical": 3}
_IDS_AT_ONCE = 500  # ids in one IN list: below every engine's limit on parameters


@dataclass(frozen=True, slots=True)
class Status:
    """What was decided last about a finding, and by whom; an exception holds up to and including ``until``."""

    word: StatusWord = "open"
    why: str = ""
    who: str = ""
    since: datetime | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A published finding of one run, and every decision about it that counts."""

    row: FindingRow
    status: Status
    decisions: tuple[Decision, ...]


# ---------------------------------------------------------------- runs


def latest_runs(session: Session, period: str | None = None, tier: str | None = None) -> list[Run]:
    """The newest revision of each period, or of one; with ``tier`` the newest that audited it. Oldest period first."""
    newest: dict[str, Run] = {}
    for run in session.scalars(_in_order(period)):
        if tier is None or tier in run.tiers:
            newest[run.period] = run
    return sorted(newest.values(), key=lambda run: (run.first_day, run.end_day))


def revisions(session: Session, period: str) -> list[Run]:
    """Every revision of a period, in order."""
    return list(session.scalars(_in_order(period)))


def governing_runs(session: Session, period: str | None = None) -> dict[tuple[str, str], Run]:
    """(period, tier) -> the newest revision that audited the tier: a revision may cover some tiers only."""
    return {(run.period, tier): run for run in session.scalars(_in_order(period)) for tier in run.tiers}


def results_before(session: Session, period: Period) -> dict[str, str]:
    """Period before and tier -> digest of what its newest audit came to; empty where it was not audited."""
    governing = governing_runs(session, period.previous.id)
    return {f"{before} {tier}": run.results_digest for (before, tier), run in sorted(governing.items())}


def _in_order(period: str | None) -> Select[Run]:
    statement = select(Run).order_by(Run.period, Run.revision)
    return statement.where(Run.period == period) if period else statement


def known_until(session: Session, run: Run) -> datetime | None:
    """Until when decisions belong to this revision's report: until its period was audited again.

    The newest revision has no end, so that its report shows decisions as they are made.
    """
    later = [other for other in revisions(session, run.period) if other.revision > run.revision]
    return later[0].audited_at if later else None


def previous_revision(session: Session, run: Run, tier: str) -> Run | None:
    """The revision of the same period that a reader of this tier's report had before."""
    earlier = [
        other for other in revisions(session, run.period) if other.revision < run.revision and tier in other.tiers
    ]
    return earlier[-1] if earlier else None


def earlier_periods(session: Session, run: Run, tier: str, count: int) -> dict[str, Run | None]:
    """The ``count`` periods of the same kind before this one, newest first, each with the run that judged the tier.

    Only what was recorded before this run: a report that was delivered never compares with what came after it.
    """
    periods = [Period.parse(run.period).previous]
    while len(periods) < count:
        periods.append(periods[-1].previous)
    names = [period.id for period in periods]
    found: dict[str, Run | None] = dict.fromkeys(names)
    known = select(Run).where(Run.period.in_(names), Run.id < run.id).order_by(Run.period, Run.revision)
    for other in session.scalars(known):
        if tier in other.tiers:
            found[other.period] = other
    return found


def book_of(session: Session, digest: str) -> Book | None:
    """The policy book that a run was made with, or None where this version of the service cannot read it any more."""
    books: dict[str, Book | None] = session.info.setdefault("books", {})
    if digest not in books:
        stored = session.get(PolicyVersion, digest)
        try:
            books[digest] = Book(stored.content) if stored else None
        except (KeyError, TypeError, ValueError, AttributeError):
            books[digest] = None
    return books[digest]


def words_for(rule: Mapping[str, Any], kind: str | None) -> Mapping[str, Any]:
    """A rule's description as it is true of one kind of its findings."""
    own = rule.get("kinds", {}).get(kind, {}) if kind is not None else {}
    return {**rule, **{name: value for name, value in own.items() if value is not None}}


# ---------------------------------------------------------------- findings and decisions


def finding_status(decisions: Sequence[Decision], on: date, exception: PolicyException | None = None) -> Status:
    """The status on a day: the last decision by number, else the book's exception, else open.

    An exception that has run out leaves the finding open again.
    """
    last = max(decisions, key=lambda decision: decision.number, default=None)
    if last and not (last.decided_as == "excepted" and last.until is not None and last.until < on):
        return Status(last.decided_as, last.why, last.who, last.decided_at, last.until)  # type: ignore[arg-type]
    if exception and not last:
        return Status("excepted", exception.why, exception.owner, None, exception.to_day - timedelta(days=1))
    return Status()


def exception_for(book: Book | None, row: FindingRow, period: Period) -> PolicyException | None:
    """The book's exception that covers a finding: its rule and subject, and every day of the period."""
    alone = {"customer": row.customer_ids, "account": row.account_ids}
    for exception in book.exceptions if book else ():
        named = (exception.subject_type, exception.subject_id) == (row.subject_type, row.subject_id)
        owned = alone.get(exception.subject_type) == [exception.subject_id]
        covers = exception.from_day <= period.first_day and period.end_day <= exception.to_day
        if row.rule_id in exception.rules and (named or owned) and covers:
            return exception
    return None


def decisions_about(
    session: Session, finding_ids: Iterable[str], before: datetime | None = None
) -> dict[str, list[Decision]]:
    """finding_id -> its decisions in order of number; with ``before`` only those made until then."""
    found: dict[str, list[Decision]] = defaultdict(list)
    for chunk in _chunks(sorted(set(finding_ids))):
        for decision in session.scalars(
            select(Decision).where(Decision.finding_id.in_(chunk)).order_by(Decision.number)
        ):
            if before is None or decision.decided_at < before:
                found[decision.finding_id].append(decision)
    return found


def findings_in(session: Session, run: Run, until: datetime | None = None, *, brief: bool = False) -> list[Recorded]:
    """The published findings of a run, gravest first, then by rule and subject, with what was decided by then.

    ``brief`` leaves out what is long (series, queries) for those who only count.
    """
    statement = select(FindingRow).where(FindingRow.run_id == run.id, FindingRow.published)
    if brief:
        statement = statement.options(defer(FindingRow.chart), defer(FindingRow.evidence_sql))
    rows = sorted(
        session.scalars(statement),
        key=lambda f: (-SEVERITY_RANK[f.severity], f.rule_id, f.subject_type, f.subject_id, f.tier, f.finding_id),
    )
    decided = decisions_about(session, [row.finding_id for row in rows], until)
    on, book, period = known_on(run, decided), book_of(session, run.policy_version), Period.parse(run.period)
    found = []
    for row in rows:
        decisions = tuple(decided.get(row.finding_id, ()))
        found.append(Recorded(row, finding_status(decisions, on, exception_for(book, row, period)), decisions))
    return found


def known_on(run: Run, decided: Mapping[str, Sequence[Decision]]) -> date:
    """The day as of which statuses hold: that of the audit, or of the last decision since. No clock is asked."""
    instants = [decision.decided_at for decisions in decided.values() for decision in decisions]
    return max([run.audited_at, *instants]).date()


def findings_of(session: Session, *, period: str, tiers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The published findings of a period as lines of ``contract/finding.schema.json``, gravest first.

    Each tier is taken from the newest revision that audited it.
    """
    governing = {tier: run for (_, tier), run in governing_runs(session, period).items() if not tiers or tier in tiers}
    for run in governing.values():
        require_intact(session, run, (FindingRow.__tablename__,))
    lines = [
        as_line(run, found)
        for run in {run.id: run for run in governing.values()}.values()
        for found in findings_in(session, run, known_until(session, run))
        if governing.get(found.row.tier) is run
    ]
    return sorted(lines, key=_gravest_first)


def _gravest_first(line: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("rule_id", "subject_type", "subject_id", "tier", "finding_id")
    return (-SEVERITY_RANK[line["severity"]], *(line[name] for name in names))


def as_line(run: Run, found: Recorded) -> dict[str, Any]:
    """One finding as ``contract/finding.schema.json`` has it."""
    row, period = found.row, Period.parse(run.period)
    return {
        "finding_id": row.finding_id,
        "rule_id": row.rule_id,
        "rule_version": row.rule_version,
        "policy_version": run.policy_version,
        "revision": run.revision,
        "period": run.period,
        "period_start": utc_midnight(period.first_day).isoformat(),
        "period_end": utc_midnight(period.end_day).isoformat(),
        "subject_type": row.subject_type,
        "subject_id": row.subject_id,
        "account_ids": list(row.account_ids),
        "customer_ids": list(row.customer_ids),
        "tier": row.tier,
        "severity": row.severity,
        "status": found.status.word,
        "clauses": list(row.clauses),
        "summary": row.summary,
        "observed": dict(row.observed),
        "limits": dict(row.limits),
        "evidence_sql": row.evidence_sql,
        "first_seen": row.first_seen.isoformat(),
    }


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]


def customer_names(session: Session, run_ids: Iterable[int]) -> dict[str, str]:
    """customer_id -> name, as the runs recorded it; the newest run's name stays."""
    a = AuditedCustomer
    rows = session.execute(
        select(a.customer_id, a.name).where(a.run_id.in_(list(run_ids))).order_by(a.run_id, a.tier, a.customer_id)
    )
    return {customer_id: name for customer_id, name in rows}  # noqa: C416 rows are no pairs to the type checker
