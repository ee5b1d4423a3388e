"""R05: one prompt template, filled in over and over by an account, or by several customers' accounts of a linked group.

A template that is common (an agent harness, a tutorial) says nothing about whoever uses it and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, cast, func, literal, null, select, union_all
from sqlalchemy import Float as Double

from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.engine import templates
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import group_levels, of_level
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import least_text, ratio
from audits.warehouse.tables import accounts, usage_events

OWN = ("share_min", "requests_min", *templates.PARAMETERS)
SHARED = ("group_accounts_min", "group_uses_min", *templates.PARAMETERS)
LIMITS = dict.fromkeys((*OWN, *SHARED))
UNKNOWN = "not recorded: prompt_template_hash"


def violations(scope: Scope) -> Select[Any]:
    """Accounts with a dominant rare template; groups in which accounts of several customers share one.

    Where a limit changes inside the period, each stretch is held against its own; the one with most uses is reported.
    """
    return select(union_all(_own(scope), _shared(scope)).subquery("found"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts, alone or as a group, that would reach the limits if every prompt without a recorded template counted.

    These may all be made from one rare template, be it one that is known of the account or group or another one.
    """
    return any_of(
        undecided(_own_templates(scope), _dominates, UNKNOWN),
        undecided(_group_templates(scope), lambda t, more: _many(t, t.n + more, t.customers_most), UNKNOWN),
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's requests with a template, or the linked accounts' with the one that they share, and whose it is."""
    e, a = usage_events.c, accounts.c
    template, limits = e.prompt_template_hash, scope.under_limits(replace(found, tier=str(found.observed["level"])))
    if found.subject_type == "account":
        held = (template.is_not(None), scope.in_tier(found), limits)
        return scope.events_of(found.account_ids, *held).add_columns(template)
    owner = select(least_text(a.customer_id)).where(a.account_id == e.account_id).scalar_subquery()
    used = (template == found.observed["template"], of_level(scope, found), limits)
    return scope.events_of(found.account_ids, *used).add_columns(template, owner.label("customer_id"))


def _dominates(t: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether so many prompts from an account's template and ``more`` are enough, by number and share."""
    return and_(t.n + more >= t.limit_requests_min, ratio(t.n + more, t.whole + more) >= t.limit_share_min)


def _many(t: Any, uses: ColumnElement[Any], customers: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a group's uses of a template are enough, and made by enough customers."""
    return and_(customers >= t.limit_group_accounts_min, uses >= t.limit_group_uses_min)


def _own(scope: Scope) -> Select[Any]:
    """Accounts most of whose prompts are made from one template."""
    top = _own_templates(scope).c
    most = func.row_number().over(partition_by=(top.account_id, top.tier), order_by=(top.n.desc(), top.template))
    best = select(*top, most.label("place")).where(top.rank == 1, _dominates(top)).subquery("best_of_accounts").c
    return select(
        literal("account").label("subject_type"),
        best.account_id.label("subject_id"),
        best.tier,
        literal("own").label("discriminator"),
        literal("medium").label("severity"),
        best.template.label("observed_template"),
        best.n.label("observed_uses"),
        best.whole.label("observed_prompts"),
        ratio(best.n, best.whole).label("observed_share"),
        cast(null(), Double(53)).label("observed_accounts"),
        cast(null(), Double(53)).label("observed_customers"),
        best.tier.label("observed_level"),
        *_limits(best, OWN),
    ).where(best.place == 1)


@computed_once
def _own_templates(scope: Scope) -> Select[Any]:
    """The templates of each account that are not common, by tier and stretch, with ``n`` prompts of ``whole``.

    ``rank`` is 1 for the most used of all; ``missing`` prompts have no template, which is one more, of 0 prompts.
    """
    u = scope.usage(account_prompt_day).c
    stretch = (u.account_id, u.tier, *(u[f"limit_{name}"] for name in OWN))
    known = u.prompt_template_hash.is_not(None)
    uses = (
        select(
            *stretch, u.prompt_template_hash.label("template"),
            func.coalesce(func.sum(u.n_requests).filter(known), 0).label("n"),
            func.coalesce(func.sum(u.n_requests).filter(~known), 0).label("without"),
        )
        .group_by(*stretch, u.prompt_template_hash)
        .subquery("uses")
    ).c  # fmt: skip
    same_stretch = (uses.account_id, uses.tier, *(uses[f"limit_{name}"] for name in OWN))
    first = func.row_number().over(partition_by=same_stretch, order_by=(uses.n.desc(), uses.template))
    top = select(
        *uses, func.sum(uses.n).over(partition_by=same_stretch).label("whole"),
        func.sum(uses.without).over(partition_by=same_stretch).label("missing"), first.label("rank"),
    ).subquery("top")  # fmt: skip
    return select(top).where(_rare(scope, top.c))


def _shared(scope: Scope) -> Select[Any]:
    """Groups in which accounts of enough customers use one template often enough together."""
    t = _group_templates(scope).c
    order = (t.level_rank.desc(), t.n.desc(), t.template)
    place = func.row_number().over(partition_by=t.subject_id, order_by=order).label("place")
    best = select(*t, place).where(_many(t, t.n, t.customers)).subquery("best_of_groups").c
    return select(
        literal("group"), best.subject_id, best.tier, literal("shared"), literal("high"), best.template, best.n,
        null(), cast(null(), Double(53)), cast(best.accounts, Double(53)), cast(best.customers, Double(53)), best.level,
        *_limits(best, SHARED),
    ).where(best.place == 1)  # fmt: skip


@computed_once
def _group_templates(scope: Scope) -> Select[Any]:
    """The templates of each group that are not common, by level and stretch: ``n`` uses in accounts of ``customers``.

    ``missing`` prompts have no template, which is one more, of 0 uses; with them the customers are at most
    ``customers_most``.
    """
    g = group_levels(scope, account_prompt_day).c
    stretch = (
        literal("group").label("subject_type"), g.group_id.label("subject_id"), g.tier, g.level, g.level_rank,
        *(g[f"limit_{name}"] for name in SHARED),
    )  # fmt: skip
    known = g.prompt_template_hash.is_not(None)
    parted = (g.group_id, *stretch[2:])

    def number(column: ColumnElement[Any], which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(column.distinct()).filter(which)

    uses = (
        select(
            *stretch, g.prompt_template_hash.label("template"),
            func.coalesce(func.sum(g.n_requests).filter(known), 0).label("n"),
            number(g.account_id, known).label("accounts"),
            number(g.customer_id, known).label("customers"),
        )
        .group_by(*parted, g.prompt_template_hash)
        .subquery("shared")
    ).c  # fmt: skip
    totals = (
        select(
            *stretch,
            func.coalesce(func.sum(g.n_requests).filter(~known), 0).label("missing"),
            number(g.customer_id, ~known).label("unknown"),
            func.count(g.customer_id.distinct()).label("all"),
        )
        .group_by(*parted)
        .subquery("totals")
    ).c
    most = func.least(uses.customers + totals.unknown, totals["all"])
    same = (uses[name] == totals[name] for name in ("subject_id", "level", *(f"limit_{name}" for name in SHARED)))
    return select(*uses, totals.missing, most.label("customers_most")).where(*same, _rare(scope, uses))


def _rare(scope: Scope, rows: Any) -> ColumnElement[bool]:
    """Whether a row's template is not common; of one that is not recorded nobody knows that it is."""
    return ~templates.is_common(templates.common_templates(scope), rows.template, rows)


def _limits(best: Any, own: tuple[str, ...]) -> Iterator[ColumnElement[Any]]:
    """The limits of a kind of finding; those of the other kind are empty."""
    for name in LIMITS:
        yield (best[f"limit_{name}"] if name in own else cast(null(), Double(53))).label(f"limit_{name}")
