"""The profile of days as it is kept: all that figures are formed from, and a digest to notice change by."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Subquery, and_, func, select

from audits.quality.billing import Difference, differences, is_month_end
from audits.quality.raw_text import RawRows, raw_text_of
from audits.quality.row_checks import Limits
from audits.quality.tables import COUNTS, quality_accounts, quality_clients, quality_delays, quality_hours
from audits.quality.usual import DAYS_AWAY, Day, Hour, Hours, days_before
from audits.warehouse.days import Arrived, arrivals, days_between
from audits.warehouse.dialects import day_number

FAILURE_DAYS = 28
"""Days over which requests without a failure are counted: the baseline of most rules."""

VERSION = "6"
"""Raised by hand whenever a figure's words or meaning change: every day is judged again."""


@dataclass(slots=True)
class Counts:
    """A day of a source: its counts, and those of each hour."""

    total: Counter[str] = field(default_factory=Counter)
    by_hour: dict[int, Counter[str]] = field(default_factory=dict)

    def hours_with(self, *names: str) -> tuple[int, ...]:
        """The hours in which any of these was counted."""
        return tuple(sorted(hour for hour, counts in self.by_hour.items() if any(counts[name] for name in names)))

    @property
    def hours(self) -> dict[int, Hour]:
        """Rows and active accounts of each hour."""
        return {hour: Hour(counts["n_rows"], counts["n_accounts"]) for hour, counts in self.by_hour.items()}


@dataclass(frozen=True, slots=True)
class Profile:
    """All that figures are formed from, of a stretch of days and the four weeks before it."""

    days: tuple[Day, ...]  # in order; a source that delivered in the weeks before has a day without any row too
    counts: Mapping[Day, Counts]
    clients: Mapping[Day, Mapping[str, Any]]
    delays: Mapping[Day, Mapping[int, int]]
    failures: Mapping[Day, Mapping[str, Any]]
    billed: Mapping[date, Sequence[Difference]]  # last day of a month -> its accounts
    arrived: Mapping[date, Arrived]
    raw: Mapping[Day, RawRows]  # what must not be stored, sign-ins included

    def before(self, one: Day) -> list[Hours]:
        """The hours of the same weekday in the weeks before, where the source delivered anything."""
        past = ((before, one[1]) for before in days_before(one[0]))
        return [self.counts[day].hours for day in past if day in self.counts]

    @staticmethod
    def days_before(one: Day) -> list[Day]:
        """The same weekday of the source in the weeks before."""
        return [(before, one[1]) for before in days_before(one[0])]

    def digest(self, one: Day, limits: Limits) -> str:
        """Changes when anything does that the figures of the day, or the verdict on them, rest on."""
        day, source = one
        own = self.counts.get(one, Counts())
        content = [
            VERSION,
            sorted(limits.items()),
            sorted(own.total.items()),
            sorted((hour, sorted(counts.items())) for hour, counts in own.by_hour.items()),
            [sorted(hours.items()) for hours in self.before(one)],
            sorted(self.clients.get(one, {}).items()),
            [sorted(self.delays.get(day, {}).items()) for day in (one, *self.days_before(one))],
            sorted(self.failures.get(one, {}).items()),
            [difference for difference in self.billed.get(day, ()) if source in difference.sources],
            str(self.raw.get(one, "")),
            [self.arrived.get(day + timedelta(days=n)) for n in range(-FAILURE_DAYS, DAYS_AWAY + 1)],
        ]
        return hashlib.sha256(repr(content).encode()).hexdigest()


