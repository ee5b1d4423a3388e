"""R19: several free accounts on strong links that together use a multiple of what one of them may.

A class behind one network is linked, too; only a shared instrument, device or the like says that accounts are one
person's. Accounts that were opened long after the others are judged apart from them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Subquery, and_, case, exists, func, literal, or_, select

from audits.linkage.kinds import KINDS
from audits.linkage.tables import group_edges
from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.levels import group_levels, uncounted
from audits.rules.listed import listed, on_listed_days
from audits.rules.scope import Scope
from audits.warehouse.dialects import seconds_between
from audits.warehouse.tables import account_tiers, accounts, usage_events

FREE = "free"
STRONG = tuple(kind.name for kind in KINDS if kind.strong)
LIMITS = ("accounts_min", "high_accounts_min", "window_days", "quota_factor_min", "quota_requests_a_day")
DAY = 86_400.0


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough such accounts and a day of use over several times one quota."""
    d, c = _days(scope), _cohorts(scope)
    days, cohort = d.c, c.c
    n = func.sum(days.n)
    used = (
        select(
            cohort.group_id, days.tier, cohort.cohort, days.day, n.label("n"),
            *(func.max(days[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(days.group_id == cohort.group_id, days.account_id == cohort.account_id)
        .group_by(cohort.group_id, days.tier, cohort.cohort, days.day)
        .having(n >= func.max(days.limit_quota_factor_min * days.limit_quota_requests_a_day))
        .subquery("days_over")
    ).c  # fmt: skip
    sizes = (
        select(
            cohort.group_id, cohort.cohort, func.count().label("accounts"),
            func.min(cohort.opened).label("opened_from"), func.max(cohort.opened).label("opened_to"),
        )
        .group_by(cohort.group_id, cohort.cohort)
        .subquery("sizes")
    ).c  # fmt: skip
    over = (
        select(
            used.group_id, used.tier, used.cohort, sizes.accounts, sizes.opened_from, sizes.opened_to,
            func.max(used.n).label("peak"), func.count().label("days"), listed(used.day).label("on_days"),
            *(func.max(used[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(sizes.group_id == used.group_id, sizes.cohort == used.cohort)
        .group_by(used.group_id, used.tier, used.cohort, sizes.accounts, sizes.opened_from, sizes.opened_to)
        .having(sizes.accounts >= func.max(used.limit_accounts_min))
        .subquery("over")
    ).c  # fmt: skip
    order = (over.accounts.desc(), over.peak.desc(), over.cohort)
    worst = func.row_number().over(partition_by=over.group_id, order_by=order)
    found = select(*over, worst.label("place")).subquery("found").c
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        case((found.accounts >= found.limit_high_accounts_min, "high"), else_="medium").label("severity"),
        found.accounts.label("observed_accounts"),
        found.opened_from.label("observed_opened_from"),
        found.opened_to.label("observed_opened_to"),
        found.peak.label("observed_peak_requests_a_day"),
        found.days.label("observed_days_over"),
        found.on_days.label("observed_on_days"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that were not free at any time of the period."""
    a = scope.accounts().c
    return (
        select(a.account_id, literal("only free accounts are judged").label("reason"))
        .group_by(a.account_id)
        .having(func.count().filter(a.tier == FREE) == 0)
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of whose requests no source gives a number."""
    return uncounted(scope)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests on the days over of the group's free accounts that were opened at that time."""
    e, a, t = usage_events.c, accounts.c, account_tiers.c
    first, last = (literal(datetime.fromisoformat(str(found.observed[f"opened_{end}"]))) for end in ("from", "to"))
    opened = exists(select(a.account_id).where(a.account_id == e.account_id, a.opened_at.between(first, last)))
    held = and_(t.valid_from <= e.event_ts, or_(t.valid_to.is_(None), e.event_ts < t.valid_to))
    free = exists(select(t.tier).where(t.account_id == e.account_id, t.tier == FREE, held))
    return scope.usage_of(found.account_ids, e.status_code < 400, on_listed_days(found), opened, free)


def _days(scope: Scope) -> Subquery:
    """Successful requests by day of the group's free accounts on a strong link, while they were free."""
    u, s = group_levels(scope, account_day).c, group_edges.c
    strong = exists(
        select(s.account_id).where(
            s.period == scope.period.id, s.group_id == u.group_id, s.account_id == u.account_id, s.joins,
            s.kind.in_(STRONG),
        )
    )  # fmt: skip
    day = (u.group_id, u.tier, u.account_id, u.day, *(u[f"limit_{name}"] for name in LIMITS))
    n = func.sum(func.coalesce(u.n_ok, u.n_requests))
    return (
        select(*day, n.label("n"))
        .where(u.level == FREE, u.member_tier == FREE, strong)
        .group_by(*day)
        .having(n > 0)
        .subquery("account_days")
    )


def _cohorts(scope: Scope) -> Subquery:
    """The used accounts in order of opening; a new cohort begins after so many days without an opening."""
    d, a = _days(scope).c, accounts.c
    opened = (
        select(
            d.group_id, d.account_id, func.min(a.opened_at).label("opened"),
            func.max(d.limit_window_days).label("window_days"),
        )
        .where(a.account_id == d.account_id)
        .group_by(d.group_id, d.account_id)
        .subquery("opened")
    ).c  # fmt: skip
    before = func.lag(opened.opened).over(partition_by=opened.group_id, order_by=(opened.opened, opened.account_id))
    gap = case((seconds_between(before, opened.opened) > opened.window_days * DAY, 1), else_=0)
    gaps = select(*opened, gap.label("gap")).subquery("gaps").c
    number = func.sum(gaps.gap).over(partition_by=gaps.group_id, order_by=(gaps.opened, gaps.account_id))
    return select(gaps.group_id, gaps.account_id, gaps.opened, number.label("cohort")).subquery("cohorts")
