"""Rows that are set aside: counted and named, and left out of every rollup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Select,
    String,
    Subquery,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    union_all,
)

from audits.warehouse.days import Arrived, within
from audits.warehouse.dialects import text_number, utc_day, utc_hour
from audits.warehouse.tables import Instant, audit_metadata, usage_events

duplicate_events = Table(
    "duplicate_events",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("copies", BigInteger, nullable=False),  # rows with this id on this day, the one that is kept included
)

duplicate_days = Table(
    "duplicate_days",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("n_rows", BigInteger, nullable=False),  # the source's rows when the day was searched
    Column("watermark", Instant),
)


ROWS_IN_SEARCH = 700_000
"""Rows whose ids are compared in one statement, of whole days: what is grouped fits the engine's caches."""


def is_impossible(events: FromClause) -> ColumnElement[bool]:
    """A row that no request can have produced: its token counts are below zero."""
    columns: Any = events.c
    return or_(columns.input_tokens < 0, columns.output_tokens < 0)


def find_duplicates(connection: Connection, arrived: Mapping[date, Arrived]) -> None:
    """Record the event ids that appear more than once on a day, of adjacent days with what arrived for each.

    Days that were searched since their rows last changed are left alone: two stages may both ask.
    """
    searched = {
        row.day: Arrived(row.n_rows, row.watermark)
        for row in connection.execute(select(duplicate_days).where(duplicate_days.c.day.in_(arrived)))
    }
    stale = [day for day, now in arrived.items() if searched.get(day) != now]
    if not stale:
        return
    for table in (duplicate_events, duplicate_days):
        connection.execute(delete(table).where(table.c.day.between(min(stale), max(stale))))
    found = [day for day in arrived if min(stale) <= day <= max(stale)]
    for some in _searches(found, arrived):
        connection.execute(
            duplicate_events.insert().from_select(["day", "event_id", "copies"], _repeated(some[0], some[-1]))
        )
    connection.execute(
        duplicate_days.insert(),
        [{"day": day, "n_rows": arrived[day].n_rows, "watermark": arrived[day].watermark} for day in found],
    )


def _searches(days: Sequence[date], arrived: Mapping[date, Arrived]) -> Iterator[list[date]]:
    """Days that are searched together: no more than ``ROWS_IN_SEARCH``, or one."""
    some: list[date] = []
    for day in days:
        if some and sum(arrived[one].n_rows for one in (*some, day)) > ROWS_IN_SEARCH:
            yield some
            some = []
        some.append(day)
    if some:
        yield some


def _repeated(first: date, last: date) -> Select[Any]:
    """Day, id and copies of the ids that appear more than once on one of the days."""
    e = usage_events.c
    rows = within(e.event_ts, first, last)
    # First numbers in place of ids, whatever their day: a narrow key for every row. Days, and the ids themselves, are
    # told apart for the few that are left.
    number = text_number(e.event_id)
    more_than_once = select(number).where(rows).group_by(number).having(func.count() > 1)
    day = utc_day(e.event_ts)
    return (
        select(day.label("day"), e.event_id, func.count().label("copies"))
        .where(rows, number.in_(more_than_once))
        .group_by(day, e.event_id)
        .having(func.count() > 1)
    )


def kept_events(first: date, last: date, *, deduplicate: bool, without: Sequence[str] = ()) -> Subquery:
    """All columns of ``usage_events`` plus ``day`` and ``hour``, of the rows of the days first..last that count.

    ``deduplicate`` says whether any of these days has duplicate ids; where none has, the statement stays a plain scan,
    which is most days and most of the speed. ``without`` names sources whose rows are not to be read at all.
    """
    e = usage_events
    held = and_(within(e.c.event_ts, first, last), ~is_impossible(e))
    if without:
        held = and_(held, e.c.source_system.not_in(sorted(without)))
    day, hour = utc_day(e.c.event_ts).label("day"), utc_hour(e.c.event_ts).label("hour")
    if not deduplicate:
        return select(e, day, hour).where(held).subquery("kept")
    repeated = select(duplicate_events.c.event_id).where(duplicate_events.c.day.between(first, last))
    once = select(e, day, hour).where(held, e.c.event_id.not_in(repeated))
    copies = (
        select(e, day, hour, copy_number().label("copy")).where(held, e.c.event_id.in_(repeated)).subquery("copies")
    )
    first_copies = select(*[c for c in copies.c if c.name != "copy"]).where(copies.c.copy == 1)
    return union_all(once, first_copies).subquery("kept")


def copy_number() -> ColumnElement[int]:
    """Numbers the copies of one event id on one day from 1: the one that arrived first is kept.

    The order is total, so that every run keeps the same one.
    """
    e = usage_events.c
    order = (e.ingested_ts, e.event_ts, e.account_id, e.input_tokens, e.output_tokens)
    return func.row_number().over(partition_by=(utc_day(e.event_ts), e.event_id), order_by=order)
