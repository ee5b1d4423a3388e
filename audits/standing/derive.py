"""Deriving a customer's standing on a day from the ledger alone.

A published finding weighs from the first day of its period, unless the newest revision of the period no longer has it.
It stops to weigh on the day on which someone decides it away, or after the quiet days that the policy book asks for:
days after its period that were audited, and in which its rule could be judged for this customer. Days that nobody
looked at are not quiet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.coverage import NO_ANSWER, names_customer, unevaluated_customers
from audits.ledger.models import AuditedCustomer, CellGroup, Decision, FindingCustomer, FindingRow, RuleVersion, Run
from audits.ledger.read import SEVERITY_RANK, book_of, decisions_about, exception_for, finding_status, words_for
from audits.ledger.seal import require_findings, require_intact
from audits.periods import Period
from audits.policy import PolicyException
from audits.standing.evaluated import Evaluated, evaluated_of
from audits.standing.model import Change, Reason, Standing
from audits.standing.people import Person, find
from audits.standing.states import DECIDED_AWAY, STATES, State, effect_of

_DAY = timedelta(days=1)
_SUBJECTS = FindingCustomer.__tablename__
_OF_THE_DAY = (CellGroup.__tablename__, AuditedCustomer.__tablename__, RuleVersion.__tablename__)


@dataclass(frozen=True, slots=True)
class _Audit:
    """A revision that is the newest one for at least one tier of its period."""

    run_id: int
    period: str
    first_day: date
    end_day: date  # exclusive
    tiers: tuple[str, ...]  # those for which it is the newest
    policy: str


@dataclass(frozen=True, slots=True)
class _Weight:
    """A finding, the state that it leads to, and the days on which it may weigh."""

    row: FindingRow
    period: str
    leads_to: State
    quiet_days: int
    since: date
    until: date | None  # exclusive; None: not enough quiet days have been audited yet
    decisions: tuple[Decision, ...]
    exception: PolicyException | None

    def status_on(self, day: date) -> str:
        made = [decision for decision in self.decisions if decision.decided_at.date() <= day]
        return finding_status(made, day, self.exception).word

    def weighs_on(self, day: date) -> bool:
        within = self.since <= day and (self.until is None or day < self.until)
        return within and self.status_on(day) not in DECIDED_AWAY

    def edges(self) -> set[date]:
        """The days on which something about it may change."""
        days = {self.since, *(decision.decided_at.date() for decision in self.decisions)}
        days |= {decision.until + _DAY for decision in self.decisions if decision.until}
        return days | ({self.until} if self.until else set())


def standing_of(session: Session, customer_or_account_id: str, at: date) -> Standing | None:
    """The standing of a customer on a day, by its id, by one of its accounts' or by its name or a part of it.

    None where no period that had begun by then was audited; an error where they know no such customer, or several.
    """
    for run in session.scalars(select(Run).where(Run.first_day <= at)):
        require_intact(session, run, ())  # also those replaced since: a changed one might pass for the newest
    audits = _audits(session, at)
    if not audits:
        return None
    known = [(audit.run_id, tier) for audit in audits for tier in sorted(audit.tiers)]
    try:
        person = find(session, customer_or_account_id, known, where=f"audits of periods that had begun by {at}")
    except AuditsError:
        _require_intact(session, "", audits, at)  # whoever is unknown may have been removed
        raise
    _require_intact(session, person.customer_id, audits, at)
    covering = [audit for audit in audits if {(audit.run_id, tier) for tier in audit.tiers} & set(person.audited)]
    weights = _weights(session, person, audits, covering)
    unanswered = _unanswered(session, person, covering)
    history = _history(weights, covering, unanswered, at)
    state = history[-1].state
    now = [weight for weight in weights if weight.leads_to != "good" and weight.weighs_on(at)]
    now.sort(key=lambda w: (-SEVERITY_RANK[w.row.severity], w.since, w.row.rule_id, w.row.finding_id))
    newest = covering[0].run_id
    return Standing(
        customer_id=person.customer_id,
        name=person.name,
        account_manager=person.account_manager,
        tiers=tuple(tier for run_id, tier in person.audited if run_id == newest),
        state=state,
        since=history[-1].since,
        as_of=at,
        audited_to=max(audit.end_day for audit in covering) - _DAY,
        reasons=_reasons(session, now, at),
        history=history,
        would_change=_would_change(now, state),
        evaluated=_evaluated(session, person, _on(covering, at)),
    )


def _require_intact(session: Session, whom: str, audits: Sequence[_Audit], at: date) -> None:
    """Nobody is told of a standing that a changed ledger gives.

    Of every audit the customer's findings are checked, and that none is missing; whole tables only of those that hold
    on the day, since all of them would keep an account manager waiting.
    """
    query = select(FindingCustomer.run_id, FindingCustomer.finding_id).where(FindingCustomer.customer_id == whom)
    named: dict[int, list[str]] = {}
    for row in session.execute(query):
        named.setdefault(row.run_id, []).append(row.finding_id)
    of_the_day = {audit.run_id for audit in _on(audits, at)}
    for audit in audits:
        parts = (_SUBJECTS, *_OF_THE_DAY) if audit.run_id in of_the_day else (_SUBJECTS,)
        require_findings(session, audit.run_id, named.get(audit.run_id, []), parts)


def _audits(session: Session, at: date) -> list[_Audit]:
    """The newest revision of every period that had begun, tier by tier; the last days first."""
    newest: dict[tuple[str, str], int] = {}
    rows = {}
    query = select(Run.id, Run.period, Run.first_day, Run.end_day, Run.tiers, Run.policy_version)
    for row in session.execute(query.where(Run.first_day <= at).order_by(Run.period, Run.revision)):
        rows[row.id] = row
        newest |= {(row.period, tier): row.id for tier in row.tiers}
    held: dict[int, list[str]] = {}
    for (_, tier), run_id in newest.items():
        held.setdefault(run_id, []).append(tier)
    audits = [
        _Audit(run_id, row.period, row.first_day, row.end_day, tuple(tiers), row.policy_version)
        for run_id, tiers in held.items()
        for row in [rows[run_id]]
    ]
    return sorted(audits, key=lambda audit: (audit.end_day, audit.first_day, audit.run_id), reverse=True)


def _weights(session: Session, person: Person, audits: Sequence[_Audit], covering: Sequence[_Audit]) -> list[_Weight]:
    by_run = {audit.run_id: audit for audit in audits}
    rows = session.scalars(
        select(FindingRow)
        .join(
            FindingCustomer,
            (FindingCustomer.run_id == FindingRow.run_id) & (FindingCustomer.finding_id == FindingRow.finding_id),
        )
        .where(FindingCustomer.customer_id == person.customer_id, FindingRow.published)
        .order_by(FindingRow.run_id, FindingRow.finding_id)
    )
    found = {row.finding_id: row for row in rows if row.run_id in by_run and row.tier in by_run[row.run_id].tiers}
    decided = decisions_about(session, found)
    doubts = _doubts(session, person, covering, {row.rule_id for row in found.values()})
    weights = []
    for finding_id, row in found.items():
        audit = by_run[row.run_id]
        book = book_of(session, audit.policy)
        effect = effect_of(row.severity, _described(session, row), book, audit.end_day - _DAY)
        judged = [other for other in covering if (other.run_id, row.rule_id) not in doubts]
        weights.append(
            _Weight(
                row=row,
                period=audit.period,
                leads_to=effect.standing,
                quiet_days=effect.quiet_days,
                since=audit.first_day,
                until=_quiet_from(audit.end_day, effect.quiet_days, judged),
                decisions=tuple(decided.get(finding_id, ())),
                exception=exception_for(book, row, Period.parse(audit.period)),
            )
        )
    return weights


def _described(session: Session, row: FindingRow) -> Mapping[str, Any]:
    """The description of a finding's rule, as it was recorded."""
    version = session.get(RuleVersion, (row.rule_id, row.rule_version))
    return version.content if version else {}


