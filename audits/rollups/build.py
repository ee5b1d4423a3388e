"""Building the rollups of exactly the days that need it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, FromClause, Select, Table, delete, select

from audits.quality import SIGN_INS
from audits.quality.quarantine import duplicate_events, find_duplicates, recorded_duplicates
from audits.rollups import (
    account_client_day,
    account_day,
    account_hour,
    account_model_day,
    account_prompt_day,
    account_retention_day,
    account_score_day,
    account_topic_day,
)
from audits.rollups.auth_day import auth_day, from_auth_events
from audits.rollups.buckets import from_buckets
from audits.rollups.events import countable_events
from audits.rollups.slices import account_slices, changed_days, changes_inside, expected_slices
from audits.rollups.state import NOT_YET, VERSION, rollup_days, stale_days
from audits.warehouse import Warehouse
from audits.warehouse.days import Arrived, arrivals, within
from audits.warehouse.dialects import row_digest
from audits.warehouse.own import fill, has_own_tables
from audits.warehouse.tables import usage_buckets

ROLLUPS: tuple[tuple[Table, Callable[[FromClause], Select[Any]]], ...] = (
    (account_day.account_day, account_day.from_events),
    (account_hour.account_hour, account_hour.from_events),
    (account_model_day.account_model_day, account_model_day.from_events),
    (account_client_day.account_client_day, account_client_day.from_events),
    (account_prompt_day.account_prompt_day, account_prompt_day.from_events),
    (account_retention_day.account_retention_day, account_retention_day.from_events),
    (account_score_day.account_score_day, account_score_day.from_events),
    (account_topic_day.account_topic_day, account_topic_day.from_events),
)
"""Every rollup and how its rows come from a day's events: add one here and it is built, refreshed and dropped alike."""

ROWS_IN_STATEMENT = 2_000_000
"""Source rows in one statement, of whole days: enough to spare the engine small scans, few enough that what it groups
fits its caches."""

ROWS_IN_TRANSACTION = 10_000_000
"""Source rows in one transaction: enough to spare a column store small writes, which it makes again when the next come,
few enough to bound memory and what is lost when the warehouse goes away (what was finished is kept)."""


