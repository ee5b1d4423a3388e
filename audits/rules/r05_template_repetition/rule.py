"""R05: one prompt template, filled in over and over by an account, or by several customers' accounts of a linked group.

A template that many parties use (an agent harness, a tutorial) says nothing about any of them and does not count.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, cast, func, literal, null, select, true, union_all
from sqlalchemy import Float as Double

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.base import Found
from audits.rules.levels import group_levels, of_level
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("share_min", "requests_min", "group_accounts_min", "group_uses_min", "common_share_max")


def violations(scope: Scope) -> Select[Any]:
    """Accounts with a dominant rare template; groups in which accounts of several customers share one.

    Where a limit changes inside the period, each stretch is held against its own; the one with most uses is reported.
    """
    parties = _parties(scope)
    return select(union_all(_own(scope, parties), _shared(scope, parties)).subquery("found"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests that used the template."""
    template = usage_events.c.prompt_template_hash
    held = of_level(scope, found) if found.subject_type == "group" else scope.in_tier(found)
    limits = scope.under_limits(replace(found, tier=str(found.observed["level"])))
    return scope.events_of(found.account_ids, template == found.observed["template"], held, limits).add_columns(
        template
    )


def _own(scope: Scope, parties: Subquery) -> Select[Any]:
    """Accounts most of whose prompts are made from one template."""
    u, p = scope.usage(account_prompt_day).c, parties.c
    stretch = (u.account_id, u.tier, *(u[f"limit_{name}"] for name in LIMITS))
    uses = (
        select(*stretch, u.prompt_template_hash.label("template"), func.sum(u.n_requests).label("n"))
        .where(u.prompt_template_hash.is_not(None))
        .group_by(*stretch, u.prompt_template_hash)
        .subquery("uses")
    ).c
    same_stretch = (uses.account_id, uses.tier, *(uses[f"limit_{name}"] for name in LIMITS))
    whole = func.sum(uses.n).over(partition_by=same_stretch)
    first = func.row_number().over(partition_by=same_stretch, order_by=(uses.n.desc(), uses.template))
    top = select(*uses, whole.label("whole"), first.label("rank")).subquery("top").c
    most = func.row_number().over(partition_by=(top.account_id, top.tier), order_by=(top.n.desc(), top.template))
    best = (
        select(*top, most.label("place"))
        .where(top.rank == 1, top.n >= top.limit_requests_min, ratio(top.n, top.whole) >= top.limit_share_min)
        .where(p.template == top.template, ~_common(p, top.limit_common_share_max))
        .subquery("best_of_accounts")
    ).c
    return select(
        literal("account").label("subject_type"),
        best.account_id.label("subject_id"),
        best.tier,
        literal("own").label("discriminator"),
        literal("medium").label("severity"),
        best.template.label("observed_template"),
        best.n.label("observed_uses"),
        ratio(best.n, best.whole).label("observed_share"),
        cast(null(), Double(53)).label("observed_accounts"),
        cast(null(), Double(53)).label("observed_customers"),
        best.tier.label("observed_level"),
        *(best[f"limit_{name}"] for name in LIMITS),
    ).where(best.place == 1)


def _shared(scope: Scope, parties: Subquery) -> Select[Any]:
    """Groups in which accounts of enough customers use one template often enough together."""
    g, p = group_levels(scope, account_prompt_day).c, parties.c
    stretch = (g.group_id, g.tier, g.level, g.level_rank, *(g[f"limit_{name}"] for name in LIMITS))
    uses = (
        select(
            *stretch, g.prompt_template_hash.label("template"),
            func.sum(g.n_requests).label("n"),
            func.count(g.account_id.distinct()).label("accounts"),
            func.count(g.customer_id.distinct()).label("customers"),
        )
        .where(g.prompt_template_hash.is_not(None))
        .group_by(*stretch, g.prompt_template_hash)
        .subquery("shared")
    ).c  # fmt: skip
    order = (uses.level_rank.desc(), uses.n.desc(), uses.template)
    best = (
        select(*uses, func.row_number().over(partition_by=uses.group_id, order_by=order).label("place"))
        .where(uses.customers >= uses.limit_group_accounts_min, uses.n >= uses.limit_group_uses_min)
        .where(p.template == uses.template, ~_common(p, uses.limit_common_share_max))
        .subquery("best_of_groups")
    ).c
    return select(
        literal("group"), best.group_id, best.tier, literal("shared"), literal("high"), best.template, best.n,
        cast(null(), Double(53)), cast(best.accounts, Double(53)), cast(best.customers, Double(53)), best.level,
        *(best[f"limit_{name}"] for name in LIMITS),
    ).where(best.place == 1)  # fmt: skip


def _common(p: Any, limit: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether more than its share of all parties use a template. One party alone never makes it common."""
    return and_(p.parties > 1, cast(p.parties, Double(53)) > limit * p.everyone)


def _parties(scope: Scope) -> Subquery:
    """How many parties used each template, and how many were active at all."""
    template = account_prompt_day.c.prompt_template_hash
    users = scope.parties(account_prompt_day).add_columns(template.label("template")).where(template.is_not(None))
    u, everyone = users.group_by(template).subquery("users"), scope.parties(account_day).subquery("everyone")
    whole = everyone.c.parties.label("everyone")
    return select(u, whole).select_from(u.join(everyone, true())).subquery("parties")
