"""R28: the items of benchmarks or training sets, in bulk, or one item pattern with several answers each.

Whether an item was asked alone and for several answers is read from single requests, of subjects only that used one
template often enough.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    String,
    Subquery,
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

from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_score_day import account_score_day
from audits.rules.base import Found
from audits.rules.levels import counted, subject_levels
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("score_min", "share_min", "prompts_min", "items_min", "choices_min")
TOO_FEW, UNKNOWN = "sample too small: fewer than ", "not recorded: n_choices or session_id of the items"


def violations(scope: Scope) -> Select[Any]:
    """Subjects with a large enough share of benchmark items, or enough items of one pattern with several answers each.

    Where a limit changes inside the period, each stretch is held against its own; the one with most is reported.
    """
    s, p = _scored(scope).c, _patterns(scope).c
    scored = _most(s, s.hits, and_(s.scored >= s.limit_prompts_min, ratio(s.hits, s.scored) >= s.limit_share_min))
    several = _most(p, p.hits, p.hits >= p.limit_items_min)
    return select(
        union_all(
            _reported(scored, "items", ratio(scored.hits, scored.scored), cast(null(), String)),
            _reported(several, "several answers", cast(null(), Float(53)), several.prompt_template_hash),
        ).subquery("cases")
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with a large share of too few scored requests, or with items of which too little is recorded."""
    s, p = _scored(scope).c, _patterns(scope).c
    few = and_(s.scored < s.limit_prompts_min, ratio(s.hits, s.scored) >= s.limit_share_min)
    reason = func.concat(TOO_FEW, cast(s.limit_prompts_min, Integer), " scored requests")
    small = select(s.subject_id.label("account_id"), reason.label("reason")).where(s.subject_type == "account", few)
    unsure = and_(p.hits < p.limit_items_min, p.possible >= p.limit_items_min)
    subjects = select(p.subject_type, p.subject_id).where(unsure).subquery("unsure")
    both = union_all(small, scope.members_of(subjects).add_columns(literal(UNKNOWN).label("reason"))).subquery("both").c
    return select(both.account_id, func.min(both.reason).label("reason")).group_by(both.account_id)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that scored as benchmark items, or the single-turn items with several answers."""
    e, other = usage_events.c, usage_events.alias("other").c
    if found.discriminator == "items":
        which = e.benchmark_score >= math.ceil(round(found.limits["score_min"] * 10, 6)) / 10 - 0.0005
    else:
        same = and_(other.account_id == e.account_id, other.session_id == e.session_id, other.event_id != e.event_id)
        turn = exists(select(other.event_id).where(same, other.status_code < 400, scope.in_period(other.event_ts)))
        of_pattern = e.prompt_template_hash == found.observed["template"]
        which = and_(of_pattern, e.n_choices >= found.limits["choices_min"], e.session_id.is_not(None), ~turn)
    return scope.events_of(found.account_ids, e.status_code < 400, which, counted(scope, found)).add_columns(
        e.benchmark_score, e.n_choices, e.prompt_template_hash, e.session_id
    )


def _most(rows: Any, items: ColumnElement[Any], over: ColumnElement[bool]) -> Any:
    """Of each subject's stretches that are over the limits, of a group's highest level, the one with most items."""
    order = (
        rows.level_rank.desc(),
        items.desc(),
        *(column for column in rows if column.name.startswith(("limit_", "prompt_template"))),
    )
    place = func.row_number().over(partition_by=(rows.subject_type, rows.subject_id, rows.tier), order_by=order)
    return select(*rows, place.label("place")).where(over).subquery("found").c


def _reported(found: Any, kind: str, share: ColumnElement[Any], template: ColumnElement[Any]) -> Select[Any]:
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        literal(kind).label("discriminator"),
        found.level.label("observed_level"),
        cast(found.hits, Float(53)).label("observed_requests"),
        share.label("observed_share"),
        template.label("observed_template"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def _scored(scope: Scope) -> Subquery:
    """Successful requests that were scored and those that scored as items, by subject, tier and stretch."""
    u = subject_levels(scope, account_score_day).c
    items = func.sum(u.n_ok).filter(u.benchmark_score_tenth >= u.limit_score_min * 10)
    return (
        select(*_stretch(u), items.label("hits"), func.sum(u.n_ok).label("scored"))
        .where(u.benchmark_score_tenth.is_not(None))
        .group_by(*_stretch(u))
        .subquery("scored")
    )


def _patterns(scope: Scope) -> Subquery:
    """Single-turn items with several answers, by subject, tier, stretch and template: those known, those possible."""
    u, e = subject_levels(scope, account_prompt_day).c, usage_events.c
    often = (
        select(*_stretch(u), u.prompt_template_hash)
        .where(u.prompt_template_hash.is_not(None))
        .group_by(*_stretch(u), u.prompt_template_hash)
        .having(func.sum(u.n_requests) >= u.limit_items_min)
        .cte("often")
    )
    columns = (e.prompt_template_hash, e.n_choices, e.session_id)
    r = scope.requests(scope.members_of(often), *columns, where=(e.status_code < 400,))
    of_one = func.count().over(partition_by=(r.c.account_id, r.c.session_id)) == 1
    turned = select(r, of_one.label("of_one")).subquery("turns")
    turns, tier = turned.c, audited_accounts.c
    # What cannot count is left behind, and the rest is counted by account, day and tier, before it is held against
    # every level that it belongs to.
    held = and_(
        tier.account_id == turns.account_id,
        turns.slice_start >= tier.valid_from,
        turns.slice_start < tier.valid_to,
    )
    kind = (turns.account_id, turns.day, turns.prompt_template_hash, turns.n_choices)
    alone, unknown = and_(turns.session_id.is_not(None), turns.of_one), turns.session_id.is_(None)
    asked = (
        select(
            *kind,
            func.min(turns.slice_start).label("slice_start"),
            func.count().filter(alone).label("alone"),
            func.count().filter(or_(alone, unknown)).label("maybe_alone"),
        )
        .select_from(turned.outerjoin(audited_accounts, held))
        .where(turns.prompt_template_hash.in_(select(often.c.prompt_template_hash)))
        .group_by(*kind, tier.valid_from)
    )
    a = subject_levels(scope, asked.cte("asked")).c
    key = [*_stretch(a), a.prompt_template_hash]
    same = and_(*(one == other for one, other in zip(key, often.c, strict=True)))
    several = a.n_choices >= a.limit_choices_min
    return (
        select(
            *key,
            func.coalesce(func.sum(a.alone).filter(several), 0).label("hits"),
            func.coalesce(func.sum(a.maybe_alone).filter(or_(several, a.n_choices.is_(None))), 0).label("possible"),
        )
        .where(same)
        .group_by(*key)
        .subquery("patterns")
    )  # fmt: skip


def _stretch(rows: Any) -> list[Any]:
    return [
        rows.subject_type, rows.subject_id, rows.tier, rows.level, rows.level_rank,
        *(rows[f"limit_{name}"] for name in LIMITS),
    ]  # fmt: skip
