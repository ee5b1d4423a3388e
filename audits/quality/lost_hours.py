"""Hours in which a source lost rows of everybody: told by likelihood, from the source's own four weeks.

Two things must be far more likely under a loss than without one. The hour's rows: against the rows that are usual in
the hour, at the level of this day's other hours, with the spread that the source's hours show from week to week (a
negative binomial). And the accounts one by one: each against its own four weeks, at the level of the day for
most of those that have any, and the evidence of each limited so that no fewer than ``AGREEING`` of them decide. A
customer's nightly batch that was skipped moves the first and not the second. The level of a day is a median over its
hours: with a sum, one launch in one hour would make every other hour look short of rows.

An hour without any row is told by presence as well. Accounts that work like clockwork make few requests an hour, whose
number says little; that they come in every hour says much. How often an account was missing where it usually is is
counted over all its hours, and so is what its silence in this one is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from math import log, sqrt
from statistics import median
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from audits.quality.usual import LEAST_WEEKS, Day, Hours, days_before
from audits.warehouse.collation import by_bytes
from audits.warehouse.days import within
from audits.warehouse.dialects import utc_day, utc_hour
from audits.warehouse.tables import usage_events

AGREEING = 3
"""Accounts whose evidence is needed at least: two may well pause together."""

POISSON = 1e-9
"""Relative variance that stands for none: a Poisson count."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An hour of which rows are missing: the rows that are usual at the day's level, and those that are there."""

    usual: float
    rows: float

    @property
    def share(self) -> float:
        """The share of the usual rows that is missing."""
        return 1 - self.rows / self.usual


def suspects(now: Hours, past: Sequence[Hours], odds: float) -> dict[int, Lost]:
    """Hours whose rows alone are ``odds`` times likelier under a loss; none where there is too little history."""
    weeks = [[week[hour].n_rows if hour in week else 0.0 for hour in range(24)] for week in past if week]
    if len(weeks) < LEAST_WEEKS:
        return {}
    today = [now[hour].n_rows if hour in now else 0.0 for hour in range(24)]
    spread = max(POISSON, _spread(weeks))
    habit = _usual(weeks)
    found = {}
    for hour in range(24):
        usual = _expected(today, habit, hour) if now else habit[hour]  # a day without any row has no level
        if usual > today[hour] and (
            _is_silent(hour, now, past) or evidence(today[hour], usual, today[hour] / usual, spread) >= log(odds)
        ):
            found[hour] = Lost(usual, today[hour])
    return found


def _is_silent(hour: int, now: Hours, past: Sequence[Hours]) -> bool:
    """Whether nothing came in an hour in which enough accounts usually come to tell by their presence."""
    usual = median(week[hour].n_accounts if hour in week else 0.0 for week in past if week)
    return hour not in now and usual >= AGREEING


def confirmed(connection: Connection, one: Day, hours: Mapping[int, Lost], odds: float) -> dict[int, Lost]:
    """Those of the hours that the accounts bear out one by one, each against its own weeks before."""
    day, source = one
    e = usage_events.c
    days = (day, *days_before(day))
    of_day, of_hour = utc_day(e.event_ts), utc_hour(e.event_ts)
    counts = (
        select(of_hour.label("hour"), e.account_id, of_day.label("day"), _requests().label("n"))
        .where(e.source_system == source, or_(*(within(e.event_ts, held, held) for held in days)))
        .where(of_hour.in_(sorted(hours)))
        .group_by(of_hour, e.account_id, of_day)
        .subquery("counts")
    ).c
    weeks = _weeks(connection, source, days[1:])
    if weeks < LEAST_WEEKS:
        return {}
    level = _level_of_accounts(connection, one, hours)
    before = counts.day != literal(day)
    n = cast(counts.n, Float(53))
    mean = func.coalesce(func.sum(n).filter(before), 0.0) / weeks
    squares = func.coalesce(func.sum(n * n).filter(before), 0.0) / weeks
    account = (
        select(
            counts.hour,
            counts.account_id,
            mean.label("mean"),
            (squares - mean * mean).label("variance"),
            func.coalesce(func.sum(n).filter(~before), 0.0).label("n"),
        )
        .group_by(counts.hour, counts.account_id)
        .subquery("account")
    ).c
    own = (account.variance * weeks / (weeks - 1) - account.mean) / (account.mean * account.mean)
    excess = case((account.mean > 0, func.greatest(own, 0.0)), else_=None)
    pooled = func.coalesce(func.avg(excess).over(partition_by=account.hour), 0.0)
    one_by_one = (
        select(
            account.hour,
            account.account_id,
            (account.mean * level).label("usual"),
            account.n,
            func.greatest((excess * (weeks - 1) + pooled) / weeks, POISSON).label("spread"),
        )
        .where(account.mean > 0)
        .subquery("one_by_one")
    )
    a = one_by_one.c
    left = case(*((a.hour == hour, max(lost.rows / lost.usual, POISSON)) for hour, lost in hours.items()), else_=1.0)
    size = 1.0 / a.spread
    told = a.n * func.ln(left) - (a.n + size) * func.ln((size + left * a.usual) / (size + a.usual))
    most = log(odds) / AGREEING
    absence = _absence(one, hours, weeks)
    away = absence.c
    told = func.greatest(told, func.coalesce(away.told, 0.0))
    limited = func.greatest(func.least(told, most), -most)
    whose = one_by_one.outerjoin(absence, and_(away.account_id == a.account_id, away.hour == a.hour))
    rows = connection.execute(select(a.hour, func.sum(limited).label("told")).select_from(whose).group_by(a.hour))
    return {row.hour: hours[row.hour] for row in rows if row.told >= log(odds) * (1 - POISSON)}


