"""How the members of a group use the service: like different people, or like one machine behind several accounts.

What explains a link (a payer, a network, an organisation) says nothing of what the accounts do. People who are set the
same task still work as much as they like and when they like; a load that is dealt out over accounts comes in even
portions, runs each account up to its limit, never sleeps, or keeps time. None of these figures depends on anybody
outside of the group. Members that only sit beside the load hide nothing: whether most keep a machine's hours is asked
of all, and of the largest ones that together make nearly all of the requests, where these would be a group themselves:
an agency may well have a client or two whose service never sleeps.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnClause,
    ColumnElement,
    Connection,
    Date,
    Float,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    column,
    func,
    or_,
    select,
    true,
)

from audits.periods import Period
from audits.policy import Book
from audits.rollups.account_day import account_day
from audits.rollups.account_hour import account_hour
from audits.rules.engine.literal_table import table_of
from audits.rules.engine.population import audited_accounts, audited_groups, held
from audits.warehouse.collation import by_bytes
from audits.warehouse.dialects import median, ratio

HOURS = 24.0
MEDIAN_OF_SQUARES = (
    0.455  # square of the normal distribution's third quartile: a squared MAD is that part of a variance
)
RANDOM_MIN = 0.001  # customary significance level: less probable than this is not put down to chance


@dataclass(frozen=True, slots=True)
class Habits:
    """How many of some members there are, and of these how many are used like a machine, in each of three ways."""

    members: int
    near_limit: int  # that came near their tier's daily limit on several days
    unsleeping: int  # that are used as much in any hour of the day as in any other, for all that is known
    even: int  # whose requests are spaced more evenly than chance would, for all that is known

    def of_machines(self, least: int = 0) -> bool:
        """Whether most of them, and so many of them, are used like a machine, in one way."""
        alike = max(self.near_limit, self.unsleeping, self.even)
        return alike >= least and 2 * alike > self.members


@dataclass(frozen=True, slots=True)
class Conduct:
    """What is known of a group's members that were used in the period."""

    volume_factor: float  # by which a typical member's requests of a day differ from the median of that day
    group_from: int  # accounts from which on some are a group by themselves (R04)
    everybody: Habits
    bearing: Habits  # of the largest members, which together make nearly all requests

    def one_hand(self, volume_factor_min: float) -> bool:
        """Whether the members behave like accounts of one operator: alike in volume, or most of them like a machine."""
        alike = self.volume_factor < volume_factor_min
        return alike or self.everybody.of_machines() or self.bearing.of_machines(self.group_from)


def conduct_of(
    connection: Connection, period: Period, book: Book, groups: Collection[str], nearly_all: float
) -> dict[str, Conduct]:
    """group -> how its members behaved in the period; groups that were not used are left out.

    ``nearly_all`` is the share of a group's requests that those who bear its load make.
    """
    if not groups:
        return {}
    group_from = int(_of_strictest(book, "R04", "accounts_min", period))
    days, hours = _days(period, book, groups), _hours(period, groups)
    members, portions = _volumes(days), _portions(days).c
    variation_max = _of_strictest(book, "R11", "hourly_variation_max", period)
    rhythm, spacing = _rhythm(hours, variation_max), _spacing(hours)
    timed = select(hours.c.account_id, func.sum(hours.c.n).label("n")).group_by(hours.c.account_id).subquery("timed")
    m, r, s, t = members.c, rhythm.c, spacing.c, timed.c
    joined: Any = members
    for habit in (rhythm, spacing, timed):
        joined = joined.outerjoin(habit, habit.c.account_id == m.account_id)
    # Of requests that are known in buckets nobody knows the hours: they may be a machine's.
    untimed = func.coalesce(t.n, 0.0) < nearly_all * m.requests
    largest_first = (m.requests.desc(), by_bytes(m.account_id))
    larger = func.sum(m.requests).over(partition_by=m.group_id, order_by=largest_first, rows=(None, -1))
    whole = func.sum(m.requests).over(partition_by=m.group_id)
    every = select(
        *m,
        or_(r.account_id.is_not(None), untimed).label("unsleeping"),
        or_(s.account_id.is_not(None), untimed).label("even"),
        (func.coalesce(larger, 0.0) < nearly_all * whole).label("bears"),
    )
    e = every.select_from(joined).cte("members_of_groups").c
    habits = (
        select(e.group_id, *_habits("everybody", e, true()), *_habits("bearing", e, e.bears))
        .group_by(e.group_id)
        .subquery("habits")
    )
    rows = connection.execute(
        select(
            *habits.c,
            func.coalesce(portions.away, 0.0).label("away"),
            func.coalesce(portions.by_chance, 0.0).label("by_chance"),
        ).select_from(habits.outerjoin(portions.group_id.table, portions.group_id == habits.c.group_id))
    )
    return {
        row.group_id: Conduct(
            math.exp(math.sqrt(max(row.away**2 - MEDIAN_OF_SQUARES * row.by_chance, 0.0))),
            group_from,
            *(Habits(*(getattr(row, f"{of}_{name}") for name in Habits.__slots__)) for of in ("everybody", "bearing")),
        )
        for row in rows
    }