def read_profile(connection: Connection, first: date, last: date) -> Profile:
    """The profile of the days first..last as it is kept."""
    counts = _read_counts(connection, min(days_before(first)), last)
    clients = select(quality_clients).where(quality_clients.c.day.between(first, last))
    days = days_between(first, last)
    raw = raw_text_of(connection, first, last)
    sources = {source for _, source in (*counts, *raw)}
    return Profile(
        days=tuple(
            (day, source)
            for day in days
            for source in sorted(sources)
            if (day, source) in raw or any((either, source) in counts for either in (day, *days_before(day)))
        ),
        counts=counts,
        clients=_by_day(connection, clients),
        delays=_read_delays(connection, min(days_before(first)), last),
        failures=_by_day(connection, _failures(first, last)),
        billed={day: differences(connection, day) for day in days if is_month_end(day)},
        arrived=arrivals(connection, first - timedelta(days=FAILURE_DAYS), last + timedelta(days=DAYS_AWAY)),
        raw=raw,
    )


def _read_counts(connection: Connection, first: date, last: date) -> dict[Day, Counts]:
    found: dict[Day, Counts] = defaultdict(Counts)
    h = quality_hours.c
    for row in connection.execute(select(quality_hours).where(h.day.between(first, last))).mappings():
        of = found[row["day"], row["source_system"]]
        counts = Counter({name: int(row[name]) for name in ("n_rows", "n_accounts", *COUNTS)})
        of.total.update(counts)
        of.by_hour.setdefault(row["hour"], Counter()).update(counts)
    return dict(found)


def _read_delays(connection: Connection, first: date, last: date) -> dict[Day, dict[int, int]]:
    found: dict[Day, dict[int, int]] = defaultdict(dict)
    d = quality_delays.c
    for row in connection.execute(select(quality_delays).where(d.day.between(first, last))):
        found[row.day, row.source_system][row.quarters] = row.n_rows
    return dict(found)


def accounts_until(first: date, last: date) -> Subquery:
    """(day, source_system, account_id, n_rows, n_failed): requests of ``FAILURE_DAYS`` days up to each day first..last
    on which the account made any; buckets, whose failures are not known, are left out.
    """
    a = quality_accounts.c
    until: Any = {
        "partition_by": (a.source_system, a.account_id),
        "order_by": day_number(a.day),
        "range_": (1 - FAILURE_DAYS, 0),
    }
    running = (
        select(
            a.day,
            a.source_system,
            a.account_id,
            func.sum(a.n_rows).over(**until).label("n_rows"),
            func.sum(a.n_failed).over(**until).label("n_failed"),
        )
        .where(a.day.between(first - timedelta(days=FAILURE_DAYS - 1), last), a.n_failed.is_not(None))
        .subquery("running")
    )
    return select(running).where(running.c.day.between(first, last)).subquery("until")


def _failures(first: date, last: date) -> Any:
    """A row a day and source: requests and failures of ``FAILURE_DAYS`` days, and the busiest account without any."""
    a = quality_accounts.c
    daily = (
        select(a.day, a.source_system, func.sum(a.n_rows).label("n_rows"), func.sum(a.n_failed).label("n_failed"))
        .where(a.day.between(first - timedelta(days=FAILURE_DAYS - 1), last), a.n_failed.is_not(None))
        .group_by(a.day, a.source_system)
        .subquery("daily")
    ).c
    until: Any = {
        "partition_by": daily.source_system,
        "order_by": day_number(daily.day),
        "range_": (1 - FAILURE_DAYS, 0),
    }
    source = select(
        daily.day,
        daily.source_system,
        func.sum(daily.n_rows).over(**until).label("n_rows"),
        func.sum(daily.n_failed).over(**until).label("n_failed"),
    ).subquery("source")
    one = accounts_until(first, last).c
    busiest = (
        select(one.day, one.source_system, func.max(one.n_rows).label("n_busiest"))
        .where(one.n_failed == 0)
        .group_by(one.day, one.source_system)
        .subquery("busiest")
    )
    s, b = source.c, busiest.c
    return (
        select(source, b.n_busiest)
        .select_from(source.outerjoin(busiest, and_(b.day == s.day, b.source_system == s.source_system)))
        .where(s.day.between(first, last))
    )


def _by_day(connection: Connection, statement: Any) -> dict[Day, Mapping[str, Any]]:
    return {(row["day"], row["source_system"]): dict(row) for row in connection.execute(statement).mappings()}
