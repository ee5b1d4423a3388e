"""R01: more successful requests on a day, or more output in seven days, than the tier's use calls for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, or_, select

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import day_number
from audits.warehouse.tables import usage_events


def violations(scope: Scope) -> Select[Any]:
    """Accounts with a day over the request limit, or seven days ending in the period over the output limit."""
    u = scope.usage(account_day, baseline=True).c
    limits = (u.limit_requests_a_day, u.limit_output_tokens_a_week)
    days = (
        select(
            u.account_id, u.tier, u.day, *limits,
            # A bucket counts the requests that its source served; a source may publish no count at all.
            func.sum(func.coalesce(u.n_ok, u.n_requests)).label("ok"),
            func.sum(u.output_tokens).label("output"),
        ).group_by(u.account_id, u.tier, u.day, *limits)
    ).subquery("days").c  # fmt: skip
    week = func.sum(days.output).over(
        partition_by=(days.account_id, days.tier), order_by=day_number(days.day), range_=(-6, 0)
    )
    d = select(*days, week.label("week_output")).subquery("weeks").c
    over_day, over_week = d.ok > d.limit_requests_a_day, d.week_output > d.limit_output_tokens_a_week
    return (
        select(
            d.account_id.label("subject_id"),
            d.tier,
            func.max(d.ok).label("observed_peak_requests_a_day"),
            func.max(d.week_output).label("observed_peak_output_tokens_a_week"),
            func.count().filter(over_day).label("observed_days_over"),
            func.min(d.limit_requests_a_day).label("limit_requests_a_day"),
            func.min(d.limit_output_tokens_a_week).label("limit_output_tokens_a_week"),
        )
        .where(d.day.between(scope.period.first_day, scope.period.last_day))
        .group_by(d.account_id, d.tier)
        .having(func.count().filter(or_(over_day, over_week)) > 0)
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests and its buckets in the period."""
    return scope.usage_of(found.account_ids, usage_events.c.status_code < 400)