def _habits(of: str, e: Any, which: ColumnElement[bool]) -> list[ColumnElement[int]]:
    """The columns of :class:`Habits`."""
    ways = {"members": true(), "near_limit": e.near, "unsleeping": e.unsleeping, "even": e.even}
    return [func.count().filter(which, way).label(f"{of}_{name}") for name, way in ways.items()]


def _days(period: Period, book: Book, groups: Collection[str]) -> CTE:
    """``n`` requests of a member by day, those that are ``near_from`` its tier's quota, and on how many days."""
    d, a, g, limits = account_day.c, audited_accounts.c, audited_groups.c, _quotas(period, book)
    q = limits.c
    in_force = and_(q.tier == a.tier, d.day >= q.from_day, d.day < q.to_day)
    n = func.sum(func.coalesce(d.n_ok, d.n_requests))
    return (
        select(
            g.group_id, d.account_id, d.day, n.label("n"), func.max(q.near_from).label("near_from"),
            func.max(q.days_min).label("days_min"),
        )
        .select_from(
            account_day.join(audited_groups, g.account_id == d.account_id)
            .outerjoin(audited_accounts, held(account_day))
            .outerjoin(limits, in_force)
        )
        .where(g.group_id.in_(sorted(groups)), d.day.between(period.first_day, period.last_day))
        .group_by(g.group_id, d.account_id, d.day)
        .having(n > 0)
        .cte("days_of_members")
    )  # fmt: skip


def _volumes(days: CTE) -> Subquery:
    """Members with all of their ``requests``, and whether they are ``near`` their limits.

    Near its limits is an account as rule R27 says: days on which it makes so much of its tier's quota, but at any age.
    """
    d = days.c
    near = func.count().filter(d.n >= d.near_from)
    return (
        select(
            d.group_id,
            d.account_id,
            cast(func.sum(d.n), Float(53)).label("requests"),
            func.coalesce(near >= func.max(d.days_min), False).label("near"),
        )
        .group_by(d.group_id, d.account_id)
        .subquery("volumes")
    )


def _portions(days: CTE) -> Subquery:
    """How far ln of a member's requests of a day typically is from the median of the members of that day (``away``),
    and what part of its square is ``by_chance``.

    Portions are dealt out by the day. Over a week, people who draw up each day's work anew come to much the same.
    """
    d = days.c
    volume = func.ln(cast(d.n, Float(53)))
    of_day = (
        select(d.group_id, d.day, median(volume).label("middle"))
        .group_by(d.group_id, d.day)
        .having(func.count() > 1)
        .subquery("portions_of_a_day")
    ).c
    return (
        select(
            d.group_id,
            median(func.abs(volume - of_day.middle)).label("away"),
            func.avg(1.0 / cast(d.n, Float(53))).label("by_chance"),
        )
        .where(of_day.group_id == d.group_id, of_day.day == d.day)
        .group_by(d.group_id)
        .subquery("portions")
    )