def _doubts(session: Session, person: Person, covering: Iterable[_Audit], rules: set[str]) -> set[tuple[int, str]]:
    """(run, rule) in which the customer could not be judged: such days are not quiet, only unseen."""
    groups = session.scalars(
        select(CellGroup).where(
            CellGroup.run_id.in_([audit.run_id for audit in covering]),
            CellGroup.rule_id.in_(rules),
            CellGroup.verdict.in_(NO_ANSWER),
            names_customer(person.customer_id),
        )
    )
    return {(group.run_id, group.rule_id) for group in groups if person.customer_id in group.customers}


def _quiet_from(end: date, days: int, judged: Iterable[_Audit]) -> date | None:
    """The day after ``days`` audited days from ``end`` on, or None where some of them were not audited."""
    reached, goal = end, end + timedelta(days=days)
    for audit in sorted(judged, key=lambda one: one.first_day):
        if audit.first_day <= reached < audit.end_day:
            reached = audit.end_day
    return goal if reached >= goal else None


def _evaluated(session: Session, person: Person, audits: Sequence[_Audit]) -> Evaluated:
    """How much of the customer these audits evaluated."""
    held = {(audit.run_id, tier) for audit in audits for tier in audit.tiers}
    periods = tuple(sorted({audit.period for audit in audits}))
    return evaluated_of(session, person.customer_id, held & set(person.audited), periods)


