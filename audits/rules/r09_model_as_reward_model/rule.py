"""R09: the model as a grader, in bulk: short verdicts by a rubric, as training by reward needs them.

The median length of the graded answers is read from single requests, of subjects only that grade enough.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Select, Subquery, and_, func, select

from audits.rollups.account_score_day import account_score_day, tenth_of
from audits.rules.base import Found
from audits.rules.levels import counted, subject_levels
from audits.rules.scope import Scope
from audits.warehouse.dialects import median, ratio
from audits.warehouse.tables import usage_events

LIMITS = ("score_min", "share_min", "requests_min", "median_output_tokens_max")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough grading, by number and share, whose graded answers are short.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level,
    then of its stretches, the one with most is reported.
    """
    grading, e = _grading(scope), usage_events.c
    columns = (e.output_tokens, tenth_of(e.rubric_grade_score).label("tenth"))
    recorded = (e.status_code < 400, e.rubric_grade_score.is_not(None))
    r = subject_levels(scope, scope.requests(scope.members_of(grading), *columns, where=recorded)).c
    length = (
        select(*_stretch(r), median(r.output_tokens).label("median"))
        .where(r.tenth >= r.limit_score_min * 10)
        .group_by(*_stretch(r))
        .subquery("length")
    )
    same = and_(*(one == other for one, other in zip(_stretch(grading.c), _stretch(length.c), strict=True)))
    g = grading.c
    most = func.row_number().over(
        partition_by=(g.subject_type, g.subject_id, g.tier),
        order_by=(g.level_rank.desc(), g.graded.desc(), *(g[f"limit_{name}"] for name in LIMITS)),
    )
    found = (
        select(grading, length.c.median, most.label("place"))
        .select_from(grading.join(length, same))  # adequacy: equivalent, because no median is none over the limit
        .where(length.c.median <= g.limit_median_output_tokens_max)
        .subquery("found")
    ).c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        found.level.label("observed_level"),
        found.graded.label("observed_requests"),
        ratio(found.graded, found.scored).label("observed_share"),
        found.median.label("observed_median_output_tokens"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that scored as grading."""
    e = usage_events.c
    tenth = math.ceil(round(found.limits["score_min"] * 10, 6)) / 10
    graded = and_(e.status_code < 400, e.rubric_grade_score >= tenth - 0.0005)
    return scope.events_of(found.account_ids, graded, counted(scope, found)).add_columns(e.rubric_grade_score)


def _grading(scope: Scope) -> Subquery:
    """Subjects, by tier and stretch of the period under the same limits, that graded enough, by number and share."""
    u = subject_levels(scope, account_score_day).c
    graded = func.sum(u.n_ok).filter(u.rubric_grade_score_tenth >= u.limit_score_min * 10)
    scored = func.sum(u.n_ok)
    return (
        select(*_stretch(u), graded.label("graded"), scored.label("scored"))
        .where(u.rubric_grade_score_tenth.is_not(None))
        .group_by(*_stretch(u))
        .having(and_(graded >= u.limit_requests_min, ratio(graded, scored) >= u.limit_share_min))
        .subquery("grading")
    )


def _stretch(rows: Any) -> list[Any]:
    return [
        rows.subject_type, rows.subject_id, rows.tier, rows.level, rows.level_rank,
        *(rows[f"limit_{name}"] for name in LIMITS),
    ]  # fmt: skip
