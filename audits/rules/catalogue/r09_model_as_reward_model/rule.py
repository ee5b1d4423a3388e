"""R09: the model as a grader, in bulk: short verdicts by a rubric, as training by reward needs them.

The median length of the graded answers is read from single requests, of subjects only that grade enough.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select

from audits.rollups.account_score_day import account_score_day, tenth_of
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import counted, same_stretch, stretch, subject_levels
from audits.rules.engine.scope import Scope
from audits.rules.engine.scored import scored_requests
from audits.warehouse.dialects import median, ratio
from audits.warehouse.tables import usage_events

LIMITS = ("score_min", "share_min", "requests_min", "median_output_tokens_max")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough grading, by number and share, whose graded answers are short.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level,
    then of its stretches, the one with most is reported.
    """
    g = _grading(scope).c
    most = func.row_number().over(
        partition_by=(g.subject_type, g.subject_id, g.tier),
        order_by=(g.level_rank.desc(), g.hits.desc(), *(g[f"limit_{name}"] for name in LIMITS)),
    )
    found = select(*g, most.label("place")).where(_over(g), _short(g, g.median)).subquery("found").c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        literal(True).label("one_operator"),
        found.level.label("observed_level"),
        found.hits.label("observed_requests"),
        ratio(found.hits, found.scored).label("observed_share"),
        found.median.label("observed_median_output_tokens"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts, alone or as a group, that grade enough in short answers if those without a score do."""
    return undecided(
        _grading(scope), lambda g, more: and_(_over(g, more), or_(more > g.read, _short(g, g.least))),
        "not recorded: rubric_grade_score",
    )  # fmt: skip


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that were scored; those that reach the limit count as grading."""
    e = usage_events.c
    scored = and_(e.status_code < 400, e.rubric_grade_score.is_not(None))
    return scope.events_of(found.account_ids, scored, counted(scope, found)).add_columns(e.rubric_grade_score)


def _over(g: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether so many grading requests and ``more`` are enough, by number and share."""
    share = ratio(g.hits + more, g.scored + g.unread + more)
    return and_(g.hits + more >= g.limit_requests_min, share >= g.limit_share_min)


def _short(g: Any, middle: ColumnElement[Any]) -> ColumnElement[bool]:
    short: ColumnElement[bool] = middle <= g.limit_median_output_tokens_max
    return short


@computed_once
def _grading(scope: Scope) -> Select[Any]:
    """Subjects, by tier and stretch, that grade enough or would with the requests that no score is recorded of.

    ``median`` is the one of their graded answers, ``least`` the lowest that it can be: with all short unscored ones. Of
    the unscored ones so many are ``read``; of the others nobody knows the length.
    """
    scored, e, s = (
        scored_requests(scope, "rubric_grade_score", LIMITS),
        usage_events.c,
        account_score_day.c,
    )
    enough = select(scored).where(_over(scored.c, scored.c.missing)).cte("enough")
    # Accounts without any recorded score are not read.
    telling = select(s.account_id).where(s.rubric_grade_score_tenth.is_not(None))
    held = scope.members_of(enough).subquery("held").c
    among = select(held.account_id).where(held.account_id.in_(telling))
    columns = (e.output_tokens, tenth_of(e.rubric_grade_score).label("tenth"))
    r = subject_levels(scope, scope.requests(among, *columns, where=(e.status_code < 400,))).c
    graded = r.tenth >= r.limit_score_min * 10
    unscored = r.tenth.is_(None)
    perhaps = and_(unscored, _short(r, r.output_tokens))
    key = stretch(r, LIMITS)
    length = (
        select(
            *key,
            median(case((graded, r.output_tokens))).label("median"),
            median(case((or_(graded, perhaps), r.output_tokens))).label("least"),
            func.count().filter(unscored).label("read"),
        )
        .where(or_(graded, unscored))
        .group_by(*key)
        .subquery("length")
    )
    same = same_stretch(enough.c, length.c, LIMITS)
    read = func.coalesce(length.c.read, 0).label("read")
    return select(enough, length.c.median, length.c.least, read).select_from(enough.outerjoin(length, same))
