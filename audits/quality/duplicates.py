"""What `audits doctor` says of duplicates before anything is audited: days that they will degrade or block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select

from audits.quality.quarantine import LOOK_BACK
from audits.quality.row_checks import Limits
from audits.quality.usual import Day
from audits.warehouse.bucket_overlaps import span
from audits.warehouse.catalog import Catalog
from audits.warehouse.collation import by_bytes
from audits.warehouse.dialects import day_number, text_number, utc_day
from audits.warehouse.fit import Problem, absent, misfits
from audits.warehouse.tables import usage_events

CHECK = "duplicate_share_block"


def duplicate_problems(
    connection: Connection, found: Catalog, limits_on: Callable[[date], Limits]
) -> Iterator[Problem]:
    """Advice on the days of each source that conflicting rows will block; no audit need have run.

    Rows conflict that have the same event id and say different things. A table that does not fit is not read.
    """
    name = usage_events.name
    if any(one.severity == "error" and one.where.split(".")[0] == name for one in misfits(found)):
        return
    days: dict[str, list[date]] = defaultdict(list)
    most: dict[str, float] = defaultdict(float)
    for (day, source), share in _shares(connection, absent(found)).items():
        limit = limits_on(day).get(CHECK)
        if limit and limit.severity == "block" and share > limit.limit:
            days[source].append(day)
            most[source] = max(most[source], share)
    for source, blocked in sorted(days.items()):
        yield Problem(
            "advice",
            f"{name}, source {source}",
            f"up to {most[source]:.0%} of a day's rows say something else under the event id of another row. "
            f"{span(blocked)} will be blocked, and nothing on them is evaluated for this source.",
            "Give every request an event_id of its own, or remove the rows that are wrong. Rows that were delivered "
            "again as they were do no harm.",
        )


def _shares(connection: Connection, lacking: frozenset[str]) -> dict[Day, float]:
    """Days and sources with conflicting rows -> their share of the rows, each row that was delivered again once."""
    e = usage_events.c
    number = text_number(e.event_id)
    several = number.in_(select(number).group_by(number).having(func.count() > 1))
    content = [one for one in e if one is not e.ingested_ts and f"{usage_events.name}.{one.name}" not in lacking]
    c = select(*content).where(several).distinct().subquery("contents").c
    order: Any = (c.event_ts, by_bytes(c.source_system))
    earlier = func.lag(c.event_ts).over(partition_by=c.event_id, order_by=order)
    o = select(utc_day(c.event_ts).label("day"), c.source_system, utc_day(earlier).label("earlier")).subquery("told").c
    conflicts = func.count().filter(day_number(o.day) - day_number(o.earlier) <= LOOK_BACK)
    told = select(o.day, o.source_system, conflicts.label("conflicts"), func.count().label("n")).group_by(
        o.day, o.source_system
    )
    found = {(row.day, row.source_system): row for row in connection.execute(told) if row.conflicts > 1}
    if not found:
        return {}
    day = utc_day(e.event_ts).label("day")
    held = day.between(min(day for day, _ in found), max(day for day, _ in found))
    rows = select(day, e.source_system, func.count().label("n"), func.count().filter(several).label("repeated"))
    every = connection.execute(rows.where(held).group_by(day, e.source_system))
    return {
        one: found[one].conflicts / (row.n - row.repeated + found[one].n)
        for row in every
        if (one := (row.day, row.source_system)) in found
    }