Blocked = Mapping[date, tuple[str, ...]]
"""Day -> sources whose rows of that day must not be read."""


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh found and built: day -> why it had to be built."""

    built: dict[date, str]


def plan(connection: Connection, first: date, last: date, blocked: Blocked) -> dict[date, str]:
    """The days that a refresh of first..last would build, and why; nothing is changed."""
    arrived = arrivals(connection, first, last)
    if not has_own_tables(connection):
        return dict.fromkeys(sorted(arrived), NOT_YET)
    return _reasons(connection, first, last, arrived, blocked)


def _reasons(
    connection: Connection, first: date, last: date, arrived: Mapping[date, Arrived], blocked: Blocked
) -> dict[date, str]:
    repeated = recorded_duplicates(connection, first, last)
    reasons = stale_days(connection, arrived, blocked, repeated)
    for day in sorted(changed_days(connection, first, last) - reasons.keys()):
        reasons[day] = "a tier or contract now changes at another time of this day"
    return dict(sorted(reasons.items()))


def refresh(
    warehouse: Warehouse,
    first: date,
    last: date,
    blocked: Blocked = MappingProxyType({}),
    progress: Callable[[int, int], None] | None = None,
) -> RefreshReport:
    """Build the rollups of the days first..last that are missing or stale; days that are sound are not touched.

    Each transaction takes several stretches of days. ``progress`` is told (days done, days to do).
    """
    with warehouse.begin() as connection:
        # Read before the rows: what arrives in between is seen as late by the next refresh, and not lost.
        arrived = arrivals(connection, first, last)
        find_duplicates(connection, first, last)
        reasons = _reasons(connection, first, last, arrived, blocked)
    done = 0
    for stretches in _transactions(_stretches({day: arrived[day] for day in reasons}, blocked)):
        with warehouse.begin() as connection:
            for stretch in stretches:
                roll_up(connection, min(stretch), max(stretch), without=blocked.get(min(stretch), ()))
                _record(connection, stretch, blocked)
                done += len(stretch)
                if progress:
                    progress(done, len(reasons))
    return RefreshReport(reasons)


def _stretches(arrived: Mapping[date, Arrived], blocked: Blocked) -> Iterator[dict[date, Arrived]]:
    """Runs of adjacent days of no more than ``ROWS_IN_STATEMENT``; a day with a blocked source stands alone."""
    run: dict[date, Arrived] = {}
    for day, now in arrived.items():
        if run and (
            (day - max(run)).days > 1
            or day in blocked
            or max(run) in blocked
            or _n_rows(run) + now.n_rows > ROWS_IN_STATEMENT
        ):
            yield run
            run = {}
        run[day] = now
    if run:
        yield run


def _transactions(stretches: Iterable[dict[date, Arrived]]) -> Iterator[list[dict[date, Arrived]]]:
    """Stretches that are built together, of no more than ``ROWS_IN_TRANSACTION`` unless a single one has more."""
    together: list[dict[date, Arrived]] = []
    for stretch in stretches:
        if together and sum(map(_n_rows, together)) + _n_rows(stretch) > ROWS_IN_TRANSACTION:
            yield together
            together = []
        together.append(stretch)
    if together:
        yield together


def _n_rows(stretch: Mapping[date, Arrived]) -> int:
    return sum(now.n_rows for now in stretch.values())


def roll_up(connection: Connection, first: date, last: date, without: tuple[str, ...] = ()) -> None:
    """Roll the days first..last up anew, without asking whether they need it or recording what they were made from.

    Their duplicates must have been searched. ``without`` names sources whose rows of these days must not be read.
    """
    for table, rows in rows_of(connection, first, last, without):
        put(connection, table, first, last, rows)


def put(connection: Connection, table: Table, first: date, last: date, rows: Iterable[Select[Any]]) -> None:
    """Put the rows of the days first..last into a rollup, in place of those that it has."""
    connection.execute(delete(table).where(table.c.day.between(first, last)))
    fill(connection, table, *rows)


def rows_of(
    connection: Connection, first: date, last: date, without: tuple[str, ...] = ()
) -> tuple[tuple[Table, tuple[Select[Any], ...]], ...]:
    """Every rollup with the selects that make its rows of the days first..last, which are cut where they have to be."""
    duplicates = _any(connection, select(duplicate_events.c.day).where(duplicate_events.c.day.between(first, last)))
    connection.execute(delete(account_slices).where(account_slices.c.day.between(first, last)))
    slices = _any(connection, changes_inside(first, last))
    if slices:
        fill(connection, account_slices, select(expected_slices(first, last)))
    begun = within(usage_buckets.c.bucket_start, first, last)
    bucketed = _any(connection, select(usage_buckets.c.account_id).where(begun))
    return _rows_of(first, last, duplicates, slices, bucketed, without)


@lru_cache(maxsize=16)
def _rows_of(
    first: date, last: date, duplicates: bool, slices: bool, bucketed: bool, without: tuple[str, ...]
) -> tuple[tuple[Table, tuple[Select[Any], ...]], ...]:
    """Every rollup with the selects that make its rows of the days. Kept, since to write them takes as long as to run
    them on a small day."""
    events = countable_events(first, last, deduplicate=duplicates, slices=slices, without=without)
    buckets = {}
    if bucketed:
        of_buckets = from_buckets(first, last, deduplicate=duplicates, without=without)
        buckets = {account_day.account_day: (of_buckets,)}
    sign_ins = () if SIGN_INS in without else (from_auth_events(first, last),)
    return (
        *((table, (from_events(events), *buckets.get(table, ()))) for table, from_events in ROLLUPS),
        (auth_day, sign_ins),
    )


def _record(connection: Connection, arrived: Mapping[date, Arrived], blocked: Blocked) -> None:
    """Write down what the days were made from; a day without any row is recorded too, as empty."""
    digests = _digests(connection, min(arrived), max(arrived))
    connection.execute(delete(rollup_days).where(rollup_days.c.day.in_(arrived)))
    repeated = recorded_duplicates(connection, min(arrived), max(arrived))
    connection.execute(
        rollup_days.insert(),
        [
            {
                "day": day,
                "version": VERSION,
                "n_rows": now.n_rows,
                "watermark": now.watermark,
                "blocked": ",".join(blocked.get(day, ())),
                "digest": digests.get(day, ""),
                "duplicates": repeated.get(day, ""),
            }
            for day, now in arrived.items()
        ],
    )


def _digests(connection: Connection, first: date, last: date) -> dict[date, str]:
    """Day -> the digest of all that was rolled up for it, the same on every engine."""
    found: dict[date, list[str]] = defaultdict(list)
    for table in (*(table for table, _ in ROLLUPS), auth_day, account_slices):
        columns = [column for column in table.c if column.name != "day"]
        by_day = select(table.c.day, row_digest(*columns)).where(table.c.day.between(first, last))
        for day, digest in connection.execute(by_day.group_by(table.c.day)):
            found[day].append(f"{table.name} {digest}")
    return {day: hashlib.sha256("\n".join(of).encode()).hexdigest() for day, of in found.items()}


def _any(connection: Connection, statement: Select[Any]) -> bool:
    return connection.execute(statement.limit(1)).first() is not None
