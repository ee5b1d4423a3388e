"""R03: volume beyond nearly all peers of the tier, in a shape that hardly any peer has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Subquery, and_, case, cast, func, literal, or_, select

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("peers_min", "volume_quantile", "shape_quantile")
UNKNOWN = "not recorded: prompt_template_hash, of the account or of its peers"


def violations(scope: Scope) -> Select[Any]:
    """Accounts above the volume quantile of their tier and above the shape quantile in one of two shapes.

    Only the shapes that are above it are told. Where a limit changes inside the period, each stretch is compared by
    itself; the one with most use is reported.
    """
    r = _ranked(scope).c
    most = func.row_number().over(
        partition_by=(r.account_id, r.tier), order_by=(r.n.desc(), *(r[f"limit_{name}"] for name in LIMITS))
    )
    output, templates = _many_tokens(r), _many_templates(r)
    told = {
        "output_per_input_token": (output, r.output_ratio),
        "share_of_peers_below_in_output": (output, r.output_rank),
        "templates": (templates, r.templates),
        "share_of_peers_below_in_templates": (templates, r.template_rank),
    }
    figures = (case((which, figure)).label(f"observed_{name}") for name, (which, figure) in told.items())
    found = select(*r, *figures, most.label("place")).where(_large(r), or_(output, templates)).subquery("found").c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.n.label("observed_requests"),
        found.volume_rank.label("observed_share_of_peers_below"),
        *(found[f"observed_{name}"] for name in told),
        found.peers.label("observed_peers"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with too few peers for a quantile to mean anything, and large ones that may have the most templates.

    At most, each request without a template has another one, and no peer has more than are recorded of it.
    """
    ranked = _ranked(scope)
    r, peer = ranked.c, ranked.alias("peer").c
    least = cast(r.limit_peers_min, Integer)
    few = func.concat("sample too small: fewer than ", least, " active peers in the tier")
    large = select(*r, (r.templates + r.missing).label("most")).where(_large(r)).subquery("large").c
    fewer = case((peer.templates > 0, peer.templates < large.most), else_=large.most > 1)
    others = and_(*(peer[name] == large[name] for name in _names()), peer.account_id != large.account_id)
    doubt = func.sum(peer.missing) + func.max(large.missing)
    above = (
        select(large.account_id, large.tier, literal(UNKNOWN))
        .where(others)
        .group_by(large.account_id, large.tier, *(large[f"limit_{name}"] for name in LIMITS))
        .having(doubt > 0, ratio(func.count().filter(fewer), func.count()) > large.limit_shape_quantile)
    )
    return any_of(
        select(r.account_id, r.tier, few.label("reason")).where(r.peers < r.limit_peers_min).distinct(), above
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's requests in the tier, with their templates; failed ones have input tokens, too."""
    held = (scope.in_tier(found), scope.under_limits(found))
    return scope.events_of(found.account_ids, *held).add_columns(usage_events.c.prompt_template_hash)


def _large(r: Any) -> ColumnElement[bool]:
    return and_(r.peers >= r.limit_peers_min, r.volume_rank > r.limit_volume_quantile)


def _many_tokens(r: Any) -> ColumnElement[bool]:
    above: ColumnElement[bool] = r.output_rank > r.limit_shape_quantile
    return above


def _many_templates(r: Any) -> ColumnElement[bool]:
    """Whether an account also exceeds enough of the peers whose templates are recorded."""
    return and_(r.template_peers >= r.limit_peers_min, r.template_rank > r.limit_shape_quantile)


@computed_once
def _ranked(scope: Scope) -> Select[Any]:
    """Each active account with the share of its tier's other active accounts that it stands above, by volume and shape.

    ``templates`` are those recorded, of ``missing`` requests none is; accounts without any are compared in no number of
    templates.
    """
    volume, prompts = _volume(scope), _prompts(scope)
    v, p = volume.c, prompts.c
    templates = func.coalesce(p.templates, 0)
    among = [v[name] for name in _names()]

    def below(value: ColumnElement[Any], *more: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.percent_rank().over(partition_by=(*among, *more), order_by=value)

    same = and_(*(p[name] == v[name] for name in ("account_id", *_names())))
    return select(
        volume,
        templates.label("templates"),
        func.coalesce(p.missing, 0).label("missing"),
        func.count().over(partition_by=among).label("peers"),
        func.count(case((templates > 0, templates))).over(partition_by=among).label("template_peers"),
        below(v.n).label("volume_rank"),
        below(v.output_ratio).label("output_rank"),
        case((templates > 0, below(templates, templates > 0))).label("template_rank"),
    ).select_from(volume.outerjoin(prompts, same))


def _volume(scope: Scope) -> Subquery:
    """Active accounts by tier and stretch of the period under the same limits."""
    u = scope.usage(account_day).c
    return (
        select(
            *_stretch(u), func.sum(u.n_ok).label("n"),
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
    """How many templates each account used in successful requests, by tier and stretch, and how many have none."""
    p = scope.usage(account_prompt_day).c
    missing = func.coalesce(func.sum(p.n_ok).filter(p.prompt_template_hash.is_(None)), 0)
    return (
        select(*_stretch(p), func.count(p.prompt_template_hash.distinct()).label("templates"), missing.label("missing"))
        .where(p.n_ok > 0)
        .group_by(*_stretch(p))
        .subquery("prompts")
    )


def _names() -> list[str]:
    """What the peers of an account have in common."""
    return ["tier", *(f"limit_{name}" for name in LIMITS)]


def _stretch(rows: Any) -> list[Any]:
    return [rows.account_id, *(rows[name] for name in _names())]
