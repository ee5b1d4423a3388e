"""R19: several free accounts on strong links that together use a multiple of what one of them may.

A class behind one network is linked, too; only a shared instrument, device or the like says that accounts are one
person's. Accounts count together that hang together by such values alone, one after the other, and that were opened
within one window of days: of all such windows, each of which begins with an opening, the most severe is reported, then
the one with most accounts.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    FrameClause,
    FrameClauseType,
    FunctionElement,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)

from audits.linkage.tables import group_members
from audits.periods import utc_midnight
from audits.rules.engine.base import Found
from audits.rules.engine.first_use import is_first_use
from audits.rules.engine.levels import group_levels
from audits.rules.engine.listed import listed, listed_accounts, on_listed_days
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import by_each_day, counted
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import seconds_between
from audits.warehouse.tables import accounts, usage_events
from audits.warehouse.validity import holds

FREE = "free"
LIMITS = ("accounts_min", "high_accounts_min", "window_days", "quota_factor_min", "quota_requests_a_day")
DAY = 86_400.0
EPOCH = literal(utc_midnight(date(1970, 1, 1)))


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough such accounts and a day of use over several times one quota.

    Every day is held against the limits in force on it. Where they change, the limits of the most severe of the days
    over are reported, then of the busiest, with the days over under these limits.
    """
    days = _days_over(scope, _opened(scope))
    d = days.c
    w = worst(days, ("group_id",), (d.severity, d.n.desc(), d.day))
    interval = [d.group_id, *(d[f"limit_{name}"] for name in LIMITS)]
    alike = (
        select(*interval, func.count().label("days"), listed(d.day).label("on_days"))
        .group_by(*interval)
        .subquery("days_alike")
    ).c
    return select(
        w.group_id.label("subject_id"),
        w.tier,
        w.severity,
        w.accounts.label("observed_accounts"),
        w.which.label("observed_which"),
        w.opened_from.label("observed_opened_from"),
        w.opened_to.label("observed_opened_to"),
        w.n.label("observed_peak_requests_a_day"),
        alike.days.label("observed_days_over"),
        alike.on_days.label("observed_on_days"),
        *(w[f"limit_{name}"] for name in LIMITS),
    ).where(*(alike[column.name] == w[column.name] for column in interval))


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that were not free at any time of the period."""
    a = scope.accounts().c
    return (
        select(a.account_id, literal("only free accounts are judged").label("reason"))
        .group_by(a.account_id)
        .having(func.count().filter(a.tier == FREE) == 0)
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests on the days over of the accounts that count.

    Of each of these accounts the first request of the period is there, too: it counts as one that was used.
    """
    which = listed_accounts(found, "which")
    e, t = usage_events.c, scope.tiers(which).c

    def counts(request: Any) -> ColumnElement[bool]:
        held = exists(
            select(t.tier).where(t.account_id == request.account_id, t.tier == FREE, holds(t, request.event_ts))
        )
        return and_(request.status_code < 400, held)

    used = or_(on_listed_days(found), is_first_use(scope, counts))
    return scope.usage_of(which, counts(e), used)


def _days(scope: Scope) -> Subquery:
    """Successful requests by day of the group's free accounts on a strong link, while they were free."""
    u, m = group_levels(scope, by_each_day(scope)).c, group_members.c
    day = (u.group_id, m.strong_set, u.tier, u.account_id, u.day, *(u[f"limit_{name}"] for name in LIMITS))
    n = func.sum(counted(scope, u))
    return (
        select(*day, n.label("n"))
        .where(m.period == scope.period.id, m.group_id == u.group_id, m.account_id == u.account_id)
        .where(u.level == FREE, u.member_tier == FREE, m.strong_set.is_not(None))
        .group_by(*day)
        .having(n > 0)
        .subquery("account_days")
    )


def _opened(scope: Scope) -> CTE:
    """The days of those accounts with when each was ``opened``."""
    d, a = _days(scope).c, accounts.c
    return (
        select(*d, func.min(a.opened_at).label("opened"))
        .where(a.account_id == d.account_id)
        .group_by(*d)
        .cte("days_of_opened")
    )


