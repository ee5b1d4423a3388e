"""R03: volume beyond nearly all peers of the tier, in a shape that hardly any peer has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Subquery, and_, cast, func, or_, select

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("peers_min", "volume_quantile", "shape_quantile")


def violations(scope: Scope) -> Select[Any]:
    """Accounts above the volume quantile of their tier and above the shape quantile in one of two shapes."""
    r = _ranked(scope).c
    return select(
        r.account_id.label("subject_id"),
        r.tier,
        r.n.label("observed_requests"),
        r.volume_rank.label("observed_share_of_peers_below"),
        r.output_ratio.label("observed_output_per_input_token"),
        r.templates.label("observed_templates"),
        r.peers.label("observed_peers"),
        *(r[f"limit_{name}"] for name in LIMITS),
    ).where(
        r.peers >= r.limit_peers_min,
        r.volume_rank >= r.limit_volume_quantile,
        or_(r.output_rank >= r.limit_shape_quantile, r.template_rank >= r.limit_shape_quantile),
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of tiers with too few active peers for the quantile to mean anything."""
    r = _ranked(scope).c
    reason = func.concat("fewer than ", cast(r.limit_peers_min, Integer), " active peers in the tier")
    return select(r.account_id, reason.label("reason")).where(r.peers < r.limit_peers_min)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests in the period."""
    return scope.events_of(found.account_ids, usage_events.c.status_code < 400)


def _ranked(scope: Scope) -> Subquery:
    """Each active account with the share of its tier's active accounts that it stands above, by volume and shape."""
    u, p = scope.usage(account_day).c, scope.usage(account_prompt_day).c
    prompts = (
        select(p.account_id, p.tier, func.count(p.prompt_template_hash.distinct()).label("templates"))
        .group_by(p.account_id, p.tier)
        .subquery("prompts")
    )
    volume = (
        select(
            u.account_id, u.tier, func.sum(u.n_ok).label("n"),
            ratio(func.sum(u.output_tokens), func.sum(u.input_tokens)).label("output_ratio"),
            *(func.max(u[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(u.account_id, u.tier)
        .having(func.sum(u.n_ok) > 0)
        .subquery("volume")
    )  # fmt: skip
    v, same = volume.c, and_(prompts.c.account_id == volume.c.account_id, prompts.c.tier == volume.c.tier)
    templates = func.coalesce(prompts.c.templates, 0)

    def below(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.percent_rank().over(partition_by=v.tier, order_by=value)

    return (
        select(
            volume,
            templates.label("templates"),
            func.count().over(partition_by=v.tier).label("peers"),
            below(v.n).label("volume_rank"),
            below(func.coalesce(v.output_ratio, 0.0)).label("output_rank"),
            below(templates).label("template_rank"),
        )
        .select_from(volume.outerjoin(prompts, same))
        .subquery("ranked")
    )
