"""Whom rules are asked about in one period, and what a rule is given to see of it, whoever asks: audit or back-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlalchemy import Connection

from audits import quality
from audits.periods import Period
from audits.policy import Book
from audits.quality import DayVerdict
from audits.rules import population as people
from audits.rules.base import Rule
from audits.rules.doubts import doubts_of
from audits.rules.evaluate import Population
from audits.rules.scope import Scope


@dataclass(frozen=True, slots=True)
class Asking:
    """A period whose audited accounts and groups stand ready on the connection, as temporary tables."""

    period: Period
    book: Book
    tiers: tuple[str, ...]  # that are audited now
    population: Population
    verdicts: tuple[DayVerdict, ...]  # on the data of the period's days
    groups: Mapping[str, str]  # account -> its linked group
    unrecorded: frozenset[str]  # contract tables that are absent or empty

    def scope(self, rule: Rule) -> Scope:
        """What the rule sees: the limits that the book has for the audited tiers, where the terms forbid anything."""
        first = first_day_of(rule, self.period)
        limits = self.book.limits(
            rule.id, first, self.period.last_day, families=rule.spec.families, judged_from=self.period.first_day
        )
        held = tuple(row for row in limits if row.tier in self.tiers)
        return Scope(self.period, rule.spec, self.book, held, self.unrecorded)

    def under(self, book: Book) -> Asking:
        """The same people under another book, which must have the same tiers in the same order."""
        return replace(self, book=book)


def prepare_asking(
    connection: Connection, period: Period, book: Book, rules: Mapping[str, Rule], tiers: Sequence[str]
) -> Asking:
    """Put the period's accounts and groups where rules find them, and say what is known about judging them."""
    order = tuple(tier.id for tier in book.tiers)
    first = min([first_day_of(rule, period) for rule in rules.values()], default=period.first_day)
    people.prepare(connection, period, first, order)
    everyone = people.read_accounts(connection, period)
    left_out = set(order) - set(tiers)
    verdicts = quality.recorded(connection, period.first_day, period.last_day)
    population = Population(
        accounts=tuple(account for account in everyone if account.tier not in left_out),
        doubts=doubts_of(connection, verdicts, rules),
        others=tuple(account for account in everyone if account.tier in left_out),
    )
    groups = people.groups_of_accounts(connection)
    return Asking(period, book, tuple(tiers), population, verdicts, groups, people.unrecorded_tables(connection))


def first_day_of(rule: Rule, period: Period) -> date:
    """The first day that a rule reads when it judges a period: that of its baseline."""
    return period.first_day - timedelta(days=rule.spec.baseline_days)
