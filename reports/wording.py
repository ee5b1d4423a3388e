"""From a recorded finding to one that a reader understands: the rule's words, names, figures, clauses, history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from audits.display import short_id
from audits.ledger.models import FindingRow
from audits.ledger.read import Recorded, words_for
from audits.periods import Period
from audits.policy import Book
from reports import text
from reports.model import Chart, Clause, Event, Finding, Measure

DECISIONS = {
    "open": "open",
    "acknowledged": "acknowledged",
    "confirmed": "confirmed",
    "false_positive": "false positive",
    "remediated": "remediated",
    "excepted": "excepted",
    "resolved": "resolved",
}
"""Statuses in words."""

Key = tuple[str, str, str, str]
"""What a finding is about in any period: rule, kind of its findings ("": it has one only), subject's type, subject."""


@dataclass(frozen=True, slots=True)
class Words:
    """What turns ids into words: the rules' descriptions, the policy book and the customers' names."""

    rules: Mapping[str, Mapping[str, Any]]
    book: Book | None
    names: Mapping[str, str]

    def title(self, rule_id: str) -> str:
        """A rule's title."""
        return str(self.rules.get(rule_id, {}).get("title", rule_id))

    def of(self, row: FindingRow) -> Mapping[str, Any]:
        """The rule's description as it is true of a finding."""
        return words_for(self.rules.get(row.rule_id, {}), row.kind)

    def people(self, customer_ids: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """(customer_id, name), in order of name."""
        pairs = ((customer, self.names.get(customer) or customer) for customer in customer_ids)
        return tuple(sorted(pairs, key=lambda pair: (pair[1].casefold(), pair[0])))


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier periods say of a finding's subject under its rule."""

    change: str = ""
    severity_before: str = ""
    seen: Sequence[tuple[Period, str]] = field(default_factory=tuple)  # (period, severity), newest first


def key_of(row: FindingRow) -> Key:
    """What a finding is about, whatever its period."""
    return row.rule_id, row.kind or "", row.subject_type, row.subject_id


def subject_of(subject_type: str, subject_id: str, customers: Sequence[tuple[str, str]]) -> str:
    """A finding's subject in words: a customer by name, everything else by its kind and id."""
    match subject_type:
        case "customer":
            return dict(customers).get(subject_id, subject_id)
        case "group":
            return f"Linked group {subject_id}"
        case "account" if len(customers) == 1:
            return customers[0][1]
        case "key" if len(customers) == 1:
            return f"{customers[0][1]}, one key"
        case _:
            return f"{subject_type.capitalize()} {short_id(subject_type, subject_id)}"


def finding_of(found: Recorded, words: Words, past: Past) -> Finding:
    """The finding as its reader meets it."""
    row = found.row
    rule = words.of(row)
    return Finding(
        id=row.finding_id,
        rule_id=row.rule_id,
        rule_version=row.rule_version,
        title=str(rule.get("title", row.rule_id)),
        question=str(rule.get("question", "")),
        families=tuple(rule.get("families", ())),
        basis=str(rule.get("basis", "behaviour")),
        marks_standing=bool(rule.get("marks_standing", True)),
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        severity=row.severity,
        severity_before=past.severity_before,
        change=past.change,  # type: ignore[arg-type]
        status=found.status,
        summary=row.summary,
        measures=_measures(row, rule),
        clauses=tuple(clause_of(clause, words.book) for clause in row.clauses),
        chart=chart_of(row.chart),
        account_ids=tuple(row.account_ids),
        customers=words.people(row.customer_ids),
        benign=tuple(rule.get("benign", ())),
        next_step=str(rule.get("next_step", "")),
        may_say=str(rule.get("may_say", "")),
        history=_history(found, past),
        evidence_sql=row.evidence_sql,
    )


def clause_of(clause_id: str, book: Book | None) -> Clause:
    """A clause version as the policy book of the run has it."""
    clause = book.clause(clause_id) if book else None
    if clause is None:
        return Clause(clause_id)
    return Clause(
        clause.id, clause.family, clause.document, clause.section, clause.text, clause.url,
        clause.effective_from, clause.effective_to,
    )  # fmt: skip


def chart_of(data: Mapping[str, Any]) -> Chart | None:
    """The daily series behind a finding, or None where none was recorded."""
    days, values = data.get("days") or [], data.get("values") or []
    if not days or len(days) != len(values):
        return None
    limit, usual = data.get("limit"), data.get("usual")
    return Chart(
        unit=str(data.get("unit") or ""),
        days=tuple(date.fromisoformat(day) for day in days),
        values=tuple(float(value or 0) for value in values),
        limit=float(limit) if isinstance(limit, int | float) else None,
        baseline_days=int(data.get("baseline_days") or 0),
        usual=(float(usual[0]), float(usual[1])) if usual else None,
        members=tuple(
            (account, tuple(float(value or 0) for value in series))
            for account, series in sorted((data.get("series") or {}).items(), key=lambda one: (-max(one[1]), one[0]))
            if len(series) == len(days)
        ),
    )


def _measures(row: FindingRow, rule: Mapping[str, Any]) -> tuple[Measure, ...]:
    """Each observed figure beside the limit that the rule compares it with, then the limits without a figure."""
    meanings, parameters, against = rule.get("observed", {}), rule.get("parameters", {}), rule.get("against", {})
    measures, beside = [], set()
    for name, value in row.observed.items():
        held = next((limit for limit in against.get(name, ()) if row.limits.get(limit) is not None), "")
        if value is None and not held:
            continue  # the rule has another unit too, and this figure is for that one
        kind = parameters.get(held, {}).get("type", "")
        limit = text.measured(row.limits[held], kind, held) if held else ""
        measures.append(Measure(meanings.get(name) or _plain(name), text.measured(value, kind, name), limit))
        beside.add(held)
    for name, value in row.limits.items():
        if value is None or name in beside:
            continue
        parameter = parameters.get(name, {})
        meaning = parameter.get("meaning") or _plain(name)
        measures.append(Measure(meaning, limit=text.measured(value, parameter.get("type", ""), name)))
    return tuple(measures)


def _plain(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _history(found: Recorded, past: Past) -> tuple[Event, ...]:
    events = [
        Event(period.first_day, f"found in {period.title}, {severity}") for period, severity in reversed(past.seen)
    ]
    events.append(Event(found.row.first_seen.date(), "first recorded for this period"))
    for decision in found.decisions:
        until = f" until {text.day(decision.until)}" if decision.until else ""
        word = DECISIONS.get(decision.decided_as, decision.decided_as)
        events.append(Event(decision.decided_at.date(), f"{word}{until} by {decision.who}: {decision.why}"))
    if found.status.word == "excepted" and found.status.since is None and found.status.until:
        until = text.day(found.status.until)
        what = f"excepted until {until} by the policy book, owner {found.status.who}: {found.status.why}"
        events.append(Event(found.row.first_seen.date(), what))
    return tuple(events)
