"""R28: the items of benchmarks or training sets, in bulk, or one item pattern with several answers each.

Whether an item was asked alone and for several answers is read from single requests, of subjects only that may have
asked so with one template often enough. A template that is common says nothing about whoever uses it and does
not count.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
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
from audits.rules.engine import templates
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import counted, same_stretch, stretch, subject_levels
from audits.rules.engine.population import audited_accounts
from audits.rules.engine.scope import Scope
from audits.rules.engine.scored import scored_requests
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

SCORED = ("score_min", "share_min", "prompts_min")
SEVERAL = ("items_min", "choices_min", *templates.PARAMETERS)
TOO_FEW = "sample too small: fewer than "
UNSCORED, UNKNOWN = "not recorded: benchmark_score", "not recorded: template, n_choices or session_id of the items"


def violations(scope: Scope) -> Select[Any]:
    """Subjects with a large enough share of benchmark items, or enough items of one pattern with several answers each.

    Where a limit changes inside the period, each stretch is held against its own; the one with most is reported.
    """
    s, p = scored_requests(scope, "benchmark_score", SCORED).c, _patterns(scope).c
    scored, several = _most(s, _harvested(s)), _most(p, _enough(p))
    return select(
        union_all(
            _reported(scored, "items", SCORED, scored.scored, ratio(scored.hits, scored.scored), cast(null(), String)),
            _reported(
                several, "several answers", SEVERAL, null(), cast(null(), Float(53)), several.prompt_template_hash
            ),
        ).subquery("cases")
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with a large share of too few scored requests, or with items of which too little is recorded."""
    scored = scored_requests(scope, "benchmark_score", SCORED)
    s = scored.c
    few = and_(s.scored < s.limit_prompts_min, ratio(s.hits + s.missing, s.scored + s.missing) >= s.limit_share_min)
    reason = func.concat(TOO_FEW, cast(s.limit_prompts_min, Integer), " scored requests")
    return any_of(
        select(s.subject_id.label("account_id"), s.tier, reason.label("reason")).where(
            s.subject_type == "account", few
        ),
        undecided(scored, _harvested, UNSCORED),
        undecided(_patterns(scope), _enough, UNKNOWN),
        undecided(_without_template(_several(scope)), _enough, UNKNOWN),
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that were scored as benchmark items, or the single-turn items with several answers."""
    e, others = usage_events.c, usage_events.alias("other")
    other = others.c
    if found.discriminator == "items":
        which: ColumnElement[bool] = e.benchmark_score.is_not(None)
    else:
        same = and_(other.account_id == e.account_id, other.session_id == e.session_id, other.event_id != e.event_id)
        turn = exists(
            select(other.event_id).where(
                same, other.status_code < 400, scope.in_period(other.event_ts), scope.countable(others)
            )
        )
        of_pattern = e.prompt_template_hash == found.observed["template"]
        which = and_(of_pattern, e.n_choices >= found.limits["choices_min"], e.session_id.is_not(None), ~turn)
    return scope.events_of(found.account_ids, e.status_code < 400, which, counted(scope, found)).add_columns(
        e.benchmark_score, e.n_choices, e.prompt_template_hash, e.session_id
    )


def _harvested(s: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether so many items and ``more`` are a large enough share of enough scored requests."""
    share = ratio(s.hits + more, s.scored + s.unread + more)
    return and_(s.scored + more >= s.limit_prompts_min, share >= s.limit_share_min)


def _enough(p: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether so many items of one pattern and ``more`` are enough."""
    enough: ColumnElement[bool] = p.hits + more >= p.limit_items_min
    return enough


def _most(rows: Any, over: ColumnElement[bool]) -> Any:
    """Of each subject's stretches that are over the limits, of a group's highest level, the one with most items."""
    order = (
        rows.level_rank.desc(),
        rows.hits.desc(),
        *(column for column in rows if column.name.startswith(("limit_", "prompt_template"))),
    )
    place = func.row_number().over(partition_by=(rows.subject_type, rows.subject_id, rows.tier), order_by=order)
    return select(*rows, place.label("place")).where(over).subquery("found").c


def _reported(
    found: Any, kind: str, limits: tuple[str, ...], sample: Any, share: ColumnElement[Any], template: ColumnElement[Any]
) -> Select[Any]:
    """A kind of finding; limits that are not its own are empty."""
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        literal(kind).label("discriminator"),
        literal(True).label("one_operator"),
        found.level.label("observed_level"),
        cast(found.hits, Float(53)).label("observed_requests"),
        cast(sample, Float(53)).label("observed_scored"),
        share.label("observed_share"),
        template.label("observed_template"),
        *(
            (found[f"limit_{name}"] if name in limits else cast(null(), Float(53))).label(f"limit_{name}")
            for name in (*SCORED, *SEVERAL)
        ),
    ).where(found.place == 1)


@computed_once
def _several(scope: Scope) -> Select[Any]:
    """Requests that may be for several answers, by subject, tier, stretch and template; ``loose`` ones have none."""
    u = subject_levels(scope, account_prompt_day).c
    key, n = stretch(u, SEVERAL), func.sum(u.n_perhaps_several)
    loose = func.coalesce(func.sum(n).filter(u.prompt_template_hash.is_(None)).over(partition_by=key), 0)
    return select(*key, u.prompt_template_hash, n.label("n"), loose.label("loose")).group_by(
        *key, u.prompt_template_hash
    )


def _without_template(several: FromClause) -> Subquery:
    """The requests without a template as one pattern of which nothing is known."""
    s = several.c
    key = stretch(s, SEVERAL)
    return (
        select(*key, literal(0).label("hits"), s.n.label("missing"))
        .where(s.prompt_template_hash.is_(None))
        .subquery("without_template")
    )


@computed_once
def _patterns(scope: Scope) -> Select[Any]:
    """Single-turn items with several answers, by subject, tier, stretch and template: ``hits`` are known.

    ``missing`` may be further ones: their number of answers, session or template is not recorded.
    """
    several = _several(scope)
    e, s = usage_events.c, several.c
    often = (
        select(several)
        .where(s.prompt_template_hash.is_not(None), s.n + s.loose >= s.limit_items_min)
        .where(or_(s.n >= s.limit_items_min, s.loose < s.limit_items_min))  # else nobody knows anyway
        .where(~templates.is_common(templates.common_templates(scope), s.prompt_template_hash, s))
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
    a, o = subject_levels(scope, asked.cte("asked")).c, often.c
    key = [*stretch(a, SEVERAL), a.prompt_template_hash]
    many = a.n_choices >= a.limit_choices_min
    hits = func.coalesce(func.sum(a.alone).filter(many), 0)
    possible = func.coalesce(func.sum(a.maybe_alone).filter(or_(many, a.n_choices.is_(None))), 0)
    return (
        select(*key, hits.label("hits"), (possible - hits + func.max(o.loose)).label("missing"))
        .where(same_stretch(a, o, SEVERAL), a.prompt_template_hash == o.prompt_template_hash)
        .group_by(*key)
    )
