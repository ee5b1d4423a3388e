"""Hours against what is usual: the median of the same hour and weekday in the four weeks before.

A source that lost rows lost everybody's. So an hour counts as fallen only if fewer accounts than usual were active in
it; and where a day looks low, it is compared once more without the accounts that have left altogether: when a large
customer goes, or a campaign ends, nothing was lost. Accounts that had no row in the weeks before say nothing about
what is usual: they neither make up for rows that were lost, nor raise what the day's other hours lead to expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from sqlalchemy import Connection, exists, func, or_, select

from audits.quality.tables import quality_accounts
from audits.warehouse.days import within
from audits.warehouse.dialects import utc_day, utc_hour
from audits.warehouse.tables import usage_events

WEEKS = 4
LEAST_WEEKS = 2  # of the four, on which the source delivered anything: one week is no habit
LEAST_ACCOUNTS = 5  # usually active in the hour: fewer may well pause together
ACCOUNTS_STAY = 0.9  # share of the usual accounts from which on an hour is complete, however few their requests
SILENT_SHARE = 0.1  # of the rows that an hour needs to be judged for a fall; they suffice to miss it altogether
CLOSER_LOOK = 0.25  # a fall from which on it is asked whether accounts have left
DAYS_AWAY = 3  # days after a day; an account without a request on any of them has left

Day = tuple[date, str]
"""A day and a source."""


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of a source: rows, and accounts that were active."""

    n_rows: float = 0
    n_accounts: float = 0


Hours = Mapping[int, Hour]
NOTHING = Hour()


@dataclass(frozen=True, slots=True)
class Against:
    """A day's hours against what is usual in them."""

    missing: Mapping[int, float]  # hour without any row -> rows that are usual in it
    falls: Mapping[int, float]  # hour -> by how much it fell, 0 to 1

    @property
    def is_striking(self) -> bool:
        """Whether it is worth asking if accounts have left."""
        return bool(self.missing) or max(self.falls.values(), default=0) > CLOSER_LOOK


def days_before(day: date) -> tuple[date, ...]:
    """The same weekday in each of the weeks before."""
    return tuple(day - timedelta(weeks=week) for week in range(1, WEEKS + 1))


def against_usual(now: Hours, past: Sequence[Hours], least_rows: float) -> Against | None:
    """How the hours of a day compare with those of the days before; None where these are too few.

    ``least_rows`` is what an hour usually has before its fall is judged.
    """
    if len(past) < LEAST_WEEKS:
        return None
    missing, falls = {}, {}
    for hour in range(24):
        rows = median(week.get(hour, NOTHING).n_rows for week in past)
        accounts = median(week.get(hour, NOTHING).n_accounts for week in past)
        if accounts < LEAST_ACCOUNTS or rows < SILENT_SHARE * least_rows:
            continue
        is_now = now.get(hour, NOTHING)
        if hour not in now:
            missing[hour] = rows
        elif rows >= least_rows and is_now.n_accounts < ACCOUNTS_STAY * accounts:
            falls[hour] = max(0.0, 1 - is_now.n_rows / rows)
    return Against(missing, falls)


def without_newcomers(connection: Connection, one: Day, now: Hours) -> Hours:
    """The hours of a day as they were without the accounts of which the source had no row in the weeks before.

    Each hour with rows stays, be it that all of them are theirs.
    """
    day, source = one
    e, a, before = usage_events.c, quality_accounts.c, quality_accounts.alias("before").c
    seen = exists().where(
        before.account_id == a.account_id, before.source_system == source, before.day.in_(days_before(day))
    )
    newcomers = select(a.account_id).where(a.day == day, a.source_system == source, ~seen)
    hour = utc_hour(e.event_ts).label("hour")
    rows = connection.execute(
        select(
            hour,
            func.count(e.event_id.distinct()).label("n_rows"),
            func.count(e.account_id.distinct()).label("n_accounts"),
        )
        .where(e.source_system == source, within(e.event_ts, day, day), e.account_id.in_(newcomers))
        .group_by(hour)
    )
    theirs = {row.hour: Hour(row.n_rows, row.n_accounts) for row in rows}
    return {
        hour: Hour(all_of.n_rows - of.n_rows, all_of.n_accounts - of.n_accounts)
        for hour, all_of in now.items()
        for of in (theirs.get(hour, NOTHING),)
    }


def hours_of_those_who_stayed(connection: Connection, one: Day) -> list[Hours]:
    """The days before a day as they were without the accounts that have left since, from the events themselves."""
    day, source = one
    e = usage_events.c
    stayed = (
        select(e.account_id)
        .where(e.source_system == source, within(e.event_ts, day, day + timedelta(days=DAYS_AWAY)))
        .distinct()
    )
    of_day, of_hour = utc_day(e.event_ts).label("day"), utc_hour(e.event_ts).label("hour")
    rows = connection.execute(
        select(
            of_day,
            of_hour,
            func.count(e.event_id.distinct()).label("n_rows"),
            func.count(e.account_id.distinct()).label("n_accounts"),
        )
        .where(e.source_system == source, or_(*(within(e.event_ts, before, before) for before in days_before(day))))
        .where(e.account_id.in_(stayed))
        .group_by(of_day, of_hour)
    )
    found: dict[date, dict[int, Hour]] = {}
    for row in rows:
        found.setdefault(row.day, {})[row.hour] = Hour(row.n_rows, row.n_accounts)
    return list(found.values())
