"""R03: volume beyond nearly all peers of the tier, in a shape that hardly any peer has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Subquery, and_, case, cast, func, literal, or_, select, union_all

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("peers_min", "volume_quantile", "shape_quantile")


def violations(scope: Scope) -> Select[Any]:
    """Accounts above the volume quantile of their tier and above the shape quantile in one of two shapes.

    Where a limit changes inside the period, each stretch is compared by itself; the one with most use is reported.
    """
    r = _ranked(scope).c
    most = func.row_number().over(
        partition_by=(r.account_id, r.tier), order_by=(r.n.desc(), *(r[f"limit_{name}"] for name in LIMITS))
    )
    found = (
        select(*r, most.label("place"))
        .where(_large(r), or_(_many_tokens(r), and_(_comparable(r), r.template_rank > r.limit_shape_quantile)))
        .subquery("found")
    ).c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.n.label("observed_requests"),
        found.volume_rank.label("observed_share_of_peers_below"),
        found.output_ratio.label("observed_output_per_input_token"),
        found.output_rank.label("observed_share_of_peers_below_in_output"),
        found.templates.label("observed_templates"),
        found.template_rank.label("observed_share_of_peers_below_in_templates"),
        found.peers.label("observed_peers"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with too few peers for a quantile to mean anything, and large ones whose templates nobody knows."""
    r = _ranked(scope).c
    least = cast(r.limit_peers_min, Integer)
    few = func.concat("sample too small: fewer than ", least, " active peers in the tier")
    unknown = literal("not recorded: prompt_template_hash, of the account or of enough peers")
    both = union_all(
        select(r.account_id, few.label("reason")).where(r.peers < r.limit_peers_min),
        select(r.account_id, unknown).where(_large(r), ~_many_tokens(r), ~_comparable(r)),
    ).subquery("both").c  # fmt: skip
    return select(both.account_id, func.min(both.reason).label("reason")).group_by(both.account_id)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests in the tier, with their templates."""
    e = usage_events.c
    held = (e.status_code < 400, scope.in_tier(found), scope.under_limits(found))
    return scope.events_of(found.account_ids, *held).add_columns(e.prompt_template_hash)


def _large(r: Any) -> ColumnElement[bool]:
    return and_(r.peers >= r.limit_peers_min, r.volume_rank > r.limit_volume_quantile)


def _many_tokens(r: Any) -> ColumnElement[bool]:
    above: ColumnElement[bool] = r.output_rank > r.limit_shape_quantile
    return above


def _comparable(r: Any) -> ColumnElement[bool]:
    """Whether templates are recorded of the account and of enough peers; where they are not, nobody has few or many."""
    return and_(r.templates.is_not(None), r.template_peers >= r.limit_peers_min)


def _ranked(scope: Scope) -> Subquery:
    """Each active account with the share of its tier's active accounts that it stands above, by volume and shape."""
    volume, prompts = _volume(scope), _prompts(scope)
    v = volume.c
    enough = scope.book.settings(scope.period.last_day).evaluable_share
    known = v.known_templates >= enough * v.requests
    templates = case((known, prompts.c.templates))
    peers = [v[f"limit_{name}"] for name in LIMITS]

    def below(value: ColumnElement[Any], *among: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.percent_rank().over(partition_by=(v.tier, *peers, *among), order_by=value)

    same = and_(*(one == other for one, other in zip(_stretch(prompts.c), _stretch(v), strict=True)))
    return (
        select(
            volume,
            templates.label("templates"),
            func.count().over(partition_by=(v.tier, *peers)).label("peers"),
            func.count(templates).over(partition_by=(v.tier, *peers)).label("template_peers"),
            below(v.n).label("volume_rank"),
            below(v.output_ratio).label("output_rank"),
            case((known, below(templates, known))).label("template_rank"),
        )
        .select_from(volume.outerjoin(prompts, same))
        .subquery("ranked")
    )


def _volume(scope: Scope) -> Subquery:
    """Active accounts by tier and stretch of the period under the same limits."""
    u = scope.usage(account_day).c
    return (
        select(
            *_stretch(u), func.sum(u.n_ok).label("n"), func.sum(u.n_requests).label("requests"),
            func.sum(u.known_prompt_template_hash).label("known_templates"),
            func.coalesce(
                ratio(func.sum(u.output_tokens), func.sum(u.input_tokens)),
                0.0,  # adequacy: equivalent, because a tenth more or less of nothing is nothing
            ).label("output_ratio"),
        )
        .where(u.grain == "event")
        .group_by(*_stretch(u))
        .having(func.sum(u.n_ok) > 0)
        .subquery("volume")
    )  # fmt: skip


def _prompts(scope: Scope) -> Subquery:
    """How many templates each account used, by tier and stretch."""
    p = scope.usage(account_prompt_day).c
    return (
        select(*_stretch(p), func.count(p.prompt_template_hash.distinct()).label("templates"))
        .group_by(*_stretch(p))
        .subquery("prompts")
    )


def _stretch(rows: Any) -> list[Any]:
    return [rows.account_id, rows.tier, *(rows[f"limit_{name}"] for name in LIMITS)]
