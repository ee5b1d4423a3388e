"""R24: somebody tries keys: many that do not exist, many failures, or a success after a row of failures."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, literal, or_, select, true

from audits.rollups.auth_day import auth_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.tables import auth_events

FAILED = ("invalid_key", "revoked_key", "forbidden")
LIMITS = ("invalid_keys_a_day", "failures_a_day", "failures_before_success")


def violations(scope: Scope) -> Select[Any]:
    """Networks over a limit on a day. One key that expired is a forgotten setting, however often it is tried."""
    d, limits = auth_day.c, scope.limit_rows()
    least = select(*(func.min(limits.c[f"limit_{name}"]).label(name) for name in LIMITS)).subquery("lowest")
    lowest = least.c
    failed = or_(d.outcome.in_(FAILED))
    day_rows = (
        select(
            d.client_net_hash, d.day,
            func.count(d.api_key_hash.distinct()).filter(d.outcome == "invalid_key").label("invalid_keys"),
            func.coalesce(func.sum(d.n_attempts).filter(failed), 0).label("failures"),
            func.min(d.first_ts).filter(failed).label("first_failure"),
            func.max(d.last_ts).filter(d.outcome == "ok").label("last_success"),
            func.min(d.account_id).filter(d.outcome == "ok").label("entered"),
        )
        .where(d.client_net_hash.is_not(None), d.day.between(scope.period.first_day, scope.period.last_day))
        .group_by(d.client_net_hash, d.day)
        .subquery("days")
    )  # fmt: skip
    days = day_rows.c
    known = (
        select(d.client_net_hash, d.account_id, func.min(d.first_ts).label("since"))
        .where(d.outcome == "ok", d.client_net_hash.is_not(None))
        .group_by(d.client_net_hash, d.account_id)
        .subquery("known")
    ).c
    new = (
        select(literal(1))
        .where(known.client_net_hash == days.client_net_hash, known.account_id == days.entered)
        .where(known.since < days.first_failure)
        .exists()
    )
    broke_in = and_(days.failures >= lowest.failures_before_success, days.last_success > days.first_failure, ~new)
    over = or_(days.invalid_keys >= lowest.invalid_keys_a_day, days.failures >= lowest.failures_a_day, broke_in)
    a = audited_accounts.c
    owner = select(a.account_id, func.max(a.tier_rank).label("rank")).group_by(a.account_id).subquery("owner")
    found = (
        select(
            days.client_net_hash.label("subject_id"),
            func.min(days.entered).filter(broke_in).label("account_id"),
            func.max(days.invalid_keys).label("observed_peak_invalid_keys_a_day"),
            func.max(days.failures).label("observed_peak_failures_a_day"),
            func.count().filter(broke_in).label("observed_days_with_success_after_failures"),
            func.count().filter(over).label("observed_days_over"),
            *(func.max(lowest[name]).label(f"limit_{name}") for name in LIMITS),
        )
        .select_from(day_rows.join(least, true()))
        .group_by(days.client_net_hash)
        .having(func.count().filter(over) > 0)
        .subquery("found")
    )
    f = found.c
    tier = func.coalesce(scope.tier_at(owner.c.rank), literal(scope.book.tiers[0].id)).label("tier")
    return select(
        f.subject_id, owner.c.account_id, tier, *(c for c in f if c.name.startswith(("observed_", "limit_")))
    ).select_from(found.outerjoin(owner, owner.c.account_id == f.account_id))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The network's attempts in the period."""
    a = auth_events.c
    return (
        select(a.auth_event_id, a.event_ts, a.client_net_hash, a.api_key_hash, a.account_id, a.outcome)
        .where(a.client_net_hash == found.subject_id, scope.in_period(a.event_ts))
        .order_by(a.event_ts, a.auth_event_id)
    )
