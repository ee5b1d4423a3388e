"""R27: an account that slept and then runs at many times its peers' level, or a new one that starts at its limits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, and_, cast, func, literal, null, or_, select, union_all

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import day_number, median, utc_day
from audits.warehouse.tables import accounts, usage_events


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough burst days after a long sleep, or enough days near their limits when new."""
    return select(union_all(_woken(scope), _unramped(scope)).subquery("cases"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests in the period."""
    return scope.events_of(found.account_ids, usage_events.c.status_code < 400)


def _days(scope: Scope) -> Any:
    u = scope.usage(account_day, baseline=True).c
    limits = [name for name in u.keys() if name.startswith("limit_")]  # noqa: SIM118 - a column collection, no dict
    return (
        select(u.account_id, u.tier, u.day, func.sum(u.n_ok).label("n"), *(func.max(u[x]).label(x) for x in limits))
        .group_by(u.account_id, u.tier, u.day)
        .subquery("days")
    ).c


def _woken(scope: Scope) -> Select[Any]:
    """No use for ``idle_days`` (and an account older than that), then days at many times the tier's median day."""
    d = _days(scope)
    middle = (
        select(d.tier, median(d.n).label("usual"))
        .where(d.n > 0, d.day >= scope.period.first_day)
        .group_by(d.tier)
        .subquery("middle")
    ).c
    before = func.lag(d.day).over(partition_by=d.account_id, order_by=d.day)
    spaced = select(d, (day_number(d.day) - day_number(before)).label("gap")).where(d.n > 0).subquery("spaced").c
    age = day_number(spaced.day) - day_number(utc_day(accounts.c.opened_at))
    slept = or_(
        spaced.gap > spaced.limit_idle_days,
        and_(
            spaced.gap.is_(None),
            age > spaced.limit_idle_days,
            day_number(spaced.day) - day_number(literal(scope.baseline_from)) > spaced.limit_idle_days,
        ),
    )
    woke = (
        select(spaced.account_id, func.max(spaced.day).label("day"))
        .where(slept, spaced.day >= scope.period.first_day, accounts.c.account_id == spaced.account_id)
        .group_by(spaced.account_id)
        .subquery("woke")
    ).c
    burst = and_(d.day >= woke.day, d.n >= d.limit_burst_factor_min * middle.usual)
    return (
        select(
            d.account_id.label("subject_id"), d.tier, literal("dormant").label("discriminator"),
            literal("a burst after a long sleep").label("observed_kind"),
            func.max(d.n).filter(burst).label("observed_peak_requests_a_day"),
            func.count().filter(burst).label("observed_days"),
            cast(func.max(middle.usual), Float(53)).label("observed_usual_of_tier"),
            func.max(d.limit_burst_days_min).label("limit_days_min"),
        )
        .where(woke.account_id == d.account_id, middle.tier == d.tier)
        .group_by(d.account_id, d.tier)
        .having(func.count().filter(burst) >= func.max(d.limit_burst_days_min))
    )  # fmt: skip


def _unramped(scope: Scope) -> Select[Any]:
    """In its first days the account already runs near the tier's limit."""
    d = _days(scope)
    age = day_number(d.day) - day_number(utc_day(accounts.c.opened_at))
    near = and_(age <= d.limit_new_age_days, d.n >= d.limit_new_share_min * d.limit_quota_requests_a_day)
    return (
        select(
            d.account_id, d.tier, literal("no ramp"), literal("a new account near its limits"),
            func.max(d.n).filter(near), func.count().filter(near), cast(null(), Float(53)),
            func.max(d.limit_new_days_min),
        )
        .where(accounts.c.account_id == d.account_id, d.day >= scope.period.first_day)
        .group_by(d.account_id, d.tier)
        .having(func.count().filter(near) >= func.max(d.limit_new_days_min))
    )  # fmt: skip
