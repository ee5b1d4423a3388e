"""R23: content that the provider kept although the contract, or zero retention, says otherwise. The duty is ours."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select

from audits.rollups.account_retention_day import account_retention_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import accounts, contracts, usage_events


def violations(scope: Scope) -> Select[Any]:
    """Accounts with requests kept under zero retention, or for longer than the contract in force allows."""
    u = scope.usage(account_retention_day)
    c = contracts.c
    in_force = and_(
        c.customer_id == u.c.customer_id,
        u.c.slice_start >= c.valid_from,
        or_(c.valid_to.is_(None), u.c.slice_start < c.valid_to),
    )
    zero = func.coalesce(accounts.c.zero_retention, literal(False))
    joined = u.join(accounts, accounts.c.account_id == u.c.account_id).outerjoin(contracts, in_force)
    kept = (
        select(
            u.c.account_id, u.c.tier, u.c.n_stored, u.c.retention_days, u.c.limit_severity, u.c.limit_events_min,
            case((zero, 0), else_=c.retention_days_max).label("allowed"),
        ).select_from(joined)
    ).subquery("kept").c  # fmt: skip
    too_long = or_(kept.allowed == 0, kept.retention_days > kept.allowed)
    return (
        select(
            kept.account_id.label("subject_id"),
            kept.tier,
            func.max(kept.limit_severity).label("severity"),
            func.sum(kept.n_stored).label("observed_requests_kept_too_long"),
            func.max(kept.retention_days).label("observed_longest_retention_days"),
            func.min(kept.allowed).label("limit_retention_days"),
            func.max(kept.limit_events_min).label("limit_events_min"),
        )
        .where(too_long)
        .group_by(kept.account_id, kept.tier)
        .having(func.sum(kept.n_stored) >= func.max(kept.limit_events_min))
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with a contract on retention whose kept content carries no length."""
    u = scope.usage(account_retention_day)
    c = contracts.c
    in_force = and_(
        c.customer_id == u.c.customer_id,
        u.c.slice_start >= c.valid_from,
        or_(c.valid_to.is_(None), u.c.slice_start < c.valid_to),
    )
    return (
        select(u.c.account_id, literal("not recorded: retention_days of kept content").label("reason"))
        .select_from(u.join(contracts, in_force))
        .where(u.c.retention_days.is_(None), c.retention_days_max.is_not(None))
        .distinct()
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts without zero retention and without any contract on retention in the period."""
    a, c = scope.accounts(), contracts.c
    bound = select(c.customer_id).where(
        c.retention_days_max.is_not(None),
        c.valid_from < literal(scope.period.end),
        or_(c.valid_to.is_(None), c.valid_to > literal(scope.period.start)),
    )
    return (
        select(a.c.account_id, literal("no term on retention is on record").label("reason"))
        .select_from(a.join(accounts, accounts.c.account_id == a.c.account_id))
        .where(~func.coalesce(accounts.c.zero_retention, literal(False)), a.c.customer_id.not_in(bound))
        .distinct()
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests whose content was kept for longer than allowed."""
    e = usage_events.c
    allowed = int(found.limits["retention_days"])
    too_long = e.content_stored if allowed == 0 else and_(e.content_stored, e.retention_days > allowed)
    return scope.events_of(found.account_ids, too_long).add_columns(e.content_stored, e.retention_days)
