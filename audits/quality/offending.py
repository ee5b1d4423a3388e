"""The rows behind a failed check: the ids of the first of them, never a value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from audits.quality.quarantine import marked_copies
from audits.quality.raw_text import RawRows
from audits.quality.row_checks import ROWS_OF, Checked, Known, Limits, Parameters, checked_events
from audits.quality.usual import Day
from audits.warehouse.collation import by_bytes
from audits.warehouse.days import within
from audits.warehouse.dialects import utc_day
from audits.warehouse.raw_text import shown
from audits.warehouse.tables import usage_events

KEYS_KEPT = 10
"""Ids kept of each day, source and check: enough to find the fault in the source; the reason counts the rest."""

DAYS_AT_ONCE = 7
"""Days in one statement, as in the profile and for the same reasons."""

COPIES = {"repeated_rows": "repeated", "duplicate_share": "conflicting", "duplicate_share_block": "conflicting"}
"""Checks about ids that several rows have -> the mark of the rows that are counted."""

Keys = tuple[str, ...]


def offending_keys(
    connection: Connection, failed: Mapping[Day, Collection[str]], limits: Limits, raw: Mapping[Day, RawRows]
) -> dict[tuple[Day, str], Keys]:
    """(day and source, check) -> ids of the first ``KEYS_KEPT`` events that the check failed for, earliest first.

    Checks that no single event fails are left out. ``limits`` are those that the days were judged by. An id that looks
    like a key, an address or free text is replaced by its digest.
    """
    by_check: dict[str, list[Day]] = {}
    for one, checks in failed.items():
        for check in checks:
            if check in ROWS_OF:
                by_check.setdefault(check, []).append(one)
    if not by_check:
        return {}
    known = Known.read(connection)
    found: dict[tuple[Day, str], Keys] = {}
    for check, days in by_check.items():
        columns = {held.column for one in days for held in (raw[one].found if one in raw else ())}
        checked = checked_events(Parameters.of(limits), known, columns & set(usage_events.c.keys()))
        for some in _weeks(days):
            if not (conditions := _conditions(check, checked, [day for day, _ in some])):
                continue
            for row in connection.execute(_first_ids(checked, conditions, some)):
                key = ((row.day, row.source_system), check)
                found[key] = (*found.get(key, ()), shown(row.event_id, "event_id"))
    return found


def _conditions(check: str, checked: Checked, days: Sequence[date]) -> list[ColumnElement[bool]]:
    """Any of these holds for an event that the check counts; empty where it counts no events."""
    if check in COPIES:
        e = usage_events.c
        copies: Any = marked_copies(days[0], days[-1], utc_day(e.event_ts).label("day"), e.event_id).c
        return [exists().where(copies.event_id == e.event_id, copies.day == utc_day(e.event_ts), copies[COPIES[check]])]
    return [checked.conditions[name] for name in ROWS_OF[check] if name in checked.conditions]


def _first_ids(checked: Checked, conditions: Sequence[ColumnElement[bool]], days: Sequence[Day]) -> Select[Any]:
    e = usage_events.c
    held = or_(*(and_(within(e.event_ts, day, day), e.source_system == source) for day, source in days))
    ids = (
        select(utc_day(e.event_ts).label("day"), e.source_system, e.event_id, func.min(e.event_ts).label("first_at"))
        .select_from(checked.rows)
        .where(within(e.event_ts, days[0][0], days[-1][0]), held, or_(*conditions))
        .group_by(utc_day(e.event_ts), e.source_system, e.event_id)
        .subquery("ids")
    ).c
    place = func.row_number().over(
        partition_by=(ids.day, ids.source_system), order_by=(ids.first_at, by_bytes(ids.event_id))
    )
    first = select(*ids, place.label("place")).subquery("first").c
    return (
        select(first.day, first.source_system, first.event_id)
        .where(first.place <= KEYS_KEPT)
        .order_by(first.day, first.source_system, first.place)
    )


def _weeks(days: Sequence[Day]) -> Iterator[list[Day]]:
    """The days and sources in order, those of ``DAYS_AT_ONCE`` days together."""
    some: list[Day] = []
    for one in sorted(days):
        if some and (one[0] - some[0][0]).days >= DAYS_AT_ONCE:
            yield some
            some = []
        some.append(one)
    yield some
