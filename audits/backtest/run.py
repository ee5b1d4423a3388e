"""Running a back-test over several periods, and adding up what it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audits.backtest.compare import PeriodResult, Person, Seen, compare
from audits.backtest.prepared import require_prepared
from audits.backtest.propose import Proposal
from audits.backtest.result import (
    KINDS,
    BackTest,
    Change,
    Concerned,
    Counts,
    Kind,
    PeriodOutcome,
    RuleOutcome,
    TierOutcome,
)
from audits.periods import Period
from audits.rules.engine.base import SEVERITIES
from audits.rules.engine.population import customer_names
from audits.warehouse import Warehouse

Names = Mapping[str, tuple[str, str]]
_ALONE = "one rule was evaluated alone: in an audit its findings may become critical, where other rules agree"
_QUALITY = "the quality of data is as it was judged when the periods were prepared; other quality limits are not tried"


def run_backtest(
    warehouse: Warehouse, proposal: Proposal, periods: Sequence[Period], tell: Callable[[str], None] = lambda _: None
) -> BackTest:
    """Hold the findings under the law in force against those under the proposed one, period by period."""
    every = {**proposal.present.rules, **proposal.proposed.rules}
    with warehouse.begin() as connection:
        require_prepared(connection, periods, [every[rule_id] for rule_id in proposal.asked])
        results = []
        for period in periods:
            tell(f"Evaluating {period}")
            results.append(compare(connection, period, proposal))
        names = customer_names(connection, periods[-1])
    return _add_up(proposal, results, names)


def _add_up(proposal: Proposal, results: Sequence[PeriodResult], names: Names) -> BackTest:
    titles = {tier.id: tier.title for law in (proposal.present, proposal.proposed) for tier in law.book.tiers}
    of_rules = [rule for one in results for rule in one.rules.values()]
    people = _People(
        _union(one.people for one in results),
        _union(rule.people_before for rule in of_rules),
        _union(rule.people_after for rule in of_rules),
    )
    by_tier: dict[str, Counts] = {tier: Counts() for tier in [*titles, *sorted({tier for _, tier in people.audited})]}
    for rule in of_rules:
        for tier, counts in rule.counts.items():
            by_tier[tier] = by_tier.get(tier, Counts()) + counts
    return BackTest(
        periods=tuple(_period(one) for one in results),
        present=proposal.present.book.digest,
        proposed=proposal.proposed.book.digest,
        title=proposal.present.book.title,
        proposed_title=proposal.proposed.book.title,
        proposal=proposal.changes,
        counts=sum(by_tier.values(), Counts()),
        concerned=people.concerned(),
        tiers=tuple(
            TierOutcome(tier, titles.get(tier, tier), counts, people.concerned(tier))
            for tier, counts in by_tier.items()
        ),
        rules=tuple(_rule(proposal, rule_id, results) for rule_id in proposal.asked),
        changes=tuple(_changes(proposal, results, names)),
        notes=_notes(proposal, results),
    )


@dataclass(frozen=True, slots=True)
class _People:
    """Customers under their tiers: all who were audited, and those with a finding under each of the books."""

    audited: frozenset[Person]
    before: frozenset[Person]
    after: frozenset[Person]

    def concerned(self, tier: str | None = None) -> Concerned:
        """In figures, of one tier or of all; who was in two tiers counts once in all of them together."""
        everyone, before, after = (
            {person for person, its in people if tier in {None, its}}
            for people in (self.audited, self.before, self.after)
        )
        return Concerned(len(everyone), len(before), len(after), len(after - before), len(before - after))


def _union(parts: Iterable[frozenset[Person]]) -> frozenset[Person]:
    return frozenset[Person]().union(*parts)


def _period(one: PeriodResult) -> PeriodOutcome:
    counts = sum((counts for rule in one.rules.values() for counts in rule.counts.values()), Counts())
    return PeriodOutcome(one.period.id, one.period.title, counts, len({person for person, _ in one.people}))


def _rule(proposal: Proposal, rule_id: str, results: Sequence[PeriodResult]) -> RuleOutcome:
    rule = proposal.proposed.rules.get(rule_id) or proposal.present.rules[rule_id]
    held = [(one.period, one.rules[rule_id]) for one in results]
    failed = [
        f"{period}, under the {which} book: {side.error}"
        for period, both in held
        for which, side in (("present", both.before), ("proposed", both.after))
        if side.error
    ]
    return RuleOutcome(
        rule_id=rule_id,
        title=rule.spec.title,
        counts=sum((counts for _, both in held for counts in both.counts.values()), Counts()),
        status_before=held[-1][1].before.status,
        status_after=held[-1][1].after.status,
        judged=sum(both.after.judged for _, both in held),
        stopped=tuple(period.id for period, both in held if both.after.status == "stopped"),
        errors=tuple(failed),
    )


def _changes(proposal: Proposal, results: Sequence[PeriodResult], names: Names) -> list[Change]:
    """Every change once, with its periods; gravest first, then what happens most often, then by rule and subject."""
    seen: dict[tuple[str, ...], list[tuple[Period, Seen]]] = defaultdict(list)
    for one in results:
        for rule in one.rules.values():
            for change in rule.seen:
                seen[change.kind, *change.key].append((one.period, change))
    changes = [_change(proposal, many, names) for many in seen.values()]
    return sorted(
        changes,
        key=lambda one: (
            KINDS.index(one.kind), -SEVERITIES.index(one.severity), -len(one.periods), one.rule_id, one.tier,
            one.subject_type, one.subject_id, one.discriminator,
        ),
    )  # fmt: skip


def _change(proposal: Proposal, many: Sequence[tuple[Period, Seen]], names: Names) -> Change:
    """One finding's change of one kind; severity, words and members are those of its newest period."""
    newest = many[-1][1]
    rule_id, tier, subject_type, subject_id, discriminator = newest.key
    rule = proposal.proposed.rules.get(rule_id) or proposal.present.rules[rule_id]
    found = newest.after or newest.before
    customers = found.customer_ids if found else ()
    kind: Kind = newest.kind
    return Change(
        kind=kind,
        rule_id=rule_id,
        rule_title=rule.spec.title,
        tier=tier,
        subject_type=subject_type,
        subject_id=subject_id,
        discriminator=discriminator,
        severity_before=newest.before.severity if newest.before else "",
        severity_after=newest.after.severity if newest.after else "",
        summary=newest.summary,
        accounts=len(found.account_ids) if found else 0,
        customers=tuple((one, names.get(one, (one, ""))[0]) for one in customers),
        periods=tuple(period.id for period, _ in many),
    )


def _notes(proposal: Proposal, results: Sequence[PeriodResult]) -> tuple[str, ...]:
    notes = []
    present, proposed = proposal.present.book, proposal.proposed.book
    days = results[0].period.first_day, results[-1].period.last_day
    if any(present.quality(day) != proposed.quality(day) for day in days):
        notes.append(_QUALITY)
    if len(proposal.asked) == 1 and any(present.settings(day).combination for day in days):
        notes.append(_ALONE)
    return tuple(notes)