def _unanswered(session: Session, person: Person, covering: Iterable[_Audit]) -> set[int]:
    """The runs that did not evaluate the customer's usage in substance, under any of its tiers."""
    audited = set(person.audited)
    return {
        audit.run_id
        for audit in covering
        if all(
            unevaluated_customers(session, audit.run_id, tier, person.customer_id)
            for tier in audit.tiers
            if (audit.run_id, tier) in audited
        )
    }


def _without_findings(covering: Sequence[_Audit], unanswered: set[int], day: date) -> State:
    """The state on a day on which no finding weighs: that of the audits of the day, or of the last one before it."""
    return "not_evaluated" if all(audit.run_id in unanswered for audit in _on(covering, day)) else "good"


def _on(covering: Sequence[_Audit], day: date) -> list[_Audit]:
    """The audits of a day, or the last ones before it."""
    begun = [audit for audit in covering if audit.first_day <= day]
    last = max(audit.end_day for audit in begun)
    return [audit for audit in begun if day < audit.end_day] or [audit for audit in begun if audit.end_day == last]


def _history(
    weights: Sequence[_Weight], covering: Sequence[_Audit], unanswered: set[int], at: date
) -> tuple[Change, ...]:
    """Every change of the state from the first audited day to ``at``."""
    first = min(audit.first_day for audit in covering)
    edges = {first, *(day for weight in weights for day in weight.edges())}
    edges |= {day for audit in covering if unanswered for day in (audit.first_day, audit.end_day)}
    changes: list[Change] = []
    for day in sorted(day for day in edges if first <= day <= at):
        state = max((w.leads_to for w in weights if w.weighs_on(day)), key=STATES.index, default=STATES[0])
        if state == "good":
            state = _without_findings(covering, unanswered, day)
        if not changes or changes[-1].state != state:
            changes.append(Change(day, state))
    return tuple(changes)


def _reasons(session: Session, weights: Iterable[_Weight], at: date) -> tuple[Reason, ...]:
    reasons = []
    for weight in weights:
        row = weight.row
        words = words_for(_described(session, row), row.kind)
        reasons.append(
            Reason(
                finding_id=row.finding_id,
                rule_id=row.rule_id,
                title=str(words.get("title", row.rule_id)),
                severity=row.severity,
                summary=row.summary,
                period=weight.period,
                status=weight.status_on(at),
                leads_to=weight.leads_to,
                since=weight.since,
                may_say=str(words.get("may_say", "")),
                linked=row.subject_type == "group",
            )
        )
    return tuple(reasons)


def _would_change(weights: Sequence[_Weight], state: State) -> str:
    if state == "not_evaluated":
        return "An audit in which the customer's usage can be evaluated."
    if not weights:
        return ""
    days = max(weight.quiet_days for weight in weights)
    last = max(Period.parse(weight.period).last_day for weight in weights)
    return (
        f"An explanation that compliance accepts, or {days} quiet days after {last.day} {last:%b %Y} "
        "that an audit has covered and could judge."
    )
