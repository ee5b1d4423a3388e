"""R07: prompts that ask for the model's hidden reasoning, or replay its signatures in other sessions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, union_all

from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_score_day import account_score_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

SHOWN = ("share_min", "requests_min", "replays_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough elicitation, by share and by number, or enough replays."""
    u, g = scope.usage(account_score_day).c, scope.group_usage(account_score_day).c
    m, gm = scope.usage(account_model_day).c, scope.group_usage(account_model_day).c
    counted = union_all(
        _elicited(u, "account", u.account_id, u.limit_requests_min),
        _elicited(g, "group", g.group_id, g.limit_group_requests_min),
        _replayed(m, "account", m.account_id, m.limit_requests_min),
        _replayed(gm, "group", gm.group_id, gm.limit_group_requests_min),
    ).subquery("counted").c  # fmt: skip
    c = (
        select(
            counted.subject_type, counted.subject_id, counted.tier,
            func.sum(counted.elicited).label("elicited"),
            func.sum(counted.scored).label("scored"),
            func.sum(counted.replays).label("replays"),
            *(func.max(counted[f"limit_{name}"]).label(f"limit_{name}") for name in SHOWN),
        )
        .group_by(counted.subject_type, counted.subject_id, counted.tier)
        .subquery("sums")
    ).c  # fmt: skip
    asks = and_(c.elicited >= c.limit_requests_min, ratio(c.elicited, c.scored) >= c.limit_share_min)
    return select(
        c.subject_type,
        c.subject_id,
        c.tier,
        c.elicited.label("observed_requests"),
        ratio(c.elicited, c.scored).label("observed_share"),
        c.replays.label("observed_replays"),
        c.limit_share_min,
        c.limit_requests_min,
        c.limit_replays_min,
    ).where(or_(asks, c.replays >= c.limit_replays_min))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests that scored as elicitation, and the replays."""
    e = usage_events.c
    low = min(float(row.values["score_min"]) for row in scope.limits)  # type: ignore[arg-type]
    asks = or_(e.cot_elicit_score >= low - 0.0005, e.reasoning_visibility == "signature_replay")
    return scope.events_of(found.account_ids, asks).add_columns(e.cot_elicit_score, e.reasoning_visibility)


def _elicited(u: Any, kind: str, subject: ColumnElement[Any], least: ColumnElement[Any]) -> Select[Any]:
    tenth = u.cot_elicit_score_tenth
    return (
        select(
            literal(kind).label("subject_type"), subject.label("subject_id"), u.tier,
            func.coalesce(func.sum(u.n_requests).filter(tenth >= u.limit_score_min * 10), 0).label("elicited"),
            func.sum(u.n_requests).label("scored"),
            literal(0).label("replays"),
            func.max(u.limit_share_min).label("limit_share_min"),
            func.max(least).label("limit_requests_min"),
            func.max(u.limit_replays_min).label("limit_replays_min"),
        )
        .where(tenth.is_not(None))
        .group_by(subject, u.tier)
    )  # fmt: skip


def _replayed(u: Any, kind: str, subject: ColumnElement[Any], least: ColumnElement[Any]) -> Select[Any]:
    return select(
        literal(kind), subject, u.tier, literal(0), literal(0), func.sum(u.n_signature_replay),
        func.max(u.limit_share_min), func.max(least), func.max(u.limit_replays_min),
    ).group_by(subject, u.tier)  # fmt: skip
