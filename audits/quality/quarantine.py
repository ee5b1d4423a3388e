"""Rows that are set aside: counted and named, and left out of every rollup."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from audits.warehouse.collation import by_bytes
from audits.warehouse.days import Arrived, arrivals, days_between, within
from audits.warehouse.dialects import day_number, row_digest, text_number, utc_day, utc_hour
from audits.warehouse.own import fill
from audits.warehouse.tables import Instant, audit_metadata, usage_events
from audits.warehouse.vocabulary import words_of

duplicate_events = Table(
    "duplicate_events",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("copies", BigInteger, nullable=False),  # rows with this id on this day
    Column("elsewhere", Boolean, nullable=False),  # an earlier day has the id too, and keeps its row
)

duplicate_days = Table(
    "duplicate_days",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("n_rows", BigInteger, nullable=False),  # the source's rows when the day was searched
    Column("watermark", Instant),
    Column("before", String, nullable=False),  # digest of what had arrived for the days before
)


LOOK_BACK = 31
"""Days before a day in which its ids are sought: a month-to-date export tells everything again for so long."""

ROWS_IN_SEARCH = 700_000
"""Rows whose ids are compared in one statement, of whole days and at least so many days as are looked back on."""


def is_impossible(events: FromClause) -> ColumnElement[bool]:
    """A row that no request can have produced: its token counts or its cost are below zero."""
    columns: Any = events.c
    return or_(columns.input_tokens < 0, columns.output_tokens < 0, func.coalesce(columns.cost_usd, 0) < 0)


def find_duplicates(connection: Connection, first: date, last: date) -> dict[date, str]:
    """Record the event ids of the days first..last that appear more than once, and return the digest of each day's.

    An id counts as repeated on a day where the day has it twice, or where one of the ``LOOK_BACK`` days before has it
    too: whichever way rows were loaded, the earliest is kept. Days that were searched since rows of theirs or of the
    days before last changed are left alone: two stages may both ask.
    """
    before = arrivals(connection, first - timedelta(days=LOOK_BACK), last)
    now = {day: _state(day, before) for day in days_between(first, last)}
    d = duplicate_days.c
    was = {
        row.day: (row.n_rows, row.watermark, row.before)
        for row in connection.execute(select(duplicate_days).where(d.day.between(first, last)))
    }
    stale = [day for day, state in now.items() if was.get(day) != state]
    for some in _searches(stale, before):
        for table in (duplicate_events, duplicate_days):
            connection.execute(delete(table).where(table.c.day.between(some[0], some[-1])))
        fill(connection, duplicate_events, _repeated(some[0], some[-1]))
        connection.execute(
            duplicate_days.insert(),
            [dict(zip(("day", "n_rows", "watermark", "before"), (day, *now[day]), strict=True)) for day in some],
        )
    return recorded_duplicates(connection, first, last)


def recorded_duplicates(connection: Connection, first: date, last: date) -> dict[date, str]:
    """Day -> a digest that changes when other rows of it are set aside as repeated; days without any are left out."""
    d = duplicate_events.c
    rows = select(d.day, row_digest(d.event_id, d.copies, d.elsewhere).label("digest"))
    found = connection.execute(rows.where(d.day.between(first, last)).group_by(d.day))
    return {row.day: row.digest for row in found}


def _state(day: date, arrived: Mapping[date, Arrived]) -> tuple[int, datetime | None, str]:
    earlier = [arrived[day - timedelta(days=back)] for back in range(1, LOOK_BACK + 1)]
    told = repr([(one.n_rows, one.watermark and one.watermark.astimezone(UTC).isoformat()) for one in earlier])
    return arrived[day].n_rows, arrived[day].watermark, hashlib.sha256(told.encode()).hexdigest()[:16]


def _searches(days: Sequence[date], arrived: Mapping[date, Arrived]) -> Iterator[list[date]]:
    """Adjacent days that are searched together."""
    some: list[date] = []
    for day in days:
        full = len(some) >= LOOK_BACK and sum(arrived[one].n_rows for one in (*some, day)) > ROWS_IN_SEARCH
        if some and (full or (day - some[-1]).days > 1):
            yield some
            some = []
        some.append(day)
    if some:
        yield some


def _repeated(first: date, last: date) -> Select[Any]:
    """The rows of ``duplicate_events`` of the days first..last."""
    e = usage_events.c
    rows = within(e.event_ts, first - timedelta(days=LOOK_BACK), last)
    # First numbers in place of ids, whatever their day: a narrow key for every row. Days, and the ids themselves, are
    # told apart for the few that are left.
    number = text_number(e.event_id)
    more_than_once = select(number).where(rows).group_by(number).having(func.count() > 1)
    day = utc_day(e.event_ts)
    found = (
        select(day.label("day"), e.event_id, func.count().label("copies"))
        .where(rows, number.in_(more_than_once))
        .group_by(day, e.event_id)
        .subquery("found")
    ).c
    previous = func.lag(found.day).over(partition_by=found.event_id, order_by=found.day)
    pairs = select(found.day, found.event_id, found.copies, previous.label("previous")).subquery("pairs").c
    elsewhere = func.coalesce(day_number(pairs.day) - day_number(pairs.previous) <= LOOK_BACK, False)
    return select(pairs.day, pairs.event_id, pairs.copies, elsewhere.label("elsewhere")).where(
        pairs.day.between(first, last), or_(pairs.copies > 1, elsewhere)
    )


def kept_events(first: date, last: date, *, deduplicate: bool, without: Sequence[str] = ()) -> Subquery:
    """All columns of ``usage_events``, words as words, and ``day`` and ``hour``, of the rows of first..last that count.

    ``deduplicate`` says whether any of these days has duplicate ids; where none has, the statement stays a plain scan,
    which is most days and most of the speed. ``without`` names sources whose rows are not to be read at all.
    """
    e = usage_events
    held = and_(within(e.c.event_ts, first, last), ~is_impossible(e))
    if without:
        held = and_(held, e.c.source_system.not_in(sorted(without)))
    day, hour = utc_day(e.c.event_ts).label("day"), utc_hour(e.c.event_ts).label("hour")
    if not deduplicate:
        return select(*words_of(e), day, hour).where(held).subquery("kept")
    repeated = select(duplicate_events.c.event_id).where(duplicate_events.c.day.between(first, last))
    once = select(*words_of(e), day, hour).where(held, e.c.event_id.not_in(repeated))
    d = duplicate_events.c
    copies = (
        select(*words_of(e), day, hour, copy_number().label("copy"), d.elsewhere)
        .select_from(e.outerjoin(duplicate_events, and_(d.event_id == e.c.event_id, d.day == utc_day(e.c.event_ts))))
        .where(held, e.c.event_id.in_(repeated))
        .subquery("copies")
    )
    first_copies = select(*[c for c in copies.c if c.name not in {"copy", "elsewhere"}]).where(
        copies.c.copy == 1, ~func.coalesce(copies.c.elsewhere, False)
    )
    return union_all(once, first_copies).subquery("kept")


def marked_copies(first: date, last: date, *columns: ColumnElement[Any], rows: FromClause | None = None) -> FromClause:
    """``columns`` of every row of first..last whose id is repeated, and whether it is ``repeated`` or ``conflicting``.

    A repeated row says what another row with its id says, in every column but the time of arrival: it was delivered
    again. A conflicting one is the first to say something else than the row that is kept. The kept row is neither.
    ``rows`` is ``usage_events``, joined to whatever else the columns are taken from.
    """
    e, d = usage_events.c, duplicate_events.c
    day = utc_day(e.event_ts)
    ids = select(d.event_id).where(d.day.between(first, last))
    content = [column for column in e if column is not e.ingested_ts]
    # Ranks, so that rows alike in every column share theirs: the first of the kept row's content has rank 1 for sure.
    rank = func.rank().over(partition_by=(day, e.event_id), order_by=_order())
    telling = func.row_number().over(partition_by=content, order_by=e.ingested_ts)
    source: FromClause = usage_events if rows is None else rows
    copies = (
        select(*columns, rank.label("rank"), telling.label("telling"), d.elsewhere)
        .select_from(source.outerjoin(duplicate_events, and_(d.event_id == e.event_id, d.day == day)))
        .where(within(e.event_ts, first, last), e.event_id.in_(ids))
        .subquery("copies")
    )
    c = copies.c
    again = c.telling > 1
    other = and_(c.telling == 1, or_(c.rank > 1, func.coalesce(c.elsewhere, False)))
    kept = [column for column in c if column.name not in {"rank", "telling", "elsewhere"}]
    return select(*kept, again.label("repeated"), other.label("conflicting")).subquery("marked")


def copy_number() -> ColumnElement[int]:
    """Numbers the copies of one event id on one day from 1: the earliest request is kept, whichever arrived first."""
    e = usage_events.c
    return func.row_number().over(partition_by=(utc_day(e.event_ts), e.event_id), order_by=_order())


def _order() -> list[ColumnElement[Any]]:
    """The order of the copies of an event id.

    It is total, so that every run keeps the same one, in whatever order rows were loaded and whatever collation the
    database has.
    """
    e = usage_events.c
    first = (e.event_ts, e.account_id, e.source_system, e.input_tokens, e.output_tokens, e.ingested_ts)
    others = (column for column in e if column not in {*first, e.event_id})
    return [by_bytes(column) if isinstance(column.type, String) else column for column in (*first, *others)]
