"""Rows that are set aside: counted and named, and left out of every rollup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Date,
    FromClause,
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
from audits.warehouse.dialects import utc_day, utc_hour
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
    first, last = min(stale), max(stale)
    e = usage_events
    day = utc_day(e.c.event_ts)
    rows = within(e.c.event_ts, first, last)
    # First the ids alone, whatever their day: a narrow key for every row, and then days are told apart for few.
    more_than_once = select(e.c.event_id).where(rows).group_by(e.c.event_id).having(func.count() > 1)
    repeated = (
        select(day.label("day"), e.c.event_id, func.count().label("copies"))
        .where(rows, e.c.event_id.in_(more_than_once))
        .group_by(day, e.c.event_id)
        .having(func.count() > 1)
    )
    for table in (duplicate_events, duplicate_days):
        connection.execute(delete(table).where(table.c.day.between(first, last)))
    connection.execute(duplicate_events.insert().from_select(["day", "event_id", "copies"], repeated))
    connection.execute(
        duplicate_days.insert(),
        [
            {"day": day, "n_rows": now.n_rows, "watermark": now.watermark}
            for day, now in arrived.items()
            if first <= day <= last
        ],
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
