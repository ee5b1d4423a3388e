"""Whom rules are asked about in one period, and what a rule is given to see of it, whoever asks: audit or back-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import Connection, select

from audits import quality
from audits.linkage import LinkReport
from audits.linkage.kinds import evidence_is_recorded
from audits.linkage.tables import linkage_runs
from audits.periods import Period
from audits.policy import Book
from audits.quality import DayVerdict, Reason
from audits.quality.usual import Day
from audits.rules.engine import population as people
from audits.rules.engine.base import Rule
from audits.rules.engine.evaluate import prepare_subjects
from audits.rules.engine.facts import Facts, prepare_facts
from audits.rules.engine.gaps import record_gaps
from audits.rules.engine.scope import Scope
from audits.rules.engine.verdicts import prepare_verdicts


@dataclass(frozen=True, slots=True)
class Asking:
    """A period whose audited accounts and groups stand ready on the connection, as temporary tables."""

    period: Period
    book: Book
    tiers: tuple[str, ...]  # that are audited now
    facts: Facts
    verdicts: tuple[DayVerdict, ...]  # on the data of the period's days
    groups: Mapping[str, str]  # account -> its linked group
    links: LinkReport | None  # what linking came to; None where the period was not linked
    unrecorded: frozenset[str]  # contract tables that are absent or empty
    blocked: tuple[Day, ...]  # whose rows must not be read, also before the period
    degraded: tuple[tuple[Day, Reason], ...]  # days with what is wrong on them, likewise

    def scope(self, rule: Rule) -> Scope:
        """What the rule sees: the limits that the book has for the audited tiers, where the terms forbid anything."""
        first = first_day_of(rule, self.period)
        limits = self.book.limits(
            rule.id, first, self.period.last_day, families=rule.spec.families, judged_from=self.period.first_day
        )
        held = tuple(row for row in limits if row.tier in self.tiers)
        reasons = [(day, reason) for day, reason in self.degraded if rule.id in reason.rules]
        aside = tuple(day for day, reason in reasons if reason.set_aside)
        incomplete = tuple(day for day, reason in reasons if not reason.set_aside)
        return Scope(self.period, rule.spec, self.book, held, self.unrecorded, self.blocked, aside, incomplete)

    def under(self, book: Book) -> Asking:
        """The same people under another book, which must have the same tiers in the same order."""
        return replace(self, book=book)


def prepare_asking(
    connection: Connection, period: Period, book: Book, rules: Mapping[str, Rule], tiers: Sequence[str]
) -> Asking:
    """Put the period's accounts, groups and facts where rules and verdicts find them, as temporary tables."""
    order = tuple(tier.id for tier in book.tiers)
    first = min([first_day_of(rule, period) for rule in rules.values()], default=period.first_day)
    verdicts = quality.recorded(connection, first, period.last_day)
    blocked = tuple((one.day, one.source_system) for one in verdicts if one.verdict == "blocked")
    people.prepare(connection, period, first, order, blocked)
    prepare_evaluation(connection, period, set(order) - set(tiers))
    links = _links(connection, period)
    facts = Facts(
        gaps=record_gaps(connection, period, verdicts, rules),
        linkable=links is None or evidence_is_recorded(links.without),
    )
    return Asking(
        period=period,
        book=book,
        tiers=tuple(tiers),
        facts=facts,
        verdicts=tuple(one for one in verdicts if one.day >= period.first_day),
        groups=people.groups_of_accounts(connection),
        links=links,
        unrecorded=people.unrecorded_tables(connection),
        blocked=blocked,
        degraded=tuple(
            ((one.day, one.source_system), reason)
            for one in verdicts
            if one.verdict == "degraded"
            for reason in one.reasons
        ),
    )


def prepare_evaluation(connection: Connection, period: Period, left_out: set[str]) -> None:
    """Make the tables that evaluating a rule reads and fills; the audited accounts must be there."""
    prepare_facts(connection, period, left_out)
    prepare_subjects(connection)
    prepare_verdicts(connection)


def first_day_of(rule: Rule, period: Period) -> date:
    """The first day that a rule reads when it judges a period: that of its baseline."""
    return period.first_day - timedelta(days=rule.spec.baseline_days)


def _links(connection: Connection, period: Period) -> LinkReport | None:
    report = connection.scalar(select(linkage_runs.c.report).where(linkage_runs.c.period == period.id))
    return LinkReport.from_json(report) if report else None
