"""R22: requests that moderation flags more often than chance explains, and a search for wordings that slip through.

The share of flagged requests is judged by the lower bound of Wilson's interval, so that few requests prove nothing:
(p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)  (E. B. Wilson, JASA 22, 1927).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, cast, func, literal, null, select, union_all

from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events


def violations(scope: Scope) -> Select[Any]:
    """Subjects flagged too often (medium), and subjects that vary one skeleton while part of it is refused (high)."""
    u, g = scope.usage(account_day).c, scope.group_usage(account_day).c
    p, gp = scope.usage(account_prompt_day).c, scope.group_usage(account_prompt_day).c
    cases = union_all(
        _flagged(u, "account", u.account_id),
        _flagged(g, "group", g.group_id),
        _probing(scope, p, "account", p.account_id),
        _probing(scope, gp, "group", gp.group_id),
    )
    return select(cases.subquery("cases"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The flagged requests, or all variants of the skeleton with what became of each."""
    e = usage_events.c
    if found.discriminator == "flagged":
        return scope.events_of(found.account_ids, e.moderation_flagged).add_columns(e.moderation_flagged)
    return scope.events_of(found.account_ids, e.prompt_template_hash == found.observed["skeleton"]).add_columns(
        e.prompt_template_hash, e.prompt_simhash, e.finish_reason
    )


def _flagged(u: Any, kind: str, subject: ColumnElement[Any]) -> Select[Any]:
    s = (
        select(
            subject.label("subject_id"), u.tier,
            cast(func.sum(u.n_flagged), Float(53)).label("flagged"),
            cast(func.sum(u.known_moderation_flagged), Float(53)).label("n"),
            func.max(u.limit_flagged_share_min).label("least"),
            func.max(u.limit_requests_min).label("requests_min"),
            func.max(u.limit_confidence_z).label("z"),
        )
        .group_by(subject, u.tier)
        .having(func.sum(u.known_moderation_flagged) > 0)
        .subquery(f"{kind}_flags")
    ).c  # fmt: skip
    p, n, z = s.flagged / s.n, s.n, s.z
    low = (p + z * z / (2 * n) - z * func.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return select(
        literal(kind).label("subject_type"), s.subject_id, s.tier, literal("flagged").label("discriminator"),
        literal("medium").label("severity"), literal("flagged by moderation").label("observed_kind"),
        cast(s.n, Float(53)).label("observed_requests"), p.label("observed_share"),
        literal("").label("observed_skeleton"), cast(null(), Float(53)).label("observed_variants"),
        s.least.label("limit_share"), s.requests_min.label("limit_requests"),
    ).where(s.n >= s.requests_min, low > s.least)  # fmt: skip


def _probing(scope: Scope, p: Any, kind: str, subject: ColumnElement[Any]) -> Select[Any]:
    """Skeletons with enough requests and refusals in the band; their variants are counted on single requests."""
    e, members = usage_events.c, scope.groups().c
    t = (
        select(
            subject.label("subject_id"), p.tier, p.prompt_template_hash.label("skeleton"),
            func.sum(p.n_requests).label("n"), func.sum(p.n_refused).label("refused"),
            func.max(p.limit_variants_min).label("variants_min"),
            func.max(p.limit_refused_share_min).label("share_min"),
            func.max(p.limit_refused_share_max).label("share_max"),
        )
        .where(p.prompt_template_hash.is_not(None))
        .group_by(subject, p.tier, p.prompt_template_hash)
        .subquery(f"{kind}_skeletons")
    ).c  # fmt: skip
    band = and_(t.n >= t.variants_min, ratio(t.refused, t.n) >= t.share_min, ratio(t.refused, t.n) <= t.share_max)
    mine = e.account_id == t.subject_id if kind == "account" else and_(
        members.group_id == t.subject_id, e.account_id == members.account_id
    )  # fmt: skip
    v = (
        select(
            t.subject_id, t.tier, t.skeleton, t.n, t.refused, t.share_min, t.variants_min,
            func.count(e.prompt_simhash.distinct()).label("variants"),
        )
        .where(band, mine, e.prompt_template_hash == t.skeleton, scope.in_period(e.event_ts))
        .group_by(t.subject_id, t.tier, t.skeleton, t.n, t.refused, t.share_min, t.variants_min)
        .having(func.count(e.prompt_simhash.distinct()) >= t.variants_min)
        .subquery(f"{kind}_variants")
    ).c  # fmt: skip
    first = func.row_number().over(partition_by=(v.subject_id, v.tier), order_by=(v.variants.desc(), v.skeleton))
    best = select(*v, first.label("place")).subquery(f"{kind}_probing").c
    return select(
        literal(kind), best.subject_id, best.tier, literal("probing"), literal("high"),
        literal("variants of one prompt, partly refused"), cast(best.n, Float(53)), ratio(best.refused, best.n),
        best.skeleton, cast(best.variants, Float(53)), best.share_min, best.variants_min,
    ).where(best.place == 1)  # fmt: skip