def _quotas(period: Period, book: Book) -> Subquery:
    """``tier``, ``from_day``, ``to_day``, the requests a day that are near the limit, and on how many days."""
    columns: list[ColumnClause[Any]] = [
        column("tier", String), column("from_day", Date), column("to_day", Date), column("near_from", Float(53)),
        column("days_min", Float(53)),
    ]  # fmt: skip
    rows = [
        (
            row.tier, row.from_day, row.to_day or date.max,
            _number(row.values["new_share_min"]) * _number(row.values["quota_requests_a_day"]),
            _number(row.values["new_days_min"]),
        )
        for row in book.limits("R27", period.first_day, period.last_day)
    ]  # fmt: skip
    return table_of(columns, rows, "quotas")


def _of_strictest(book: Book, rule: str, limit: str, period: Period) -> float:
    """A rule's limit as the tier with the least has it at the period's end."""
    rows = book.limits(rule, period.last_day, period.last_day)
    return min((_number(row.values[limit]) for row in rows), default=0.0)


def _hours(period: Period, groups: Collection[str]) -> CTE:
    """Requests of members by day and hour."""
    h, g = account_hour.c, audited_groups.c
    return (
        select(h.account_id, h.day, h.hour, cast(func.sum(h.n_requests), Float(53)).label("n"))
        .where(g.account_id == h.account_id, g.group_id.in_(sorted(groups)))
        .where(h.day.between(period.first_day, period.last_day))
        .group_by(h.account_id, h.day, h.hour)
        .cte("hours_of_members")
    )


def _rhythm(hours: CTE, variation_max: float) -> Subquery:
    """Members with an even day: the variation of its hours, free of the chance in counts, is within the limit.

    24 sum n(n-1) / N(N-1) - 1 is an unbiased estimate of the squared variation: 0 round the clock, 2 for eight hours.
    """
    h = hours.c
    by_hour = select(h.account_id, h.hour, func.sum(h.n).label("n")).group_by(h.account_id, h.hour).subquery("clock").c
    whole = func.sum(by_hour.n)
    squared = HOURS * ratio(func.sum(by_hour.n * (by_hour.n - 1)), whole * (whole - 1)) - 1
    return _accounts(by_hour.account_id, whole >= HOURS, squared <= variation_max**2).subquery("rhythm")


def _spacing(hours: CTE) -> Subquery:
    """Members whose busy hours hold the same number of requests more often than chance allows.

    Requests that come by chance make an hour's number a Poisson one, which is within one of its median m no more often
    than 3 / sqrt(2 pi m). That so large a share of n hours is there has at most the chance exp(-n D), D being the
    relative entropy of the share against that (Chernoff's bound on the binomial distribution).
    """
    h = hours.c
    middle = select(h.account_id, median(h.n).label("n")).group_by(h.account_id).subquery("usual").c
    alike = select(
        h.account_id,
        func.least(3 / func.sqrt(2 * math.pi * middle.n), 1.0).label("by_chance"),
        cast(func.count(), Float(53)).label("hours"),
        cast(func.count().filter(func.abs(h.n - middle.n) <= 1), Float(53)).label("same"),
    ).where(middle.account_id == h.account_id).group_by(h.account_id, middle.n).subquery("alike_hours").c  # fmt: skip
    share = alike.same / alike.hours
    rest = case((share < 1, (1 - share) * func.ln((1 - share) / (1 - alike.by_chance))), else_=0.0)
    entropy = share * func.ln(share / alike.by_chance) + rest
    more = case((share > alike.by_chance, alike.hours * entropy >= -math.log(RANDOM_MIN)), else_=False)
    return select(alike.account_id).where(alike.same > 0, alike.by_chance < 1, more).subquery("spacing")


def _accounts(account: ColumnElement[str], *which: ColumnElement[bool]) -> Select[Any]:
    return select(account.label("account_id")).group_by(account).having(and_(*which))


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]
