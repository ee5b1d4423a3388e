"""Days of the source: which instants belong to them, and what has arrived for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, literal, select, true, union_all

from audits.periods import utc_midnight
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import Instant, auth_events, usage_buckets, usage_events


@dataclass(frozen=True, slots=True)
class Arrived:
    """The source's rows of a day as they are now: how many, and the newest arrival among them."""

    n_rows: int = 0
    watermark: datetime | None = None


def within(column: ColumnElement[Any], first: date, last: date) -> ColumnElement[bool]:
    """The instants of the days ``first`` to ``last``, both included."""
    return and_(
        column >= literal(utc_midnight(first), Instant),
        column < literal(utc_midnight(date.fromordinal(last.toordinal() + 1)), Instant),
    )


def days_between(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``, both included."""
    return [date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1)]


def arrivals(connection: Connection, first: date, last: date) -> dict[date, Arrived]:
    """What has arrived for each of the days: events, buckets and authentications together.

    Two columns of each fact table are read and nothing else; an index on (event_ts, ingested_ts) answers it on
    PostgreSQL without touching the rows.
    """
    facts = union_all(
        *(
            select(utc_day(at).label("day"), table.c.ingested_ts).where(within(at, first, last))
            for table, at in (
                (usage_events, usage_events.c.event_ts),
                (usage_buckets, usage_buckets.c.bucket_start),
                (auth_events, auth_events.c.event_ts),
            )
        )
    ).subquery("facts")
    found = connection.execute(
        select(facts.c.day, func.count().label("n_rows"), func.max(facts.c.ingested_ts).label("watermark")).group_by(
            facts.c.day
        )
    )
    there = {row.day: Arrived(row.n_rows, row.watermark) for row in found}
    return {day: there.get(day, Arrived()) for day in days_between(first, last)}


def usage_span(connection: Connection, first: date | None = None, last: date | None = None) -> tuple[date, date] | None:
    """The first and the last UTC day of usage that the source has, of the days ``first`` to ``last`` or of all; None
    where it has none.
    """
    at: tuple[ColumnElement[Any], ...] = (usage_events.c.event_ts, usage_buckets.c.bucket_start)
    ends = union_all(
        *(
            select(end(one).label("at")).where(within(one, first, last) if first and last else true())
            for one in at
            for end in (func.min, func.max)
        )
    ).subquery("ends")
    begun, ended = connection.execute(select(utc_day(func.min(ends.c.at)), utc_day(func.max(ends.c.at)))).one()
    return None if begun is None else (begun, ended)
