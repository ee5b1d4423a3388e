"""The events that count: each request once, without the rows that contradict themselves, cut where a tier changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Subquery, and_, cast, func, literal, select

from audits.quality.quarantine import kept_events
from audits.rollups.slices import account_slices
from audits.warehouse.dialects import day_start, utc_day
from audits.warehouse.tables import Instant

_FAR = literal(datetime(9999, 12, 31, tzinfo=UTC), Instant)


def countable_events(
    first: date, last: date, *, deduplicate: bool, slices: bool, without: Sequence[str] = ()
) -> Subquery:
    """All columns of ``usage_events`` plus ``day``, ``hour`` and ``slice_start``, for the days first..last.

    What is grouped by ``slice_start`` needs no other key for the day, see :func:`day_of`.

    ``deduplicate`` and ``slices`` say whether any of these days has duplicate ids or a change inside a day; where none
    has, the statement stays a plain scan, which is most days and most of the speed. ``without`` names sources whose
    rows are not to be read at all.
    """
    kept = kept_events(first, last, deduplicate=deduplicate, without=without)
    if not slices:
        return select(kept, day_start(kept.c.event_ts).label("slice_start")).subquery("events")
    s = account_slices
    joined = kept.outerjoin(
        s,
        and_(
            s.c.account_id == kept.c.account_id,
            s.c.day == kept.c.day,
            kept.c.event_ts >= s.c.slice_start,
            # a comparison, and no OR: an outer join on anything else compares every event with every slice
            kept.c.event_ts < func.coalesce(s.c.slice_end, _FAR),
        ),
    )
    start = cast(func.coalesce(s.c.slice_start, day_start(kept.c.event_ts)), Instant).label("slice_start")
    return select(kept, start).select_from(joined).subquery("events")


def day_of(events: FromClause) -> ColumnElement[Any]:
    """The day of a slice, which no slice leaves: grouping by slices alone is grouping by days, with a shorter key."""
    return utc_day(events.c.slice_start).label("day")
