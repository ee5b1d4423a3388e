"""R23: content that the provider kept although the contract, or zero retention, says otherwise. The duty is ours."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Select, Subquery, and_, case, exists, func, literal, or_, select

from audits.rollups.account_retention_day import account_retention_day
from audits.rules.base import SEVERITIES, Found
from audits.rules.contracts import held_contracts, in_force
from audits.rules.scope import Scope
from audits.warehouse.tables import accounts, usage_events


def violations(scope: Scope) -> Select[Any]:
    """Accounts with requests kept under zero retention, or for longer than a contract in force at their time allows.

    Where a limit changes inside the period, each stretch is held against its own; the gravest one is reported.
    """
    k = _kept(scope).c
    stretch = (k.account_id, k.tier, k.limit_events_min, k.limit_severity)
    s = (
        select(
            *stretch,
            func.sum(k.n_stored).label("kept"),
            func.max(k.retention_days).label("longest"),
            func.max(k.allowed).label("allowed"),
        )
        .where(or_(k.allowed == 0, k.retention_days > k.allowed))
        .group_by(*stretch)
        .having(func.sum(k.n_stored) >= k.limit_events_min)
        .subquery("stretches")
    ).c
    gravity = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=s.limit_severity)
    worst = func.row_number().over(
        partition_by=(s.account_id, s.tier), order_by=(gravity.desc(), s.kept.desc(), s.limit_events_min)
    )
    found = select(*s, worst.label("place")).subquery("found").c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.limit_severity.label("severity"),
        found.kept.label("observed_requests_kept_too_long"),
        found.longest.label("observed_longest_retention_days"),
        found.allowed.label("limit_retention_days"),
        found.limit_events_min,
        found.limit_severity,
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with kept content of which nobody knows how long it was kept, or how long it may be."""
    k = _kept(scope).c
    limited = k.allowed > 0
    of_limited = func.sum(k.n_stored).filter(limited)
    of_known_length = func.sum(k.n_stored).filter(limited, k.retention_days.is_not(None))
    known = func.coalesce(of_known_length, 0)  # adequacy: equivalent, because any number below zero is too few as well
    enough = scope.book.settings(scope.period.last_day).evaluable_share
    no_contracts = and_(~k.zero, literal("contracts" in scope.unrecorded))
    reason = case(
        (k.zero.is_(None), "not recorded: zero_retention of the account"),
        (no_contracts, "not recorded: table contracts"),
        else_="not recorded: retention_days of kept content",
    )
    return (
        select(k.account_id, reason.label("reason"))
        .group_by(k.account_id, k.zero)
        .having(or_(k.zero.is_(None), no_contracts, known < enough * of_limited))
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts without zero retention whose customers have no term on retention in the period."""
    a, c, z = scope.accounts().c, held_contracts().c, _agreed_zero().c
    bound = select(c.customer_id).where(
        c.retention_days_max.is_not(None),
        c.valid_from < literal(scope.period.end),
        c.valid_to > literal(scope.period.start),
    )
    return (
        select(a.account_id, literal("no term on retention is on record").label("reason"))
        .where(z.account_id == a.account_id, ~z.zero, a.customer_id.not_in(bound))
        .where(literal("contracts" not in scope.unrecorded))
        .distinct()
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests whose content was kept for longer than allowed at their time."""
    e, a, c = usage_events.c, accounts.c, held_contracts().c
    held = and_(a.account_id == e.account_id, in_force(c, a.customer_id, e.event_ts))
    longer = or_(c.retention_days_max == 0, e.retention_days > c.retention_days_max)
    too_long = or_(
        e.account_id.in_(select(a.account_id).where(a.zero_retention)), exists(select(a.account_id).where(held, longer))
    )
    return scope.events_of(
        found.account_ids, e.content_stored, too_long, scope.in_tier(found), scope.under_limits(found)
    ).add_columns(e.content_stored, e.retention_days)


def _kept(scope: Scope) -> Subquery:
    """Rollup rows of kept content with ``zero`` (NULL where not recorded) and the days ``allowed`` at their time.

    Where several contracts are in force the strictest decides; zero retention of the account goes before them all.
    """
    u, c, z = scope.usage(account_retention_day), held_contracts(), _agreed_zero()
    row = (u.c.account_id, u.c.tier, u.c.slice_start, u.c.retention_days, u.c.limit_events_min, u.c.limit_severity)
    of_account = u.join(z, z.c.account_id == u.c.account_id)  # adequacy: equivalent, because all accounts are there
    strictest = func.min(c.c.retention_days_max)
    return (
        select(*row, u.c.n_stored, z.c.zero, case((z.c.zero, 0), else_=strictest).label("allowed"))
        .select_from(of_account.outerjoin(c, in_force(c.c, u.c.customer_id, u.c.slice_start)))
        .group_by(*row, u.c.n_stored, z.c.zero)
        .subquery("kept")
    )


def _agreed_zero() -> Subquery:
    """Every account once with ``zero``: whether zero retention was agreed for it, NULL where that is not recorded."""
    zero = func.bool_or(accounts.c.zero_retention, type_=Boolean).label("zero")
    return select(accounts.c.account_id, zero).group_by(accounts.c.account_id).subquery("agreed")