def _days_over(scope: Scope, opened: CTE) -> Subquery:
    """The days on which the accounts of each group's window use too much together: ``n``, ``severity``, the limits."""
    o, w = opened.c, _windows(scope, opened).c
    limits = [o[f"limit_{name}"] for name in LIMITS]
    day = (o.group_id, o.strong_set, o.tier, w.accounts, w.which, w.opened_from, w.opened_to, o.day, *limits)
    n = func.sum(o.n)
    high = w.accounts >= o.limit_high_accounts_min
    return (
        select(*day, n.label("n"), case((high, "high"), else_="medium").label("severity"))
        .where(o.group_id == w.group_id, o.strong_set == w.strong_set, o.opened.between(w.opened_from, w.opened_to))
        .where(w.accounts >= o.limit_accounts_min)
        .where(seconds_between(w.opened_from, w.opened_to) <= o.limit_window_days * DAY)
        .group_by(*day)
        .having(n >= _quota(o))
        .subquery("days_over")
    )


def _windows(scope: Scope, opened: CTE) -> Subquery:
    """The most severe window of each group, then the one with most accounts, of those with a day over.

    ``opened_from`` and ``opened_to`` are its first and last opening. A window begins with the opening of an account;
    the day's use of all that were opened within it is added up. So every account has a row for each of the set's
    days, with nothing used where it was not used.
    """
    o = opened.c
    once = select(o.group_id, o.strong_set, o.account_id, o.opened).distinct().subquery("once")
    on_day = (o.group_id, o.strong_set, o.day, *(o[f"limit_{name}"] for name in LIMITS))
    day = select(*on_day).distinct().subquery("days_of_sets").c
    same = and_(o.group_id == once.c.group_id, o.account_id == once.c.account_id, o.day == day.day)
    grid = (
        select(once, day.day, *(day[f"limit_{name}"] for name in LIMITS), func.coalesce(o.n, 0).label("n"))
        .select_from(once.join(day.day.table, day.strong_set == once.c.strong_set).outerjoin(opened, same))
        .subquery("grid")
    ).c
    days = select(
        *grid, _within(scope, func.sum(grid.n), grid).label("together"),
        _within(scope, func.count(), grid).label("accounts"),
        _within(scope, func.max(grid.opened), grid).label("opened_to"),
    ).subquery("days_of_windows").c  # fmt: skip
    high = case((days.accounts >= days.limit_high_accounts_min, 0), else_=1)
    order = (high, days.accounts.desc(), days.together.desc(), days.opened, days.day)
    placed = (
        select(
            days.group_id, days.strong_set, days.accounts, days.opened.label("opened_from"), days.opened_to,
            func.row_number().over(partition_by=days.group_id, order_by=order).label("place"),
        )
        .where(days.together >= _quota(days), days.accounts >= days.limit_accounts_min)
        .subquery("placed")
    ).c  # fmt: skip
    which = once.alias("which").c
    window = (placed.group_id, placed.strong_set, placed.accounts, placed.opened_from, placed.opened_to)
    return (
        select(*window, listed(which.account_id).label("which"))
        .where(placed.place == 1, which.strong_set == placed.strong_set)
        .where(which.opened.between(placed.opened_from, placed.opened_to))
        .group_by(*window)
        .subquery("windows")
    )


def _within(scope: Scope, figure: FunctionElement[Any], rows: Any) -> ColumnElement[Any]:
    """A figure of the group's rows of a day, opened from a row's opening on for so many days.

    Window frames take the days as literals only.
    """
    figures = []
    for days in sorted({float(row.values["window_days"]) for row in scope.limits}):  # type: ignore[arg-type]
        frame = FrameClause(None, literal(days * DAY, Float(53)), FrameClauseType.CURRENT, FrameClauseType.FOLLOWING)
        at = seconds_between(EPOCH, rows.opened)
        within = figure.over(partition_by=(rows.strong_set, rows.day), order_by=at, range_=frame)
        figures.append((rows.limit_window_days == days, within))
    return case(*figures) if figures else null()


def _quota(rows: Any) -> ColumnElement[float]:
    """So many times one account's quota of the day, by the limits of its rows."""
    quota: ColumnElement[float] = rows.limit_quota_factor_min * rows.limit_quota_requests_a_day
    return quota
