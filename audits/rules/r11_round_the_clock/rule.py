"""R11: use without night or pause, day after day: a machine that never waits for a person."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, and_, case, cast, func, select

from audits.rollups.account_hour import account_hour
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

WEEK = 7
LIMITS = ("active_hours_min", "days_min", "night_day_ratio_min", "hourly_variation_max", "requests_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts active in all hours on enough days of a week, as much in their quiet hours as in their busy ones.

    Which hours are night differs by time zone; the account's own quietest eight hours of the day are compared with
    its busiest eight, which no time zone can hide. The days needed grow with the period: six in seven.
    """
    u = scope.usage(account_hour).c
    hours = (
        select(
            u.account_id, u.tier, u.day, u.hour, func.sum(u.n_requests).label("n"),
            *(func.max(u[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(u.account_id, u.tier, u.day, u.hour)
        .subquery("hours")
    ).c  # fmt: skip
    days = (
        select(hours.account_id, hours.tier, hours.day, func.count().label("active"), func.sum(hours.n).label("n"))
        .group_by(hours.account_id, hours.tier, hours.day)
        .subquery("days")
    ).c
    profile = (
        select(
            hours.account_id, hours.tier, hours.hour, func.sum(hours.n).label("n"),
            *(func.max(hours[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(hours.account_id, hours.tier, hours.hour)
        .subquery("profile")
    ).c  # fmt: skip
    place = func.row_number().over(partition_by=(profile.account_id, profile.tier), order_by=(profile.n, profile.hour))
    placed = select(*profile, place.label("place")).subquery("placed").c
    level = cast(placed.n, Float(53))
    shape = (
        select(
            placed.account_id, placed.tier, func.sum(placed.n).label("n"), func.count().label("hours"),
            ratio(
                func.sum(case((placed.place <= 8, placed.n), else_=0)),
                func.sum(case((placed.place > 16, placed.n), else_=0)),
            ).label("night_day"),
            (func.stddev_pop(level) / func.avg(level)).label("variation"),
            *(func.max(placed[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(placed.account_id, placed.tier)
        .subquery("shape")
    ).c  # fmt: skip
    full = (
        select(days.account_id, days.tier, func.count().label("full_days"))
        .where(
            days.account_id == shape.account_id, days.tier == shape.tier, days.active >= shape.limit_active_hours_min
        )
        .group_by(days.account_id, days.tier)
        .subquery("full_days")
    ).c
    in_period = len(scope.period.days)
    return select(
        shape.account_id.label("subject_id"),
        shape.tier,
        shape.n.label("observed_requests"),
        full.full_days.label("observed_full_days"),
        shape.night_day.label("observed_night_day_ratio"),
        shape.variation.label("observed_hourly_variation"),
        *(shape[f"limit_{name}"] for name in LIMITS),
    ).where(
        and_(full.account_id == shape.account_id, full.tier == shape.tier),
        full.full_days * float(WEEK) >= shape.limit_days_min * float(max(in_period, WEEK)),
        shape.night_day >= shape.limit_night_day_ratio_min,
        shape.variation <= shape.limit_hourly_variation_max,
        shape.n >= shape.limit_requests_min,
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All of the account's requests in the period."""
    return scope.events_of(found.account_ids, usage_events.c.event_ts.is_not(None))
