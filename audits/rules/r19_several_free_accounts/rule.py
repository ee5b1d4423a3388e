"""R19: several free accounts, linked, that together use a multiple of what one of them may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, select

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.tables import accounts, usage_events

FREE = "free"


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough recently opened free accounts and a day of use over several times one quota."""
    u, a = scope.group_usage(account_day), audited_accounts.c
    held = and_(a.account_id == u.c.account_id, u.c.slice_start >= a.valid_from, u.c.slice_start < a.valid_to)
    longest = max((int(row.values["window_days"]) for row in scope.limits), default=0)  # type: ignore[arg-type]
    recent = accounts.c.opened_at >= literal(scope.period.end - timedelta(days=longest))
    limits = ("accounts_min", "high_accounts_min", "quota_factor_min", "quota_requests_a_day")
    free = u.join(audited_accounts, held).join(accounts, accounts.c.account_id == u.c.account_id)
    d = (
        select(
            u.c.group_id, u.c.tier, u.c.day, func.sum(u.c.n_ok).label("n"),
            *(func.max(u.c[f"limit_{name}"]).label(f"limit_{name}") for name in limits),
        )
        .select_from(free)
        .where(a.tier == FREE, recent)
        .group_by(u.c.group_id, u.c.tier, u.c.day)
        .subquery("days")
    ).c  # fmt: skip
    members = (
        select(u.c.group_id, func.count(u.c.account_id.distinct()).label("accounts"))
        .select_from(free)
        .where(a.tier == FREE, recent)
        .group_by(u.c.group_id)
        .subquery("members")
    ).c
    many = members.accounts >= func.max(d.limit_high_accounts_min)
    return (
        select(
            d.group_id.label("subject_id"),
            d.tier,
            case((many, "high"), else_="medium").label("severity"),
            members.accounts.label("observed_accounts"),
            func.max(d.n).label("observed_peak_requests_a_day"),
            *(func.max(d[f"limit_{name}"]).label(f"limit_{name}") for name in limits),
        )
        .where(members.group_id == d.group_id)
        .group_by(d.group_id, d.tier, members.accounts)
        .having(
            members.accounts >= func.max(d.limit_accounts_min),
            func.max(d.n) >= func.max(d.limit_quota_factor_min * d.limit_quota_requests_a_day),
        )
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests of the group's accounts."""
    return scope.events_of(found.account_ids, usage_events.c.status_code < 400)
