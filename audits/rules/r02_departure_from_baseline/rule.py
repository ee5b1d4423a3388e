"""R02: use far above the account's or group's own level of the four weeks before.

Robust z of ln(1+n) against median and MAD (scaled by 1.4826 to a normal's standard deviation, with a floor), because
daily volumes are heavy-tailed and a mean would follow the very burst that is looked for.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Float, Numeric, Select, Subquery, and_, cast, func, literal, select, union_all

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import median
from audits.warehouse.tables import usage_events

MAD_TO_SIGMA = 1.4826  # of the normal distribution: 1 / its third quartile


def violations(scope: Scope) -> Select[Any]:
    """Subjects with enough days of the period above z, factor and volume limits at once."""
    d = _days(scope).c
    over = and_(d.n >= d.limit_requests_min, d.n >= d.limit_factor_min * d.usual, d.z >= d.limit_z_min)
    return (
        select(
            d.subject_type,
            d.subject_id,
            d.tier,
            func.max(d.n).label("observed_peak_requests_a_day"),
            func.max(d.n / d.usual).label("observed_peak_factor"),
            func.max(d.z).label("observed_peak_z"),
            func.min(d.usual).label("observed_usual_requests_a_day"),
            func.count().filter(over).label("observed_days_over"),
            func.max(d.limit_z_min).label("limit_z_min"),
            func.max(d.limit_factor_min).label("limit_factor_min"),
            func.max(d.limit_requests_min).label("limit_requests_min"),
            func.max(d.limit_days_min).label("limit_days_min"),
        )
        .where(d.baseline_days >= d.limit_baseline_days_min)
        .group_by(d.subject_type, d.subject_id, d.tier)
        .having(func.count().filter(over) >= func.max(d.limit_days_min))
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts busy enough to be in question, whose baseline has too few days of use to compare with."""
    d = _days(scope).c
    busy = d.n >= d.limit_requests_min
    return (
        select(
            d.subject_id.label("account_id"), literal("fewer days of use in the baseline than needed").label("reason")
        )
        .where(d.subject_type == "account", func.coalesce(d.baseline_days, 0) < d.limit_baseline_days_min)
        .group_by(d.subject_id)
        .having(func.count().filter(busy) >= func.max(d.limit_days_min))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The subject's successful requests in the period."""
    return scope.events_of(found.account_ids, usage_events.c.status_code < 400)


def _days(scope: Scope) -> Subquery:
    """Each day of the period by subject, with the level of its baseline: n, usual, z, baseline_days and limits."""
    daily = _daily(scope)
    n: ColumnElement[Any] = daily.c.n
    level = func.ln(1.0 + cast(n, Float(53)))
    base = (
        select(daily.c.subject_type, daily.c.subject_id, level.label("level"))
        .where(daily.c.day < scope.period.first_day, n > 0)
        .subquery("base")
    )
    middle = (
        select(base.c.subject_type, base.c.subject_id, median(base.c.level).label("middle"), func.count().label("days"))
        .group_by(base.c.subject_type, base.c.subject_id)
        .subquery("middle")
    )
    same = and_(base.c.subject_type == middle.c.subject_type, base.c.subject_id == middle.c.subject_id)
    spread = (
        select(
            base.c.subject_type,
            base.c.subject_id,
            (MAD_TO_SIGMA * median(func.abs(base.c.level - middle.c.middle))).label("sigma"),
        )
        .select_from(base.join(middle, same))
        .group_by(base.c.subject_type, base.c.subject_id)
        .subquery("spread")
    )
    d, m, s = daily.c, middle.c, spread.c
    return (
        select(
            daily,
            # Back from the logarithm 9 requests are 9.000000000000002; the cast makes them 9 again.
            cast(cast(func.exp(m.middle) - 1.0, Numeric(38, 9)), Float(53)).label("usual"),
            ((level - m.middle) / func.greatest(s.sigma, d.limit_mad_floor)).label("z"),
            m.days.label("baseline_days"),
        )
        .select_from(
            daily.outerjoin(middle, and_(m.subject_type == d.subject_type, m.subject_id == d.subject_id)).outerjoin(
                spread, and_(s.subject_type == d.subject_type, s.subject_id == d.subject_id)
            )
        )
        .where(d.day >= scope.period.first_day)
        .subquery("days")
    )


def _daily(scope: Scope) -> Subquery:
    """Successful requests by subject and day, for accounts and for groups, with the limits in force."""
    u = scope.usage(account_day, baseline=True).c
    g = scope.groups().c
    limits = [name for name in u.keys() if name.startswith("limit_")]  # noqa: SIM118 - a column collection, no dict
    accounts = select(
        literal("account").label("subject_type"), u.account_id.label("subject_id"), u.tier, u.day,
        func.sum(u.n_ok).label("n"), *(u[name] for name in limits),
    ).group_by(u.account_id, u.tier, u.day, *(u[name] for name in limits))  # fmt: skip
    groups = (
        select(
            literal("group").label("subject_type"), g.group_id.label("subject_id"), g.tier, account_day.c.day,
            func.sum(account_day.c.n_ok).label("n"), *(g[name] for name in limits),
        )
        .where(account_day.c.account_id == g.account_id)
        .where(account_day.c.day.between(scope.baseline_from, scope.period.last_day))
        .group_by(g.group_id, g.tier, account_day.c.day, *(g[name] for name in limits))
    )  # fmt: skip
    return union_all(accounts, groups).subquery("daily")
