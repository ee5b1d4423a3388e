"""One period under both laws: what each rule finds under the one and under the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from audits.backtest.propose import Law, Proposal
from audits.backtest.result import Counts, Kind
from audits.ledger.assemble import publication_status
from audits.ledger.findings import distinct
from audits.periods import Period
from audits.rules import is_asked
from audits.rules.engine.asking import Asking, prepare_asking
from audits.rules.engine.base import SEVERITIES, Found, Rule
from audits.rules.engine.combine import combine
from audits.rules.engine.evaluate import Evaluation, evaluate
from audits.rules.engine.facts import customer_tiers
from audits.rules.engine.links import explanations
from audits.rules.engine.wording import summary_of

Person = tuple[str, str]
"""A customer under a tier."""

Key = tuple[str, str, str, str, str]
"""What a finding is about in any period: rule, tier, subject's type, subject, discriminator."""


@dataclass(frozen=True, slots=True)
class Side:
    """A rule under one of the laws. ``status`` is "" where the law does not ask the rule."""

    status: str = ""
    evaluation: Evaluation | None = None

    @property
    def error(self) -> str:
        """Why the rule could not be asked, or nothing."""
        return self.evaluation.error if self.evaluation else ""

    @property
    def judged(self) -> int:
        """The cells with an answer."""
        return self.evaluation.count("compliant", "violating") if self.evaluation else 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A change in one period."""

    kind: Kind
    key: Key
    before: Found | None
    after: Found | None
    summary: str


@dataclass(frozen=True, slots=True)
class RulePeriod:
    """A rule in a period: its sides, counts by tier, changes, and the customers with a finding under each law."""

    before: Side
    after: Side
    counts: Mapping[str, Counts]
    seen: tuple[Seen, ...]
    people_before: frozenset[Person]
    people_after: frozenset[Person]


@dataclass(slots=True)
class PeriodResult:
    """A period: everybody who was audited, and every rule."""

    period: Period
    people: frozenset[Person]
    rules: dict[str, RulePeriod] = field(default_factory=dict)


def compare(connection: Connection, period: Period, proposal: Proposal) -> PeriodResult:
    """Ask every rule of the proposal under both laws; nothing is written but temporary tables."""
    every = {**proposal.present.rules, **proposal.proposed.rules}
    asked = {rule_id: every[rule_id] for rule_id in proposal.asked}
    present, proposed = (law.book for law in (proposal.present, proposal.proposed))
    asking = prepare_asking(connection, period, present, asked, [tier.id for tier in present.tiers])
    people = customer_tiers(connection)
    before = _ask_all(connection, asking, proposal.present, proposal.asked)
    if [tier.id for tier in present.tiers] == [tier.id for tier in proposed.tiers]:
        again = asking.under(proposed)
    else:  # a group's tier and a tier's rank are others now
        again = prepare_asking(connection, period, proposed, asked, [tier.id for tier in proposed.tiers])
        people |= customer_tiers(connection)
    after = _ask_all(connection, again, proposal.proposed, proposal.asked)
    rules = {rule_id: _compared(asked[rule_id], before[rule_id], after[rule_id]) for rule_id in asked}
    return PeriodResult(period, people, rules)


def _ask_all(connection: Connection, asking: Asking, law: Law, rule_ids: Sequence[str]) -> dict[str, Side]:
    """Every rule's side, with the severities that rules in agreement lead to together."""
    sides = {rule_id: _ask(connection, asking, law, rule_id) for rule_id in rule_ids}
    evaluations = [side.evaluation for side in sides.values() if side.evaluation]
    active = {rule_id for rule_id, side in sides.items() if side.status == "active"}
    settings = law.book.settings(asking.period.last_day)
    links = explanations(connection, asking.period, law.book)
    combined = {one.rule.id: one for one in combine(evaluations, settings.combination, active, links)}
    return {rule_id: replace(side, evaluation=combined.get(rule_id)) for rule_id, side in sides.items()}


def _ask(connection: Connection, asking: Asking, law: Law, rule_id: str) -> Side:
    rule = law.rules.get(rule_id)
    if rule is None or not is_asked(rule, law.book, asking.period):
        return Side()
    evaluation = evaluate(connection, rule, asking.scope(rule), asking.facts)
    return Side(publication_status(evaluation, law.book, asking.period.last_day, asking.groups), evaluation)


def _compared(rule: Rule, before: Side, after: Side) -> RulePeriod:
    in_shadow = before.status == after.status == "shadow"
    old, new = _found(rule, before, in_shadow), _found(rule, after, in_shadow)
    if before.error or after.error:
        old = new = {}  # a rule that failed says nothing about anybody
    seen = tuple(_changes(old, new))
    counts: dict[str, Counts] = defaultdict(Counts)
    for found, name in ((old, "before"), (new, "after")):
        for key in found:
            counts[key[1]] += Counts(**{name: 1})
    for one in seen:
        counts[one.key[1]] += Counts(**{one.kind: 1})
    return RulePeriod(before, after, counts, seen, _people(before, bool(old)), _people(after, bool(new)))


def _found(rule: Rule, side: Side, in_shadow: bool) -> dict[Key, tuple[Found, str]]:
    """The findings that a reader of reports would have; those of a shadow count where it is one under both laws.

    What the circuit breaker holds back counts too: to know whom it would hit is why one asks.
    """
    if side.evaluation is None or (side.status == "shadow" and not in_shadow):
        return {}
    own = side.evaluation.rule
    return {
        (rule.id, one.tier, one.subject_type, one.subject_id, one.discriminator): (one, summary_of(own, one))
        for one in distinct(side.evaluation.found)
    }


def _changes(old: Mapping[Key, tuple[Found, str]], new: Mapping[Key, tuple[Found, str]]) -> Iterator[Seen]:
    for key in sorted(old.keys() | new.keys()):
        before, _ = old.get(key, (None, ""))
        after, _ = new.get(key, (None, ""))
        summary = (new.get(key) or old[key])[1]
        if before is None or after is None:
            yield Seen("gained" if before is None else "lost", key, before, after, summary)
        elif before.severity != after.severity:
            worse = SEVERITIES.index(after.severity) > SEVERITIES.index(before.severity)
            yield Seen("raised" if worse else "lowered", key, before, after, summary)


def _people(side: Side, counted: bool) -> frozenset[Person]:
    cells = side.evaluation.each() if side.evaluation and counted else ()
    return frozenset((cell.customer_id, cell.tier) for cell in cells if cell.verdict == "violating")
