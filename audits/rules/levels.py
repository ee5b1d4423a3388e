"""Groups whose members have different tiers: held against each tier's limit, up to the highest.

The limit of a group's highest tier alone would let one enterprise account cover for hundreds of free ones. So a group
is judged once a *level*: for each tier that a member has, the members of this tier and of lower ones are held together
against this tier's limit. The highest level is the whole group; a lower one is found only if its members would be
found without the others.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.population import FAR, UNASSIGNED, audited_accounts, audited_groups
from audits.rules.scope import Scope
from audits.warehouse.tables import Instant, account_tiers, usage_events

_BEGINNING = literal(datetime(1970, 1, 1, tzinfo=UTC), Instant)
"""Of the time before an account's first tier."""


def group_levels(scope: Scope, rollup: FromClause, *, baseline: bool = False) -> Subquery:
    """The members' rollup rows of the period (and baseline), each once for every level that it belongs to.

    Adds ``group_id`` and ``customer_id``; ``tier``, the highest one among the members for which the rule has limits;
    ``member_tier``, the account's own at that time; ``level`` and ``level_rank``; and the level's ``limit_...`` columns
    on the row's day. Use under no tier on record, or under one that the book does not know, belongs to the highest
    level only. The levels themselves are those of the period.
    """
    r: Any = rollup.c
    first = scope.baseline_from if baseline else scope.period.first_day
    held, limits = _held_levels(scope), scope.limit_rows()
    h = held.c
    then = and_(h.account_id == r.account_id, r.slice_start >= h.valid_from, r.slice_start < h.valid_to)
    in_force = and_(limits.c.tier == h.level, r.day >= limits.c.from_day, r.day < limits.c.to_day)
    return (
        select(
            rollup, h.group_id, h.customer_id, h.tier, h.member_tier, h.level, h.level_rank,
            *(c for c in limits.c if c.name.startswith("limit_")),
        )
        .select_from(rollup.join(held, then).join(limits, in_force))
        .where(r.day.between(first, scope.period.last_day))
        .subquery(f"levels_{rollup.description}")
    )  # fmt: skip


def subject_levels(scope: Scope, rollup: FromClause, *, baseline: bool = False) -> Subquery:
    """:meth:`Scope.usage` of every account and, once more, :func:`group_levels` of every group, in one relation.

    For rules whose units are both: ``subject_type``, ``subject_id``, ``tier``, ``level`` and ``level_rank`` (of an
    account its tier's), the rollup's columns, the limits.
    """
    u, g = scope.usage(rollup, baseline=baseline).c, group_levels(scope, rollup, baseline=baseline).c
    shared = [name for name in u.keys() if name not in ("customer_id", "tier", "tier_rank")]  # noqa: SIM118
    accounts = select(
        literal("account").label("subject_type"), u.account_id.label("subject_id"), u.tier, u.tier.label("level"),
        u.tier_rank.label("level_rank"), *(u[name] for name in shared),
    )  # fmt: skip
    groups = select(
        literal("group"), g.group_id, g.tier, g.level, g.level_rank, *(g[name] for name in shared)
    )  # fmt: skip
    return union_all(accounts, groups).subquery(f"subjects_{rollup.description}")


def level_members(scope: Scope) -> Subquery:
    """``group_id``, ``level``, ``level_rank`` and ``account_id`` of whom a level counts at any time of the period."""
    h = _held_levels(scope).c
    return (
        select(h.group_id, h.level, h.level_rank, h.account_id)
        .where(h.valid_from < scope.period.end, h.valid_to > scope.period.start)
        .distinct()
        .subquery("members_of_levels")
    )


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


def counted(scope: Scope, found: Found, at: ColumnElement[Any] = usage_events.c.event_ts) -> ColumnElement[bool]:
    """Evidence: whether a request was counted: made by whom the finding speaks of, under the limits that it names."""
    whose = of_level(scope, found, at) if found.subject_type == "group" else scope.in_tier(found, at)
    return and_(whose, scope.under_limits(replace(found, tier=str(found.observed["level"])), at))


def uncounted(scope: Scope) -> Select[Any]:
    """Accounts of whose requests no source gives a number, with that as the reason why they cannot be judged."""
    u = scope.usage(account_day).c
    return (
        select(u.account_id, literal("not recorded: number of requests").label("reason"))
        .group_by(u.account_id)
        .having(func.count(u.n_requests) == 0)
    )


def _held_levels(scope: Scope) -> CTE:
    """Every member with each stretch of time and each level that it belongs to meanwhile.

    Worked out first and by itself: it is small, and left to the planner it was joined to everybody's use too early.
    """
    g, of_group, held = audited_groups.c, _levels(scope), _stretches()
    level, h = of_group.c, held.c
    known = h.tier.in_([tier.id for tier in scope.book.tiers])
    rank = case((known, h.tier_rank), else_=level.top_rank)
    return (
        select(
            g.account_id, h.valid_from, h.valid_to, h.customer_id, h.tier.label("member_tier"), level.group_id,
            level.tier, level.level, level.level_rank,
        )
        .select_from(
            audited_groups.join(held, h.account_id == g.account_id).join(
                of_group, and_(level.group_id == g.group_id, level.level_rank >= rank)
            )
        )
        .cte()
        .prefix_with("MATERIALIZED")
    )  # fmt: skip


def _stretches() -> Subquery:
    """Members' tiers with the time between them: what was used under no tier is use, too."""
    a, g = audited_accounts.c, audited_groups.c
    next_from = func.lead(a.valid_from).over(partition_by=a.account_id, order_by=a.valid_from)
    held = select(audited_accounts, func.coalesce(next_from, FAR).label("next_from")).subquery("held").c
    nowhere = (literal(UNASSIGNED), literal(-1))
    between = select(held.account_id, held.customer_id, *nowhere, held.valid_to, held.next_from)
    before = (
        select(
            g.account_id, func.min(a.customer_id), *nowhere, _BEGINNING, func.coalesce(func.min(a.valid_from), FAR)
        )
        .select_from(audited_groups.outerjoin(audited_accounts, a.account_id == g.account_id))
        .group_by(g.account_id)
    )  # fmt: skip
    return union_all(
        select(a.account_id, a.customer_id, a.tier, a.tier_rank, a.valid_from, a.valid_to),
        between.where(held.valid_to < held.next_from),
        before,
    ).subquery("stretches")


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
