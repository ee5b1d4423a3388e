"""Groups whose members have different tiers: held against each tier's limit, up to the highest.

The limit of a group's highest tier alone would let one enterprise account cover for hundreds of free ones. So a group
is judged once a *level*: for each tier that a member has, the members of this tier and of lower ones are held together
against this tier's limit. The highest level is the whole group; a lower one is found only if its members would be
found without the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    select,
    union_all,
)

from audits.rules.engine.base import Found
from audits.rules.engine.population import group_intervals, group_tiers, held
from audits.rules.engine.scope import Scope
from audits.rules.engine.unread import with_unread
from audits.warehouse.tables import usage_events
from audits.warehouse.validity import holds


def group_levels(scope: Scope, rollup: FromClause, *, baseline: bool = False) -> Subquery:
    """The members' rollup rows of the period (and baseline), each once for every level that it belongs to.

    Adds ``group_id`` and ``customer_id``; ``tier``, the highest one among the members for which the rule has limits;
    ``member_tier``, the account's own at that time; ``level`` and ``level_rank``; and the level's ``limit_...`` columns
    on the row's day. Use under no tier on record, or under one that the book does not know, belongs to the highest
    level only. The levels themselves are those of the period.
    """
    rollup = with_unread(scope, rollup)
    r: Any = rollup.c
    first = scope.baseline_from if baseline else scope.period.first_day
    intervals, limits = held_levels(scope), scope.limit_rows()
    h = intervals.c
    in_force = and_(limits.c.tier == h.level, r.day >= limits.c.from_day, r.day < limits.c.to_day)
    return (
        select(
            rollup, h.group_id, h.customer_id, h.tier, h.member_tier, h.level, h.level_rank,
            *(c for c in limits.c if c.name.startswith("limit_")),
        )
        .select_from(rollup.join(intervals, held(rollup, intervals)).join(limits, in_force))
        .where(r.day.between(first, scope.period.last_day), scope.readable(rollup))
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


def stretch(rows: Any, limits: Iterable[str]) -> list[Any]:
    """What tells rows of :func:`subject_levels` apart that are judged apart: subject, level and limits in force."""
    return [
        rows.subject_type, rows.subject_id, rows.tier, rows.level, rows.level_rank,
        *(rows[f"limit_{name}"] for name in limits),
    ]  # fmt: skip


def same_stretch(rows: Any, others: Any, limits: Sequence[str]) -> ColumnElement[bool]:
    """Whether two rows belong to the same stretch of the same subject."""
    return and_(*(one == other for one, other in zip(stretch(rows, limits), stretch(others, limits), strict=True)))


def strictest_limits(scope: Scope) -> Subquery:
    """``tier`` and the strictest value of each limit in the period, for a rule that compares all of it at once.

    Of limits that must be reached the strictest is the highest; a rule with limits of the other kind asks for its own.
    """
    limits = scope.limit_rows().c
    names = [name for name in limits.keys() if name.startswith("limit_")]  # noqa: SIM118 - a column collection, no dict
    strictest = (func.max(limits[name]).label(name) for name in names)
    return select(limits.tier, *strictest).group_by(limits.tier).subquery("strictest")


def level_members(scope: Scope) -> Subquery:
    """``group_id``, ``level``, ``level_rank`` and ``account_id`` of whom a level counts at any time of the period."""
    h = held_levels(scope).c
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
    order, t = [tier.id for tier in scope.book.tiers], scope.tiers(found.account_ids).c
    last = order.index(str(found.observed["level"])) + 1
    held = and_(t.account_id == account, holds(t, at))
    if found.observed["level"] == found.tier:  # whose tier is not known belongs here
        return ~exists(select(t.tier).where(held, t.tier.in_(order[last:])))
    return exists(select(t.tier).where(held, t.tier.in_(order[:last])))


def counted(scope: Scope, found: Found, at: ColumnElement[Any] = usage_events.c.event_ts) -> ColumnElement[bool]:
    """Evidence: whether a request was counted: made by whom the finding speaks of, under the limits that it names."""
    whose = of_level(scope, found, at) if found.subject_type == "group" else scope.in_tier(found, at)
    return and_(whose, scope.under_limits(replace(found, tier=str(found.observed["level"])), at))


def held_levels(scope: Scope) -> CTE:
    """Every member with each validity interval and each level that it belongs to meanwhile.

    Worked out first and by itself: it is small, and left to the planner it was joined to everybody's use too early.
    """
    level, i = _levels(scope).c, group_intervals.c
    known = i.tier.in_([tier.id for tier in scope.book.tiers])
    rank = case((known, i.tier_rank), else_=level.top_rank)
    return (
        select(
            i.account_id, i.valid_from, i.valid_to, i.customer_id, i.tier.label("member_tier"), level.group_id,
            level.tier, level.level, level.level_rank,
        )
        .where(level.group_id == i.group_id, level.level_rank >= rank)
        .cte()
        .prefix_with("MATERIALIZED")
    )  # fmt: skip


def _levels(scope: Scope) -> Subquery:
    """The tiers with limits that members of a group had in the period: ``level``, its rank, and the highest of them."""
    t = group_tiers.c
    top = func.max(t.tier_rank).over(partition_by=t.group_id)
    return (
        select(
            t.group_id, t.tier.label("level"), t.tier_rank.label("level_rank"), top.label("top_rank"),
            scope.tier_at(top).label("tier"),
        )
        .where(t.tier.in_(sorted({row.tier for row in scope.limits})))
        .subquery("levels_of_groups")
    )  # fmt: skip
