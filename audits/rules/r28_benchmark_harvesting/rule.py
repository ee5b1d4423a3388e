"""R28: the items of benchmarks or training sets, in bulk, or one item pattern with several answers each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, and_, cast, func, literal, null, select, union_all

from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_score_day import account_score_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events


def violations(scope: Scope) -> Select[Any]:
    """Subjects with enough benchmark-like requests, or enough items of one pattern with several answers each."""
    u, g = scope.usage(account_score_day).c, scope.group_usage(account_score_day).c
    m, gm = scope.usage(account_model_day).c, scope.group_usage(account_model_day).c
    p, gp = scope.usage(account_prompt_day).c, scope.group_usage(account_prompt_day).c
    cases = union_all(
        _scored(u, "account", u.account_id),
        _scored(g, "group", g.group_id),
        _sampled((m, p), "account", (m.account_id, p.account_id)),
        _sampled((gm, gp), "group", (gm.group_id, gp.group_id)),
    )
    return select(cases.subquery("cases"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests that scored as benchmark items, or that asked for several answers."""
    e = usage_events.c
    low = min(float(row.values["score_min"]) for row in scope.limits)  # type: ignore[arg-type]
    least = min(int(row.values["choices_min"]) for row in scope.limits)  # type: ignore[arg-type]
    which = e.benchmark_score >= low - 0.0005 if found.discriminator == "items" else e.n_choices >= least
    return scope.events_of(found.account_ids, e.status_code < 400, which).add_columns(e.benchmark_score, e.n_choices)


def _scored(u: Any, kind: str, subject: Any) -> Select[Any]:
    tenth = u.benchmark_score_tenth
    s = (
        select(
            subject.label("subject_id"), u.tier,
            func.coalesce(func.sum(u.n_ok).filter(tenth >= u.limit_score_min * 10), 0).label("hits"),
            func.sum(u.n_ok).label("scored"),
            func.max(u.limit_share_min).label("share_min"),
            func.max(u.limit_requests_min).label("requests_min"),
        )
        .where(tenth.is_not(None))
        .group_by(subject, u.tier)
        .subquery(f"{kind}_items")
    ).c  # fmt: skip
    return select(
        literal(kind).label("subject_type"), s.subject_id, s.tier, literal("items").label("discriminator"),
        literal("items of benchmarks").label("observed_kind"), cast(s.hits, Float(53)).label("observed_requests"),
        ratio(s.hits, s.scored).label("observed_share"), s.requests_min.label("limit_requests"),
    ).where(s.hits >= s.requests_min, ratio(s.hits, s.scored) >= s.share_min)  # fmt: skip


def _sampled(rows: tuple[Any, Any], kind: str, subjects: tuple[Any, Any]) -> Select[Any]:
    model, prompt = rows
    several = (
        select(
            subjects[0].label("subject_id"), model.tier, func.sum(model.n_multiple_choices).label("n"),
            func.max(model.limit_items_min).label("items_min"),
        )
        .group_by(subjects[0], model.tier)
        .subquery(f"{kind}_several")
    ).c  # fmt: skip
    pattern = (
        select(subjects[1].label("subject_id"), prompt.tier, func.sum(prompt.n_requests).label("n"))
        .where(prompt.prompt_template_hash.is_not(None))
        .group_by(subjects[1], prompt.tier, prompt.prompt_template_hash)
        .subquery(f"{kind}_patterns")
    ).c
    top = (
        select(pattern.subject_id, pattern.tier, func.max(pattern.n).label("n"))
        .group_by(pattern.subject_id, pattern.tier)
        .subquery(f"{kind}_top")
    ).c
    return select(
        literal(kind), several.subject_id, several.tier, literal("several answers"),
        literal("items of one pattern with several answers"), cast(several.n, Float(53)), cast(null(), Float(53)),
        several.items_min,
    ).where(
        and_(top.subject_id == several.subject_id, top.tier == several.tier),
        several.n >= several.items_min,
        top.n >= several.items_min,
    )  # fmt: skip
