"""The events that count: each request once, without the rows that contradict themselves, cut where a tier changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, cast, func, literal, or_, select, union_all

from audits.periods import utc_midnight
from audits.quality.quarantine import duplicate_events, is_impossible
from audits.rollups.slices import account_slices
from audits.warehouse.dialects import midnight, utc_day, utc_hour
from audits.warehouse.tables import Instant, usage_events


def within(column: ColumnElement[Any], first: date, last: date) -> ColumnElement[bool]:
    """The instants of the days ``first`` to ``last``, both included."""
    return and_(
        column >= literal(utc_midnight(first), Instant),
        column < literal(utc_midnight(date.fromordinal(last.toordinal() + 1)), Instant),
    )


def countable_events(
    first: date, last: date, *, deduplicate: bool, slices: bool, without: Sequence[str] = ()
) -> Subquery:
    """All columns of ``usage_events`` plus ``day``, ``hour`` and ``slice_start``, for the days first..last.

    ``deduplicate`` and ``slices`` say whether any of these days has duplicate ids or a change inside a day; where none
    has, the statement stays a plain scan, which is most days and most of the speed. ``without`` names sources whose
    rows are not to be read at all.
    """
    e = usage_events
    held = and_(within(e.c.event_ts, first, last), ~is_impossible(e))
    if without:
        held = and_(held, e.c.source_system.not_in(sorted(without)))
    day, hour = utc_day(e.c.event_ts).label("day"), utc_hour(e.c.event_ts).label("hour")
    if not deduplicate:
        kept = select(e, day, hour).where(held).subquery("kept")
    else:
        repeated = select(duplicate_events.c.event_id).where(duplicate_events.c.day.between(first, last))
        once = select(e, day, hour).where(held, e.c.event_id.not_in(repeated))
        # Of the copies of one id the one that arrived first is kept; the order is total, so every run keeps the same.
        order = (e.c.ingested_ts, e.c.event_ts, e.c.account_id, e.c.input_tokens, e.c.output_tokens)
        copies = (
            select(e, day, hour, func.row_number().over(partition_by=e.c.event_id, order_by=order).label("copy"))
            .where(held, e.c.event_id.in_(repeated))
            .subquery("copies")
        )
        first_copies = select(*[c for c in copies.c if c.name != "copy"]).where(copies.c.copy == 1)
        kept = union_all(once, first_copies).subquery("kept")
    if not slices:
        return select(kept, midnight(kept.c.day).label("slice_start")).subquery("events")
    s = account_slices
    joined = kept.outerjoin(
        s,
        and_(
            s.c.account_id == kept.c.account_id,
            s.c.day == kept.c.day,
            kept.c.event_ts >= s.c.slice_start,
            or_(s.c.slice_end.is_(None), kept.c.event_ts < s.c.slice_end),
        ),
    )
    start = cast(func.coalesce(s.c.slice_start, midnight(kept.c.day)), Instant).label("slice_start")
    return select(kept, start).select_from(joined).subquery("events")
