"""R22: requests that moderation flags more often than chance explains, and a search for wordings that slip through.

The share of flagged requests is judged by the lower bound of Wilson's interval, so that few requests prove nothing:
(p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)  (E. B. Wilson, JASA 22, 1927).

How often moderation errs differs between operators and between tiers, so the bound must exceed a multiple of what is
usual for the others of the tier, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.quality.quarantine import is_impossible
from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.base import Found
from audits.rules.levels import group_levels, of_level
from audits.rules.population import audited_accounts, audited_groups
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, utc_day
from audits.warehouse.tables import usage_events

FLAGGED = ("flagged_share_min", "requests_min", "confidence_z", "usual_factor_min", "peers_min")
PROBING = ("variants_min", "refused_share_min", "refused_share_max")


def violations(scope: Scope) -> Select[Any]:
    """Subjects flagged too often (medium), and subjects that vary one skeleton while part of it is refused (high).

    Where a limit changes inside the period, each stretch is held against its own; the worst one is reported.
    """
    cases = [find(scope, kind) for find in (_flagged, _probing) for kind in ("account", "group")]
    return select(union_all(*cases).subquery("cases"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with enough requests to have probed, of whose prompts or refusals too little is recorded to know."""
    d, p = scope.usage(account_day).c, scope.usage(account_prompt_day).c
    enough = scope.book.settings(scope.period.last_day).evaluable_share
    repeated = (
        select(p.account_id)
        .where(p.prompt_template_hash.is_not(None))
        .group_by(p.account_id, p.prompt_template_hash)
        .having(func.sum(p.n_requests) >= func.min(p.limit_variants_min))
    )

    def lacks(column: str, of: ColumnElement[Any], which: ColumnElement[bool]) -> Select[Any]:
        few = func.sum(d[f"known_{column}"]) < enough * func.sum(of)
        return (
            select(d.account_id, literal(f"not recorded: {column}").label("reason"))
            .where(d.grain == "event")
            .group_by(d.account_id)
            .having(few, which)
        )

    many = func.sum(d.n_requests) >= func.min(d.limit_variants_min)
    lacking = union_all(
        lacks("prompt_template_hash", d.n_requests, many),
        lacks("prompt_simhash", d.n_requests, d.account_id.in_(repeated)),
        lacks("finish_reason", d.n_ok, d.account_id.in_(repeated)),  # a request that failed has none
    ).subquery("lacking")
    return select(lacking.c.account_id, func.min(lacking.c.reason).label("reason")).group_by(lacking.c.account_id)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The flagged requests, or all requests of the skeleton with what became of each."""
    e = usage_events.c
    named = {name: value for name, value in found.limits.items() if value is not None}
    limits = scope.under_limits(replace(found, tier=str(found.observed["level"]), limits=named))
    held = of_level(scope, found) if found.subject_type == "group" else scope.in_tier(found)
    if found.discriminator == "flagged":
        flagged = scope.events_of(found.account_ids, e.moderation_flagged, held, limits)
        return flagged.add_columns(e.moderation_flagged)
    skeleton = e.prompt_template_hash == found.observed["skeleton"]
    return scope.events_of(found.account_ids, skeleton, held, limits).add_columns(
        e.prompt_template_hash, e.prompt_simhash, e.finish_reason
    )


def _subjects(scope: Scope, kind: str, rollup: Table) -> tuple[Any, list[ColumnElement[Any]]]:
    """The rollup's rows by account, or by group and level, and what tells their stretches apart."""
    g = audited_groups.c
    if kind == "account":
        rows = scope.usage(rollup)
        of_group: FromClause = rows.outerjoin(audited_groups, g.account_id == rows.c.account_id)
        named = [
            rows.c.account_id.label("subject_id"),
            func.coalesce(g.group_id, rows.c.customer_id).label("party"),
            rows.c.tier.label("level"),
            rows.c.tier_rank.label("level_rank"),
        ]
    else:
        of_group = rows = group_levels(scope, rollup)
        named = [rows.c.group_id.label("subject_id"), rows.c.group_id.label("party")]
    u = select(rows, *named).select_from(of_group).subquery(f"{kind}_{rollup.name}").c
    return u, [
        u.subject_id,
        u.party,
        u.tier,
        u.level,
        u.level_rank,
        *(u[f"limit_{name}"] for name in (*FLAGGED, *PROBING)),
    ]