def _absence(one: Day, hours: Mapping[int, Lost], weeks: int) -> Subquery:
    """``account_id``, silent ``hour`` and what is ``told`` by the absence of an account that usually comes in it.

    An hour is usual where the account came in most of the other weeks. Its rate of absence is that over its usual
    hours, of the weeks and of the day's other hours, by the estimator of Krichevsky and Trofimov (IEEE Trans. Inf.
    Theory 27, 1981): a half is added to absences and to presences, so that nobody is taken for infallible.
    """
    day, source = one
    e = usage_events.c
    of_day, of_hour = utc_day(e.event_ts), utc_hour(e.event_ts)
    came = (
        select(
            e.account_id,
            of_hour.label("hour"),
            func.count(of_day.distinct()).filter(~within(e.event_ts, day, day)).label("times"),
            func.count(of_day.distinct()).filter(within(e.event_ts, day, day)).label("now"),
        )
        .where(e.source_system == source, or_(*(within(e.event_ts, each, each) for each in (day, *days_before(day)))))
        .group_by(e.account_id, of_hour)
        .subquery("came")
    )
    c = came.c
    usually, elsewhere = 2 * c.times > weeks, c.hour.not_in(sorted(hours))
    there = case((2 * (c.times - 1) > weeks - 1, c.times), else_=0)
    away = case((2 * c.times > weeks - 1, weeks - c.times), else_=0)
    today = case((and_(usually, elsewhere), 1), else_=0)
    absences = func.sum(away + today * (1 - c.now)) + 0.5
    both = func.sum(away + there + today) + 1.0
    rate = (select(c.account_id, (absences / both).label("absence")).group_by(c.account_id).subquery("rate")).c
    silent = sorted(hour for hour, lost in hours.items() if not lost.rows)
    return (
        select(c.account_id, c.hour, (-func.ln(rate.absence)).label("told"))
        .where(rate.account_id == c.account_id, usually, c.hour.in_(silent))
        .subquery("absence")
    )


