"""R01: more successful requests on a day, or more output in seven days, than the tier's use calls for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, literal, or_, select

from audits.periods import utc_midnight
from audits.rollups.account_day import by_last_day
from audits.rules.engine.base import Found
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import by_each_day, counted
from audits.rules.engine.worst import of_worst, worst_first
from audits.warehouse.dialects import day_number

DAYS_BEFORE = timedelta(days=6)  # of the seven that end on a day
LASTING = range(7)
"""Of buckets that may lie in a week: by how many days the last of their use is later than the first."""


def violations(scope: Scope) -> Select[Any]:
    """Accounts with a day over the request limit, or seven days ending in the period over the output limit.

    Each day is held against the limits of that day. Of what is over, the largest is reported; a limit that was kept is
    not spoken of.
    """
    u = scope.usage(by_each_day(scope, by_last_day()), baseline=True).c
    limits = (u.limit_requests_a_day, u.limit_output_tokens_a_week)
    lasted, output = day_number(u.day) - day_number(u.first_day), counted(scope, u, "output_tokens")
    days = (
        select(
            u.account_id, u.tier, u.day, *limits,
            func.sum(counted(scope, u)).label("ok"),  # NULL where a source publishes no number at all
            *(func.sum(output).filter(lasted == n).label(f"output_{n}") for n in LASTING),
        ).group_by(u.account_id, u.tier, u.day, *limits)
    ).cte("days").c  # fmt: skip
    perhaps = _perhaps_over(days).c
    week = sum((_in_a_week(days, n) for n in LASTING), literal(0))
    among = (perhaps.account_id == days.account_id, perhaps.tier == days.tier)
    w = select(*days, week.label("week_output")).where(*among).subquery("weeks").c
    of_account = (w.account_id, w.tier)
    over_day, over_week = w.ok > w.limit_requests_a_day, w.week_output > w.limit_output_tokens_a_week
    d = (
        select(
            *w, over_day.label("over_day"), over_week.label("over_week"),
            worst_first(over_day, w.ok, w.day, of_account).label("day_place"),
            worst_first(over_week, w.week_output, w.day, of_account).label("week_place"),
        )
        .where(w.day.between(scope.period.first_day, scope.period.last_day), or_(over_day, over_week))
        .subquery("placed")
    ).c  # fmt: skip

    def of_day(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return of_worst(d.day_place, column, d.over_day)

    def of_week(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return of_worst(d.week_place, column, d.over_week)

    return select(
        d.account_id.label("subject_id"),
        d.tier,
        of_day(d.ok).label("observed_peak_requests_a_day"),
        of_day(d.day).label("observed_peak_day"),
        func.count().filter(d.over_day).label("observed_days_over"),
        listed(d.day).filter(d.over_day).label("observed_on_days"),
        of_week(d.week_output).label("observed_peak_output_tokens_a_week"),
        of_week(d.day).label("observed_week_ends"),
        of_day(d.limit_requests_a_day).label("limit_requests_a_day"),
        of_week(d.limit_output_tokens_a_week).label("limit_output_tokens_a_week"),
    ).group_by(d.account_id, d.tier)


def _perhaps_over(days: Any) -> Subquery:
    """Accounts that reach a limit if all of their output lies in seven days: few, whose weeks are looked at."""
    parts = (func.coalesce(days[f"output_{n}"], 0) for n in LASTING)  # adequacy: equivalent, it only saves work
    output: ColumnElement[Any] = sum(parts, literal(0))  # adequacy: equivalent, as above
    over_week = func.sum(output) >= func.min(days.limit_output_tokens_a_week)  # adequacy: equivalent, as above
    over_day = func.bool_or(days.ok >= days.limit_requests_a_day)  # adequacy: equivalent, as above
    return (
        select(days.account_id, days.tier)
        .group_by(days.account_id, days.tier)
        .having(or_(over_week, over_day))
        .subquery("perhaps")
    )


def _in_a_week(days: Any, lasted: int) -> ColumnElement[Any]:
    """Output tokens of what lasted so many days more, and lies whole in the seven that end on a day."""
    output = func.sum(days[f"output_{lasted}"]).over(
        partition_by=(days.account_id, days.tier), order_by=day_number(days.day), range_=(lasted - LASTING[-1], 0)
    )
    return func.coalesce(output, 0)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests and buckets of the days over, and all of the seven days with the most output."""
    rows = scope.usage_of(found.account_ids, since=scope.baseline_from).subquery("used")
    r = rows.c
    which = []
    if found.observed["on_days"]:
        which.append(and_(on_listed_days(found, r.at), r.n_ok > 0))
    if day := found.observed["week_ends"]:
        last = date.fromisoformat(day)
        start, end = utc_midnight(last - DAYS_BEFORE), utc_midnight(last + timedelta(days=1))
        which.append(and_(r.at >= literal(start), r.until <= literal(end)))
    held = scope.in_tier(found, r.at, r.account_id, until=r.until)
    return select(rows).where(held, or_(*which)).order_by(r.at, r.event_id, r.api_key_hash, r.model)
