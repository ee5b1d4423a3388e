"""Groups whose members have different tiers: held against each tier's limit, up to the highest.

The limit of a group's highest tier alone would let one enterprise account cover for hundreds of free ones. So a group
is judged once a *level*: for each tier that a member has, the members of this tier and of lower ones are held together
against this tier's limit. The highest level is the whole group; a lower one is found only if its members would be
found without the others.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Subquery, and_, case, exists, func, literal, or_, select

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts, audited_groups
from audits.rules.scope import Scope
from audits.warehouse.tables import account_tiers, usage_events


def group_levels(scope: Scope, rollup: FromClause) -> Subquery:
    """The members' rollup rows of the period, each once for every level that it belongs to.

    Adds ``group_id`` and ``customer_id``; ``tier``, the highest one among the members for which the rule has limits;
    ``member_tier``, the account's own at that time; ``level`` and ``level_rank``; and the level's ``limit_...`` columns
    on the row's day. Use under no tier on record, or under one that the book does not know, belongs to the highest
    level only.
    """
    r: Any = rollup.c
    a, g, limits = audited_accounts.c, audited_groups.c, scope.limit_rows()
    of_group = _levels(scope)
    level = of_group.c
    known = a.tier.in_([tier.id for tier in scope.book.tiers])
    rank = case((known, a.tier_rank), else_=level.top_rank)
    held = and_(a.account_id == r.account_id, r.slice_start >= a.valid_from, r.slice_start < a.valid_to)
    in_force = and_(limits.c.tier == level.level, r.day >= limits.c.from_day, r.day < limits.c.to_day)
    return (
        select(
            rollup, level.group_id, a.customer_id, level.tier, a.tier.label("member_tier"), level.level,
            level.level_rank,
            *(c for c in limits.c if c.name.startswith("limit_")),
        )
        .select_from(
            rollup.join(audited_accounts, held)
            .join(audited_groups, g.account_id == r.account_id)
            .join(of_group, and_(level.group_id == g.group_id, level.level_rank >= rank))
            .join(limits, in_force)
        )
        .where(r.day.between(scope.period.first_day, scope.period.last_day))
        .subquery(f"levels_{rollup.description}")
    )  # fmt: skip


def of_level(
    scope: Scope,
    found: Found,
    at: ColumnElement[Any] = usage_events.c.event_ts,
    account: ColumnElement[Any] = usage_events.c.account_id,
) -> ColumnElement[bool]:
    """Evidence: whether the account belonged at an instant to the level that a finding speaks of."""
    order, t = [tier.id for tier in scope.book.tiers], account_tiers.c
    last = order.index(str(found.observed["level"])) + 1
    held = and_(t.account_id == account, t.valid_from <= at, or_(t.valid_to.is_(None), at < t.valid_to))
    if found.observed["level"] == found.tier:  # whose tier is not known belongs here
        return ~exists(select(t.tier).where(held, t.tier.in_(order[last:])))
    return exists(select(t.tier).where(held, t.tier.in_(order[:last])))


def uncounted(scope: Scope) -> Select[Any]:
    """Accounts of whose requests no source gives a number, with that as the reason why they cannot be judged."""
    u = scope.usage(account_day).c
    return (
        select(u.account_id, literal("not recorded: number of requests").label("reason"))
        .group_by(u.account_id)
        .having(func.count(u.n_requests) == 0)
    )


def _levels(scope: Scope) -> Subquery:
    """The tiers with limits that members of a group had in the period: ``level``, its rank, and the highest of them."""
    a, g = audited_accounts.c, audited_groups.c
    held = (
        select(g.group_id, a.tier.label("level"), a.tier_rank.label("level_rank"))
        .where(g.account_id == a.account_id, a.tier.in_(sorted({row.tier for row in scope.limits})))
        .where(a.valid_from < scope.period.end, a.valid_to > scope.period.start)
        .distinct()
        .subquery("tiers_of_groups")
    )
    top = func.max(held.c.level_rank).over(partition_by=held.c.group_id)
    return select(held, top.label("top_rank"), scope.tier_at(top).label("tier")).subquery("levels_of_groups")