def _level_of_accounts(connection: Connection, one: Day, lost: Iterable[int]) -> float:
    """The level of the day's other hours for accounts with rows in the weeks before, as most hours and most accounts
    have it: the lower of two medians.

    An account that starts a long job raises most hours of the day; nobody else lost rows in the remaining ones. So the
    accounts are divided into twice as many parts as the root of their number, and of the parts' levels the median
    counts (the median of means, A. Nemirovsky and D. Yudin 1983): fewer than half of the parts move nothing. A launch
    raises one hour of everybody: that does not move the median of the hours.
    """
    day, source = one
    e = usage_events.c
    days = days_before(day)
    held = and_(e.source_system == source, or_(*(within(e.event_ts, each, each) for each in (day, *days))))
    is_now = within(e.event_ts, day, day)
    now, before = (cast(_requests().filter(which), Float(53)) for which in (is_now, ~is_now))
    hour = utc_hour(e.event_ts).label("hour")
    account = (
        select(e.account_id, now.label("now"), before.label("before"))
        .where(held, hour.not_in(sorted(lost)))
        .group_by(e.account_id)
        .having(before > 0)
        .subquery("account")
    )
    a = account.c
    weeks = max(1, _weeks(connection, source, days))

    def most(parts: Select[Any, Any]) -> float:
        return _weighted_median((row.now * weeks / row.before, sqrt(row.before)) for row in connection.execute(parts))

    place = func.row_number().over(order_by=by_bytes(a.account_id))
    numbered = select(a.now, a.before, place.label("place"), func.count().over().label("n")).subquery("numbered").c
    part = func.mod(numbered.place, cast(func.ceil(2 * func.sqrt(numbered.n)), BigInteger))
    accounts = select(func.sum(numbered.now).label("now"), func.sum(numbered.before).label("before")).group_by(part)
    known = e.account_id.in_(select(a.account_id))
    hours = (
        select(now.label("now"), before.label("before"))
        .where(held, known, hour.not_in(sorted(lost)))
        .group_by(hour)
        .having(before > 0)
    )
    return min(most(accounts), most(hours))


def level_of(day: Sequence[float], usual: Sequence[float], without: Iterable[int]) -> float:
    """The median ratio of an hour's rows to its usual rows, over the other hours; 1 where there are none.

    No single hour moves it, however busy. An hour weighs as the square root of its usual rows, the inverse of the
    ratio's standard error (least absolute deviations), which depends on the weeks before only.
    """
    hours = [hour for hour in set(range(24)).difference(without) if usual[hour]]
    return _weighted_median((day[hour] / usual[hour], sqrt(usual[hour])) for hour in hours)


def _weighted_median(ratios: Iterable[tuple[float, float]]) -> float:
    """The ratio up to which lies half of the weight, of pairs of ratio and weight; 1 where there are none."""
    ordered = sorted(ratios)
    half = sum(weight for _, weight in ordered) / 2
    sums = accumulate(weight for _, weight in ordered)
    return next((ratio for (ratio, _), reached in zip(ordered, sums, strict=True) if reached >= half), 1.0)


def evidence(rows: float, usual: float, left: float, spread: float) -> float:
    """How much likelier, as a logarithm, a count is where only the share ``left`` of the usual came (negative binomial
    of relative variance ``spread``).
    """
    size = 1 / spread
    return (rows * log(left) if rows else 0.0) - (rows + size) * log((size + left * usual) / (size + usual))


def _usual(weeks: Sequence[Sequence[float]]) -> list[float]:
    """The median rows of each hour, with the weeks brought to one level: one launch in them moves no hour."""
    rough = [median(week[hour] for week in weeks) for hour in range(24)]
    levels = [level_of(week, rough, ()) or 1.0 for week in weeks]
    return [median(week[hour] / level for week, level in zip(weeks, levels, strict=True)) for hour in range(24)]


def _expected(day: Sequence[float], usual: Sequence[float], hour: int) -> float:
    """The usual rows of an hour, at the level of the day's other hours."""
    return usual[hour] * level_of(day, usual, [hour])


def _spread(weeks: Sequence[Sequence[float]]) -> float:
    """The relative variance of an hour beyond Poisson: of the median week, each foretold by the others."""
    found = []
    for number, week in enumerate(weeks):
        rest = [other for place, other in enumerate(weeks) if place != number]
        usual = _usual(rest)
        expected = [_expected(week, usual, hour) for hour in range(24)]
        above = sum((n - e) ** 2 - e * (1 + 1 / len(rest)) for n, e in zip(week, expected, strict=True))
        squares = sum(e * e for e in expected)
        found.append(max(0.0, above / squares) if squares else 0.0)
    return median(found)


def _weeks(connection: Connection, source: str, days: Sequence[date]) -> int:
    """On how many of the days before the source delivered anything."""
    e = usage_events.c
    held = and_(e.source_system == source, or_(*(within(e.event_ts, day, day) for day in days)))
    return int(connection.scalar(select(func.count(utc_day(e.event_ts).distinct())).where(held)) or 0)


def _requests() -> ColumnElement[int]:
    """The number of requests: rows that were delivered again change nothing."""
    return func.count(usage_events.c.event_id.distinct())
