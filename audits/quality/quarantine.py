"""Rows that are set aside: counted and named, and left out of every rollup."""

from __future__ import annotations

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
    Table,
    delete,
    func,
    or_,
    select,
)

from audits.periods import utc_midnight
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import audit_metadata, usage_events

duplicate_events = Table(
    "duplicate_events",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("copies", BigInteger, nullable=False),  # rows with this id on this day, the one that is kept included
)


def is_impossible(events: FromClause) -> ColumnElement[bool]:
    """A row that no request can have produced: its token counts are below zero."""
    columns: Any = events.c
    return or_(columns.input_tokens < 0, columns.output_tokens < 0)


def find_duplicates(connection: Connection, first: date, last: date) -> int:
    """Record the event ids that appear more than once on a day, for the days first..last; returns their number."""
    e = usage_events
    day = utc_day(e.c.event_ts)
    repeated = (
        select(day.label("day"), e.c.event_id, func.count().label("copies"))
        .where(
            e.c.event_ts >= utc_midnight(first),
            e.c.event_ts < utc_midnight(date.fromordinal(last.toordinal() + 1)),
        )
        .group_by(day, e.c.event_id)
        .having(func.count() > 1)
    )
    connection.execute(delete(duplicate_events).where(duplicate_events.c.day.between(first, last)))
    return connection.execute(duplicate_events.insert().from_select(["day", "event_id", "copies"], repeated)).rowcount
