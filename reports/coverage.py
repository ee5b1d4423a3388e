"""What was judged and what was not: cells by rule and verdict with their reasons, and the data's quality by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger.coverage import Checks, linkage_of
from audits.ledger.models import CellGroup, EvaluationRow, FindingRow, QualityDay, Run
from audits.linkage.kinds import BY_NAME
from audits.periods import Period
from audits.rules.engine.verdicts import NO_LINKS
from reports import model, text
from reports.changes import Fate
from reports.model import HeldBack, Limit, Linking, NotCompliant, RuleCoverage, SharedValue
from reports.wording import Key, Words, key_of

_WORST = ("none", "good", "degraded", "blocked")


class Cells:
    """Who is behind every verdict of a tier in one run."""

    def __init__(self, session: Session, run: Run, tier: str, customers: Iterable[str]) -> None:
        self.run, self.tier, self.customers = run, tier, set(customers)
        order = (CellGroup.rule_id, CellGroup.number)
        self.groups = session.scalars(
            select(CellGroup).where(CellGroup.run_id == run.id, CellGroup.tier == tier).order_by(*order)
        ).all()
        self.rules = session.scalars(
            select(EvaluationRow)
            .where(EvaluationRow.run_id == run.id, EvaluationRow.tier == tier)
            .order_by(EvaluationRow.rule_id)
        ).all()
        self.verdicts = {
            (group.rule_id, customer): (group.verdict, group.reason)
            for group in self.groups
            for customer in group.customers
        }
        self.rows = session.scalars(
            select(FindingRow)
            .where(FindingRow.run_id == run.id)
            .order_by(FindingRow.published, FindingRow.tier == tier, FindingRow.finding_id)
        ).all()
        self.found: dict[Key, FindingRow] = {key_of(row): row for row in self.rows}  # the last one of a key stays

    def fate_of(self, row: FindingRow) -> Fate | None:
        """What became of an earlier finding that this run may not have; None where it is still there.

        A finding counts as resolved only if its customers were evaluated again: not to be found is not the same.
        """
        now = self.found.get(key_of(row))
        if now is not None and now.published:
            return None if now.tier == self.tier else ("left", f"now reported under tier {now.tier}")
        if row.rule_id not in self.run.rules:
            return "not_evaluated", "the rule was not asked"
        status = next((rule.status for rule in self.rules if rule.rule_id == row.rule_id), "active")
        if now is not None or status != "active":
            return "not_evaluated", f"the rule's findings are not reported ({_held(status)})"
        audited = [customer for customer in row.customer_ids if customer in self.customers]
        if row.customer_ids and not audited:
            return "left", "no longer audited under this tier"
        verdicts = [self.verdicts.get((row.rule_id, customer), ("compliant", "")) for customer in sorted(audited)]
        for verdict, reason in verdicts:
            if verdict in {"not_evaluated", "errored"}:
                return "not_evaluated", reason
        idle = verdicts and all(verdict == "not_applicable" for verdict, _ in verdicts)
        return "resolved", verdicts[0][1] if idle else ""

    def checks(self) -> Checks:
        """All cells of the tier."""
        return Checks.of(self.rules)

    def coverage(self, words: Words) -> tuple[RuleCoverage, ...]:
        """Each rule's account of itself."""
        period = Period.parse(self.run.period)
        held = Counter(row.rule_id for row in self.rows if row.tier == self.tier and not row.published)
        return tuple(
            RuleCoverage(
                rule_id=row.rule_id,
                title=words.title(row.rule_id),
                question=str(words.rules.get(row.rule_id, {}).get("question", "")),
                version=row.version,
                status=row.status,
                signal=str(words.rules.get(row.rule_id, {}).get("signal", "")),
                families=tuple(words.rules.get(row.rule_id, {}).get("families", ())),
                checks=Checks.of([row]),
                held_back=held[row.rule_id],
                error=row.error,
                reasons=tuple(
                    NotCompliant(group.verdict, group.reason, words.people(group.customers))
                    for group in self.groups
                    if group.rule_id == row.rule_id and group.reason
                ),
                limits=_limits(words, row.rule_id, self.tier, period),
            )
            for row in self.rules
        )

    def linking(self) -> Linking | None:
        """What linking accounts came to, in words; None where the run did not record it."""
        report = linkage_of(self.run)
        if report is None:
            return None
        return Linking(
            accounts=report.accounts,
            groups=report.groups,
            members=report.members,
            missing=tuple(map(_evidence, report.without)),
            wide=tuple(SharedValue(_evidence(hub.kind), hub.value_digest, hub.customers) for hub in report.hubs),
            held_back=tuple(
                HeldBack(one.accounts, _evidence(one.kind), one.value_digest, one.customers, one.pieces)
                for one in report.held_back
            ),
            unevaluated=tuple(dict.fromkeys(group.rule_id for group in self.groups if group.reason == NO_LINKS)),
        )

    def quality(self, session: Session) -> tuple[model.QualityDay, ...]:
        """A verdict for every day of the period, the days without any row included."""
        rows = session.scalars(
            select(QualityDay)
            .where(QualityDay.run_id == self.run.id)
            .order_by(QualityDay.day, QualityDay.source_system)
        ).all()
        several = len({row.source_system for row in rows}) > 1
        doubted: Counter[str] = Counter()
        for group in self.groups:
            if group.verdict == "not_evaluated":
                doubted[group.reason] += len(group.customers)
        days = []
        for day in Period.parse(self.run.period).days:
            verdicts = [row for row in rows if row.day == day]
            start = f"data quality on {day}"
            days.append(
                model.QualityDay(
                    day=day,
                    verdict=max((row.verdict for row in verdicts), key=_WORST.index, default="none"),
                    reasons=tuple(
                        f"{row.source_system}: {reason['what']}" if several else str(reason["what"])
                        for row in verdicts
                        for reason in row.reasons
                    ),
                    checks=sum(count for reason, count in doubted.items() if reason.startswith(start)),
                )
            )
        return tuple(days)


def _evidence(kind: str) -> str:
    """A kind of evidence in words."""
    return BY_NAME[kind].title if kind in BY_NAME else kind.replace("_", " ")


def _held(status: str) -> str:
    return {"shadow": "in shadow", "stopped": "stopped by the circuit breaker"}.get(status, "held back")


def _limits(words: Words, rule_id: str, tier: str, period: Period) -> tuple[Limit, ...]:
    """The rule's parameters for the tier on any day of the period; a change inside it gives two lines."""
    if words.book is None:
        return ()
    parameters: Mapping[str, Mapping[str, Any]] = words.rules.get(rule_id, {}).get("parameters", {})
    rows = [row for row in words.book.limits(rule_id, period.first_day, period.last_day) if row.tier == tier]
    values = [(name, value, row.from_day, row.to_day) for row in rows for name, value in row.values.items()]
    return tuple(
        Limit(
            name,
            str(parameters.get(name, {}).get("meaning") or name.replace("_", " ")),
            text.measured(value, str(parameters.get(name, {}).get("type", "")), name),
            begins,
            ends,
        )
        for name, value, begins, ends in sorted(values, key=lambda one: (_place(parameters, one[0]), one[2]))
    )


def _place(parameters: Mapping[str, Any], name: str) -> tuple[int, str]:
    names = list(parameters)
    return (names.index(name) if name in names else len(names)), name