def _flagged(scope: Scope, kind: str) -> Select[Any]:
    u, stretch = _subjects(scope, kind, account_day)
    s = (
        select(
            *stretch,
            cast(func.sum(u.n_flagged), Float(53)).label("flagged"),
            func.nullif(cast(func.sum(u.known_moderation_flagged), Float(53)), 0).label("n"),
        )
        .group_by(*stretch)
        .subquery(f"{kind}_flags")
    ).c
    p, n, z = s.flagged / s.n, s.n, s.limit_confidence_z
    low = (p + z * z / (2 * n) - z * func.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    often = (
        select(*s, low.label("low"))
        .where(n >= s.limit_requests_min, low > s.limit_flagged_share_min)
        .subquery(f"{kind}_often")
    )
    usual = _usual(scope, often)
    o, others = often.c, usual.c
    beside = and_(*(others[name] == o[name] for name in others.keys() if name != "share"))  # noqa: SIM118 - no dict
    first = func.row_number().over(
        partition_by=(o.subject_id, o.tier), order_by=(o.level_rank.desc(), o.flagged.desc(), o.n)
    )
    best = (
        select(*o, func.coalesce(others.share, 0).label("usual"), first.label("place"))
        .select_from(often.outerjoin(usual, beside))
        .where(or_(others.share.is_(None), o.low > o.limit_usual_factor_min * others.share))
        .subquery(f"{kind}_flagged")
    ).c
    return select(
        literal(kind).label("subject_type"), best.subject_id, best.tier, literal("flagged").label("discriminator"),
        literal("medium").label("severity"),
        best.n.label("observed_requests"), (best.flagged / best.n).label("observed_share"),
        best.low.label("observed_share_at_least"), best.usual.label("observed_usual_share"),
        literal("").label("observed_skeleton"),
        cast(null(), Float(53)).label("observed_variants"), best.level.label("observed_level"),
        *(best[f"limit_{name}"] for name in FLAGGED),
        *(cast(null(), Float(53)).label(f"limit_{name}") for name in PROBING),
    ).where(best.place == 1)  # fmt: skip


def _usual(scope: Scope, often: Subquery) -> Subquery:
    """Beside each row of ``often`` what is usual for the others of its tier; no row where these are too few.

    That is the average share of the parties with requests enough. A party is a customer or a linked group, so that a
    campaign is one; each counts with the limit at most, so that those who probe do not make it usual.
    """
    u, _ = _subjects(scope, "account", account_day)
    limits = [f"limit_{name}" for name in FLAGGED]
    looked_at = cast(func.sum(u.known_moderation_flagged), Float(53))
    share = func.least(cast(func.sum(u.n_flagged), Float(53)) / looked_at, u.limit_flagged_share_min)
    parties = (
        select(u.party, u.level, *(u[name] for name in limits), share.label("share"))
        .group_by(u.party, u.level, *(u[name] for name in limits))
        .having(looked_at >= u.limit_requests_min)
        .subquery("parties")
    )
    o, p = often.c, parties.c
    same_law = and_(p.level == o.level, *(p[name] == o[name] for name in limits))
    key = (o.subject_id, o.party, o.level, *(o[name] for name in limits))
    return (
        select(*key, func.avg(p.share).label("share"))
        .where(same_law, p.party != o.party)
        .group_by(*key)
        .having(func.count() >= o.limit_peers_min)
        .subquery("usual")
    )


def _probing(scope: Scope, kind: str) -> Select[Any]:
    """Skeletons with enough requests and refusals in the band; their variants are counted on single requests."""
    u, stretch = _subjects(scope, kind, account_prompt_day)
    t = (
        select(
            *stretch, u.prompt_template_hash.label("skeleton"),
            cast(func.sum(u.n_requests), Float(53)).label("n"), func.sum(u.n_refused).label("refused"),
        )
        .where(u.prompt_template_hash.is_not(None))
        .group_by(*stretch, u.prompt_template_hash)
        .subquery(f"{kind}_skeletons")
    ).c  # fmt: skip
    refused = ratio(t.refused, t.n)
    band = and_(t.n >= t.limit_variants_min, refused >= t.limit_refused_share_min, refused <= t.limit_refused_share_max)
    v = (
        select(*t, func.count(usage_events.c.prompt_simhash.distinct()).label("variants"))
        .where(band, *_requests_of(scope, kind, t))
        .group_by(*t)
        .subquery(f"{kind}_variants")
    ).c
    first = func.row_number().over(
        partition_by=(v.subject_id, v.tier), order_by=(v.level_rank.desc(), v.variants.desc(), v.n.desc(), v.skeleton)
    )
    best = (select(*v, first.label("place")).where(v.variants >= v.limit_variants_min).subquery(f"{kind}_probing")).c
    return select(
        literal(kind), best.subject_id, best.tier, literal("probing"), literal("high"), best.n,
        ratio(best.refused, best.n), cast(null(), Float(53)), cast(null(), Float(53)), best.skeleton,
        cast(best.variants, Float(53)), best.level,
        *(cast(null(), Float(53)) for _ in FLAGGED), *(best[f"limit_{name}"] for name in PROBING),
    ).where(best.place == 1)  # fmt: skip


def _requests_of(scope: Scope, kind: str, t: Any) -> list[ColumnElement[bool]]:
    """The single requests of a skeleton, under the very tier and limits that its rollup rows were counted under."""
    e, a, g, held = usage_events.c, audited_accounts.c, audited_groups.c, scope.limit_rows().c

    def at_the_time(*tiers: ColumnElement[bool]) -> ColumnElement[bool]:
        then = (a.account_id == e.account_id, a.valid_from <= e.event_ts, a.valid_to > e.event_ts)
        return exists(select(a.tier).where(*then, *tiers))

    if kind == "account":
        whose = [e.account_id == t.subject_id, at_the_time(a.tier == t.tier)]
    else:
        known = a.tier.in_([tier.id for tier in scope.book.tiers])
        # As in the levels: use under a tier that is not known belongs to the highest one.
        counted = or_(at_the_time(known, a.tier_rank <= t.level_rank), and_(t.level == t.tier, ~at_the_time(known)))
        whose = [g.group_id == t.subject_id, g.account_id == e.account_id, counted]
    day = utc_day(e.event_ts)
    same_limits = [held[f"limit_{name}"] == t[f"limit_{name}"] for name in (*FLAGGED, *PROBING)]
    return [
        e.prompt_template_hash == t.skeleton, scope.in_period(e.event_ts), ~is_impossible(usage_events), *whose,
        held.tier == t.level, held.from_day <= day, held.to_day > day, *same_limits,
    ]  # fmt: skip
