"""The profile of a day: counts an hour and source, the busiest address, and sums an account.

A day is profiled once. It is profiled again where its rows have changed since, where other days' rows repeat or overlap
them otherwise, where the limits that its counts are made with are others, where it was blocked (the operator may have
mended rows in place), and where an account, key or model that its rows name has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, select

from audits.quality.aggregates import (
    clients,
    delays,
    hours_of_buckets,
    hours_of_events,
    reaching_buckets,
    sums_of_accounts,
    sums_of_buckets,
)
from audits.quality.compared import forget_changed
from audits.quality.quarantine import duplicate_days, find_duplicates, recorded_duplicates
from audits.quality.raw_text import count_raw_text
from audits.quality.row_checks import Known, Limits, Parameters
from audits.quality.tables import (
    quality_accounts,
    quality_clients,
    quality_days,
    quality_delays,
    quality_hours,
    quality_profiles,
)
from audits.warehouse import Warehouse
from audits.warehouse.days import Arrived, arrivals, days_between
from audits.warehouse.own import fill
from audits.warehouse.raw_text import form_of
from audits.warehouse.raw_text_sql import hidden
from audits.warehouse.tables import usage_buckets, usage_events

VERSION = "5"
"""Raised by hand whenever the profile's columns or meaning change: every day is profiled again."""

DAYS_AT_ONCE = 7
"""Days in one statement and transaction, as in the rollups and for the same reasons."""

Progress = Callable[[int, int], None]


def profile_days(
    warehouse: Warehouse,
    first: date,
    last: date,
    limits_on: Callable[[date], Limits],
    mended: Set[date],
    progress: Progress | None = None,
) -> int:
    """Bring the profiles of the days first..last up to date; returns how many were made.

    ``mended`` names days to be profiled again whatever their rows look like.
    """
    with warehouse.begin() as connection:
        known = Known.read(connection)
        forget_changed(connection)
        others = _of_other_days(connection, first, last)
        made = {row.day: row for row in connection.execute(select(quality_profiles))}
        changed: dict[date, Parameters] = {}
        stale: dict[date, Parameters] = {}
        for day, now in arrivals(connection, first, last).items():
            parameters = Parameters.of(limits_on(day))
            was = made.get(day)
            if (
                was is None
                or was.version != _version(parameters, known)
                or Arrived(was.n_rows, was.watermark) != now
                or was.other_days != others[day]
            ):
                changed[day] = parameters
            if day in changed or day in mended:
                stale[day] = parameters
        connection.execute(delete(quality_days).where(quality_days.c.day.in_(changed)))
    done = 0
    for stretch in _stretches(stale):
        with warehouse.begin() as connection:
            _profile(connection, stretch, stale[stretch[0]], known, others)
        done += len(stretch)
        if progress:
            progress(done, len(stale))
    return done


def _profile(
    connection: Connection, days: Sequence[date], parameters: Parameters, known: Known, others: Mapping[date, str]
) -> None:
    first, last = days[0], days[-1]
    arrived = arrivals(connection, first, last)
    duplicates = bool(recorded_duplicates(connection, first, last))
    raw = count_raw_text(connection, days)
    hours = hours_of_events(first, last, parameters, known, raw=raw[usage_events.name], duplicates=duplicates)
    _replace(connection, quality_hours, days, hours, hours_of_buckets(first, last, raw=raw[usage_buckets.name]))
    _replace(connection, quality_clients, days, clients(first, last, duplicates=duplicates))
    _replace(connection, quality_delays, days, delays(first, last, duplicates=duplicates))
    _replace(
        connection,
        quality_accounts,
        days,
        _accounts(sums_of_accounts(first, last, duplicates=duplicates), raw[usage_events.name]),
        _accounts(sums_of_buckets(first, last), raw[usage_buckets.name]),
    )
    connection.execute(delete(quality_profiles).where(quality_profiles.c.day.in_(days)))
    connection.execute(
        quality_profiles.insert(),
        [
            {
                "day": day,
                "version": _version(parameters, known),
                "n_rows": now.n_rows,
                "watermark": now.watermark,
                "other_days": others[day],
            }
            for day, now in arrived.items()
        ],
    )


def _accounts(sums: Select[Any], raw: Collection[str]) -> Select[Any]:
    """The sums by account as they may be kept: what has no place in an account's id is digested."""
    if "account_id" not in raw:
        return sums
    s = sums.subquery("sums").c
    account = hidden(s.account_id, form_of("account_id")).label("account_id")
    return select(*(account if column.name == "account_id" else column for column in s))


def _replace(connection: Connection, table: Table, days: Collection[date], *rows: Select[Any]) -> None:
    connection.execute(delete(table).where(table.c.day.in_(days)))
    fill(connection, table, *rows)


def _version(parameters: Parameters, known: Known) -> str:
    """The profile's, with all beside rows that its counts are made with."""
    return f"{VERSION} {parameters} {known}"


def _of_other_days(connection: Connection, first: date, last: date) -> dict[date, str]:
    """Each day -> a digest that changes when rows of other days change what its own count for."""
    repeated, reaching = find_duplicates(connection, first, last), reaching_buckets(connection, first, last)
    return {day: f"{repeated.get(day, '')} {reaching.get(day, '')}".strip() for day in days_between(first, last)}


def _stretches(stale: Mapping[date, Parameters]) -> Iterator[list[date]]:
    """Runs of adjacent days with equal parameters, none longer than ``DAYS_AT_ONCE``."""
    run: list[date] = []
    for day in sorted(stale):
        if run and ((day - run[-1]).days > 1 or stale[day] != stale[run[-1]] or len(run) == DAYS_AT_ONCE):
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def forget(connection: Connection, first: date, last: date) -> None:
    """Have the days profiled and judged whatever their rows look like, as if they had not been yet."""
    for table in (quality_profiles, duplicate_days):
        connection.execute(delete(table).where(table.c.day.between(first, last)))
