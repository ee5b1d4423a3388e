"""A search for wordings that slip through: the requests of one prompt skeleton, its wordings, and their refusals.

What is not recorded may complete a search: a request without a skeleton may be of any, an answer without a reason why
it ended may be a refusal, and a request without a digest of its wording has one of its own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    FromClause,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
)

from audits.rollups.account_prompt_day import account_prompt_day
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import same_stretch, stretch, subject_levels
from audits.rules.engine.population import audited_accounts, audited_groups
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import ratio, utc_day
from audits.warehouse.tables import usage_events

LIMITS = ("variants_min", "refused_share_min", "refused_share_max")


@computed_once
def searches(scope: Scope) -> Select[Any]:
    """Of every subject, set of limits and skeleton that may be a search: its requests, refusals and wordings.

    Columns: those of :func:`stretch`, ``skeleton`` (NULL: what has none, by itself), ``n``, ``refused``, ``variants``,
    and what may be added: ``n_loose`` requests without a skeleton, ``loose_refused`` of them, ``loose_perhaps`` more of
    them, ``perhaps_refused`` of the skeleton's own, and ``unworded`` of its own without a digest of the wording.
    """
    t = _skeletons(scope)
    c = t.c
    read = and_(c.skeleton.is_not(None), _may_be_refused(c), c.n + c.n_loose >= c.limit_variants_min)
    wordings = union_all(*(_wordings(scope, t, kind, read) for kind in ("account", "group"))).subquery("wordings")
    w = wordings.c
    same = and_(same_stretch(c, w, LIMITS), w.skeleton == c.skeleton)
    return (
        select(t, func.coalesce(w.variants, 0).label("variants"), func.coalesce(w.unworded, 0).label("unworded"))
        .select_from(t.outerjoin(wordings, same))
        .where(or_(read, c.skeleton.is_(None)))
    )


def is_search(row: Any) -> ColumnElement[bool]:
    """Whether enough wordings of a skeleton are known, of whose requests a part was refused."""
    refused = ratio(row.refused, row.n)
    band = refused.between(row.limit_refused_share_min, row.limit_refused_share_max)
    return and_(row.skeleton.is_not(None), row.variants >= row.limit_variants_min, band)


def may_be_search(row: Any) -> ColumnElement[bool]:
    """Whether it is one, if of what is not recorded so much belongs to it, and is refused, as would make it one."""
    wordings = row.variants + row.unworded + row.n_loose
    return and_(row.missing > 0, wordings >= row.limit_variants_min, _may_be_refused(row))


def _may_be_refused(row: Any) -> ColumnElement[bool]:
    """Whether the share of refusals can lie between the limits, with whatever of the loose requests belongs to it."""
    most = row.refused + row.perhaps_refused + row.loose_refused + row.loose_perhaps
    highest = ratio(most, row.n + row.loose_refused + row.loose_perhaps)
    lowest = ratio(row.refused, row.n + row.n_loose - row.loose_refused)
    return and_(highest >= row.limit_refused_share_min, func.coalesce(lowest, 0.0) <= row.limit_refused_share_max)


def _skeletons(scope: Scope) -> CTE:
    """Every skeleton of a subject, and once more none (NULL), with the subject's requests that have none."""
    u = subject_levels(scope, account_prompt_day).c
    key = stretch(u, LIMITS)
    sums = {
        "n": func.sum(u.n_requests), "refused": func.sum(u.n_refused), "perhaps_refused": func.sum(u.n_perhaps_refused),
    }  # fmt: skip
    rows = (
        select(*key, u.prompt_template_hash.label("skeleton"), *(cast(v, Float(53)).label(k) for k, v in sums.items()))
        .group_by(*key, u.prompt_template_hash)
        .cte("requests_of_skeletons")
    )
    r, other = rows.c, rows.alias("loose").c
    loose = select(*other).where(other.skeleton.is_(None)).subquery("without_skeleton")
    x = loose.c

    def of_loose(name: str) -> ColumnElement[Any]:
        return func.coalesce(x[name], 0.0)

    own = stretch(r, LIMITS)
    more = {
        "n_loose": of_loose("n"),
        "loose_refused": of_loose("refused"),
        "loose_perhaps": of_loose("perhaps_refused"),
    }
    added = [value.label(name) for name, value in more.items()]
    nothing = literal(0.0)
    some = select(*own, r.skeleton, r.n, r.refused, r.perhaps_refused, *added).select_from(
        rows.outerjoin(loose, same_stretch(r, x, LIMITS))
    )
    none = select(
        *stretch(x, LIMITS), cast(null(), String), nothing, nothing, nothing, x.n, x.refused, x.perhaps_refused
    )
    return union_all(some.where(r.skeleton.is_not(None)), none).cte("skeletons")


def _wordings(scope: Scope, skeletons: CTE, kind: str, which: ColumnElement[bool]) -> Any:
    """Wordings of skeletons, counted on single requests; requests without a digest of theirs are counted apart."""
    t, simhash = skeletons.c, usage_events.c.prompt_simhash
    key = [*stretch(t, LIMITS), t.skeleton]
    return (
        select(
            *key, func.count(simhash.distinct()).label("variants"),
            (func.count(usage_events.c.event_id.distinct())
             - func.count(usage_events.c.event_id.distinct()).filter(simhash.is_not(None))).label("unworded"),
        )
        .where(t.subject_type == kind, which, *_requests_of(scope, kind, t))
        .group_by(*key)
    )  # fmt: skip


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
        counted = or_(
            at_the_time(known, a.tier_rank <= t.level_rank), and_(t.level == t.tier, not_(at_the_time(known)))
        )
        whose = [g.group_id == t.subject_id, g.account_id == e.account_id, counted]
    day = utc_day(e.event_ts)
    same_limits = [held[f"limit_{name}"] == t[f"limit_{name}"] for name in LIMITS]
    return [
        e.prompt_template_hash == t.skeleton, scope.in_period(e.event_ts), scope.countable(usage_events), *whose,
        held.tier == t.level, held.from_day <= day, held.to_day > day, *same_limits,
    ]  # fmt: skip


def with_missing(rows: FromClause) -> Subquery:
    """The searches with how much of each is not recorded, as ``missing``."""
    r = rows.c
    missing = r.n_loose + r.perhaps_refused + r.unworded
    return select(*r, missing.label("missing")).subquery("searches_with_missing")


def not_recorded(row: Any) -> ColumnElement[str]:
    """What of a search is not recorded, in words."""
    column = case(
        (row.n_loose > 0, "prompt_template_hash"), (row.unworded > 0, "prompt_simhash"), else_="finish_reason"
    )
    words: ColumnElement[str] = func.concat("not recorded: ", column)
    return words
