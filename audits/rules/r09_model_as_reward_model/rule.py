"""R09: the model as a grader, in bulk: short verdicts by a rubric, as training by reward needs them.

The median length of the graded answers is read from single requests, of candidates only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, literal, select, union_all

from audits.rollups.account_score_day import account_score_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import median, ratio
from audits.warehouse.tables import usage_events

LIMITS = ("score_min", "share_min", "requests_min", "median_output_tokens_max")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough grading, by number and share, whose graded answers are short."""
    u, g, members = scope.usage(account_score_day).c, scope.group_usage(account_score_day).c, scope.groups().c
    parts = []
    for rows, kind, subject in ((u, "account", u.account_id), (g, "group", g.group_id)):
        graded = rows.rubric_grade_score_tenth >= rows.limit_score_min * 10
        c = (
            select(
                subject.label("subject_id"), rows.tier,
                func.coalesce(func.sum(rows.n_ok).filter(graded), 0).label("n"),
                func.sum(rows.n_ok).label("scored"),
                *(func.max(rows[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
            )
            .where(rows.rubric_grade_score_tenth.is_not(None))
            .group_by(subject, rows.tier)
            .subquery(f"{kind}_grading")
        ).c  # fmt: skip
        account = c.subject_id if kind == "account" else members.account_id
        part = select(literal(kind).label("subject_type"), account.label("account_id"), *c).where(
            c.n >= c.limit_requests_min, ratio(c.n, c.scored) >= c.limit_share_min
        )
        parts.append(part if kind == "account" else part.where(members.group_id == c.subject_id))
    b, e = union_all(*parts).subquery("candidates").c, usage_events.c
    length = median(e.output_tokens)
    return (
        select(
            b.subject_type, b.subject_id, b.tier,
            func.max(b.n).label("observed_requests"),
            func.max(ratio(b.n, b.scored)).label("observed_share"),
            length.label("observed_median_output_tokens"),
            *(func.max(b[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(e.account_id == b.account_id, e.status_code < 400, scope.in_period(e.event_ts))
        .where(e.rubric_grade_score >= b.limit_score_min - 0.0005)
        .group_by(b.subject_type, b.subject_id, b.tier)
        .having(length <= func.max(b.limit_median_output_tokens_max))
    )  # fmt: skip


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that scored as grading."""
    e = usage_events.c
    enough = e.rubric_grade_score >= float(found.limits["score_min"]) - 0.0005
    return scope.events_of(found.account_ids, e.status_code < 400, enough).add_columns(e.rubric_grade_score)
