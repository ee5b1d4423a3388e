"""R05: one prompt template, filled in over and over by an account, or by several accounts of a linked group.

A template that many parties use (an agent harness, a tutorial) says nothing about any of them and does not count.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float as Double
from sqlalchemy import Select, and_, cast, func, literal, null, or_, select, true, union_all

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("share_min", "requests_min", "group_accounts_min", "group_uses_min", "common_share_max")


def violations(scope: Scope) -> Select[Any]:
    """Accounts with a dominant rare template; groups in which several accounts share one."""
    u, g, p = scope.usage(account_prompt_day).c, scope.group_usage(account_prompt_day).c, _parties(scope)
    uses = (
        select(
            u.account_id, u.tier, u.prompt_template_hash.label("template"), func.sum(u.n_requests).label("n"),
            *(func.max(u[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(u.prompt_template_hash.is_not(None))
        .group_by(u.account_id, u.tier, u.prompt_template_hash)
        .subquery("uses")
    ).c  # fmt: skip
    whole = func.sum(uses.n).over(partition_by=(uses.account_id, uses.tier))
    place = func.row_number().over(partition_by=(uses.account_id, uses.tier), order_by=(uses.n.desc(), uses.template))
    top = select(*uses, whole.label("whole"), place.label("place")).subquery("top").c

    def common(limit: Any) -> Any:
        return cast(p.c.parties, Double(53)) > limit * p.c.everyone

    accounts = select(
        literal("account").label("subject_type"),
        top.account_id.label("subject_id"),
        top.tier,
        literal("medium").label("severity"),
        top.template.label("observed_template"),
        top.n.label("observed_uses"),
        ratio(top.n, top.whole).label("observed_share"),
        cast(null(), Double(53)).label("observed_accounts"),
        top.limit_share_min,
        top.limit_requests_min.label("limit_uses_min"),
    ).where(
        top.place == 1,
        ratio(top.n, top.whole) >= top.limit_share_min,
        top.n >= top.limit_requests_min,
        p.c.template == top.template,
        or_(~common(top.limit_common_share_max), p.c.parties <= 1),
    )
    shared = (
        select(
            g.group_id, g.tier, g.prompt_template_hash.label("template"),
            func.sum(g.n_requests).label("n"),
            func.count(g.account_id.distinct()).label("accounts"),
            *(func.max(g[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(g.prompt_template_hash.is_not(None))
        .group_by(g.group_id, g.tier, g.prompt_template_hash)
        .subquery("shared")
    ).c  # fmt: skip
    first = func.row_number().over(
        partition_by=(shared.group_id, shared.tier), order_by=(shared.n.desc(), shared.template)
    )
    best = (
        select(*shared, first.label("place"))
        .where(
            and_(shared.accounts >= shared.limit_group_accounts_min, shared.n >= shared.limit_group_uses_min),
            p.c.template == shared.template,
            ~common(shared.limit_common_share_max),
        )
        .subquery("best")
    ).c
    groups = select(
        literal("group"), best.group_id, best.tier, literal("high"), best.template, best.n, cast(null(), Double(53)),
        cast(best.accounts, Double(53)), cast(null(), Double(53)), best.limit_group_uses_min,
    ).where(best.place == 1)  # fmt: skip
    return select(union_all(accounts, groups).subquery("found"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests that used the template."""
    template = usage_events.c.prompt_template_hash
    return scope.events_of(found.account_ids, template == found.observed["template"]).add_columns(template)


def _parties(scope: Scope) -> Any:
    """How many customers used each template, and how many were active at all.

    A customer is one party; so that a campaign does not make its own template common, a group is one party, too.
    """
    d, a, g = account_prompt_day.c, audited_accounts.c, scope.groups()
    party = func.coalesce(g.c.group_id, a.customer_id)
    held = and_(a.account_id == d.account_id, d.slice_start >= a.valid_from, d.slice_start < a.valid_to)
    in_period = d.day.between(scope.period.first_day, scope.period.last_day)
    users = (
        select(d.prompt_template_hash.label("template"), func.count(party.distinct()).label("parties"))
        .select_from(account_prompt_day.join(audited_accounts, held).outerjoin(g, g.c.account_id == d.account_id))
        .where(in_period, d.prompt_template_hash.is_not(None))
        .group_by(d.prompt_template_hash)
        .subquery("users")
    )
    active = (
        select(func.count(a.customer_id.distinct()).label("everyone"))
        .select_from(account_day.join(audited_accounts, a.account_id == account_day.c.account_id))
        .where(account_day.c.day.between(scope.period.first_day, scope.period.last_day))
        .subquery("active")
    )
    return select(users, active).select_from(users.join(active, true())).subquery("parties")
