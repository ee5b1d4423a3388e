"""The rows behind a verdict, found again only when somebody asks: ids, never values."""

from __future__ import annotations

from sqlalchemy import or_, select

from audits.quality.quarantine import duplicate_events
from audits.quality.raw_text import LOOKED_INTO
from audits.quality.row_checks import ROWS_OF, Known, Limits, Parameters, checked_events
from audits.quality.verdict import DayVerdict, Reason
from audits.warehouse import Warehouse
from audits.warehouse.days import within
from audits.warehouse.tables import usage_events


def offending_keys(
    warehouse: Warehouse, verdict: DayVerdict, reason: Reason, limits: Limits, limit: int = 20
) -> tuple[str, ...]:
    """Up to ``limit`` event ids, in order, of the rows that a check failed for; none where no single row is at fault.

    ``limits`` are those of the verdict's day, as it was judged.
    """
    e = usage_events.c
    held = [e.source_system == verdict.source_system, within(e.event_ts, verdict.day, verdict.day)]
    with warehouse.begin() as connection:
        checked = checked_events(Parameters.of(limits), Known.read(connection), LOOKED_INTO)
        failed = [checked.conditions[name] for name in ROWS_OF.get(reason.check, ()) if name in checked.conditions]
        if "n_duplicates" in ROWS_OF.get(reason.check, ()):
            d = duplicate_events.c
            failed = [e.event_id.in_(select(d.event_id).where(d.day == verdict.day))]
        if not failed:
            return ()
        ids = select(e.event_id).select_from(checked.rows).where(*held, or_(*failed)).distinct()
        return tuple(connection.scalars(ids.order_by(e.event_id).limit(limit)))
