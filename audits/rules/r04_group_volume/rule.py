"""R04: a linked group that takes out together what hardly any of its accounts takes out alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events


def violations(scope: Scope) -> Select[Any]:
    """Groups with a day over the limit on which most of the active members stay under the limit for one account."""
    u, a = scope.group_usage(account_day), audited_accounts.c
    single = scope.limit_of("R01", "requests_a_day")
    held = and_(a.account_id == u.c.account_id, u.c.slice_start >= a.valid_from, u.c.slice_start < a.valid_to)
    in_force = and_(single.c.tier == a.tier, u.c.day >= single.c.from_day, u.c.day < single.c.to_day)
    m = (
        select(
            u.c.group_id, u.c.tier, u.c.day, u.c.account_id,
            func.sum(u.c.n_ok).label("n"),
            func.max(single.c.value).label("single"),
            func.max(u.c.limit_requests_a_day).label("limit_requests_a_day"),
            func.max(u.c.limit_accounts_min).label("limit_accounts_min"),
            func.max(u.c.limit_members_under_share).label("limit_members_under_share"),
        )
        .select_from(u.join(audited_accounts, held).join(single, in_force))
        .where(u.c.n_ok > 0)
        .group_by(u.c.group_id, u.c.tier, u.c.day, u.c.account_id)
        .subquery("member_days")
    ).c  # fmt: skip
    limits = [m.limit_requests_a_day, m.limit_accounts_min, m.limit_members_under_share]
    d = (
        select(
            m.group_id, m.tier, m.day,
            func.sum(m.n).label("together"),
            func.max(m.n).label("largest"),
            func.count().label("members"),
            ratio(func.count().filter(m.n < m.single), func.count()).label("under"),
            *(func.max(limit).label(limit.name) for limit in limits),
        )
        .group_by(m.group_id, m.tier, m.day)
        .subquery("group_days")
    ).c  # fmt: skip
    over = and_(
        d.together >= d.limit_requests_a_day, d.members >= d.limit_accounts_min, d.under >= d.limit_members_under_share
    )
    return (
        select(
            d.group_id.label("subject_id"),
            d.tier,
            func.max(d.together).filter(over).label("observed_peak_requests_a_day"),
            func.max(d.largest).filter(over).label("observed_peak_requests_of_one_account"),
            func.max(d.members).filter(over).label("observed_active_accounts"),
            func.count().filter(over).label("observed_days_over"),
            *(func.max(d[limit.name]).label(limit.name) for limit in limits),
        )
        .group_by(d.group_id, d.tier)
        .having(func.count().filter(over) > 0)
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests of all members in the period."""
    return scope.events_of(found.account_ids, usage_events.c.status_code < 400)
