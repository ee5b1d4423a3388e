"""R07: requests that ask for the model's hidden reasoning, or replay its signatures in other sessions.

Whether replays belong to several sessions is read from single requests, of subjects with enough replays only: an agent
that hands the model its own signatures within one session does what the service asks for.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Select, Subquery, and_, case, func, literal, or_, select, union_all

from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_score_day import account_score_day
from audits.rules.base import Found
from audits.rules.levels import counted, subject_levels
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("score_min", "share_min", "requests_min", "group_requests_min", "replays_min", "replay_sessions_min")
REPLAY = and_(usage_events.c.status_code < 400, usage_events.c.reasoning_visibility == "signature_replay")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough elicitation, by share and by number, or enough replays across sessions.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level,
    then of its stretches, the worst one is reported.
    """
    s = _stretches(scope).c
    asks = and_(s.asked >= s.limit_requests, ratio(s.asked, s.scored) >= s.limit_share_min)
    replays = and_(s.replays >= s.limit_replays_min, s.sessions >= s.limit_replay_sessions_min)
    worst = func.row_number().over(
        partition_by=(s.subject_type, s.subject_id, s.tier),
        order_by=(s.level_rank.desc(), s.asked.desc(), s.replays.desc(), *(s[f"limit_{name}"] for name in LIMITS)),
    )
    found = select(*s, worst.label("place")).where(or_(asks, replays)).subquery("found").c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        found.level.label("observed_level"),
        found.asked.label("observed_requests"),
        ratio(found.asked, found.scored).label("observed_share"),
        found.replays.label("observed_replays"),
        found.limit_score_min,
        found.limit_share_min,
        found.limit_requests,
        found.limit_replays_min,
        found.limit_replay_sessions_min,
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with enough replays, alone or as a group, of which nobody knows whether they span several sessions."""
    s = _stretches(scope).c
    unknown = and_(s.replays >= s.limit_replays_min, s.sessions < s.limit_replay_sessions_min, s.sessionless > 0)
    subjects = select(s.subject_type, s.subject_id).where(unknown).subquery("unknown")
    reason = literal("not recorded: session_id of the replays").label("reason")
    return scope.members_of(subjects).add_columns(reason)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that scored as elicitation, and the replays."""
    e = usage_events.c
    tenth = math.ceil(round(found.limits["score_min"] * 10, 6)) / 10
    asks = and_(e.status_code < 400, e.cot_elicit_score >= tenth - 0.0005)
    return scope.events_of(found.account_ids, or_(asks, REPLAY), counted(scope, found)).add_columns(
        e.cot_elicit_score, e.reasoning_visibility, e.session_id
    )


def _stretches(scope: Scope) -> Subquery:
    """Figures of each account and group, by tier and stretch of the period under the same limits."""
    u, m = subject_levels(scope, account_score_day).c, subject_levels(scope, account_model_day).c
    r = subject_levels(scope, scope.requests(_replayers(scope, m), usage_events.c.session_id, where=(REPLAY,))).c
    asked = func.sum(u.n_ok).filter(u.cot_elicit_score_tenth >= u.limit_score_min * 10)
    none = literal(0)
    parts = union_all(
        select(*_stretch(u), asked.label("asked"), func.sum(u.n_ok).label("scored"),
               none.label("replays"), none.label("sessions"), none.label("sessionless"))
        .where(u.cot_elicit_score_tenth.is_not(None))
        .group_by(*_stretch(u)),
        select(*_stretch(m), none, none, func.sum(m.n_signature_replay), none, none).group_by(*_stretch(m)),
        # By account: sessions of two accounts are two, whatever their names.
        select(*_stretch(r), none, none, none, func.count(r.session_id.distinct()),
               func.count().filter(r.session_id.is_(None)))
        .group_by(*_stretch(r), r.account_id),
    ).subquery("parts").c  # fmt: skip
    figures = [parts[name] for name in ("asked", "scored", "replays", "sessions", "sessionless")]
    key = _stretch(parts)
    by_kind = {"account": parts.limit_requests_min, "group": parts.limit_group_requests_min}
    least = func.max(case(by_kind, value=parts.subject_type)).label("limit_requests")
    return (
        select(*key, least, *(func.sum(figure).label(figure.name) for figure in figures))
        .group_by(*key)
        .subquery("stretches")
    )


def _stretch(rows: Any) -> list[Any]:
    return [
        rows.subject_type, rows.subject_id, rows.tier, rows.level, rows.level_rank,
        *(rows[f"limit_{name}"] for name in LIMITS),
    ]  # fmt: skip


def _replayers(scope: Scope, m: Any) -> Select[Any]:
    """The accounts of subjects with enough replays for their sessions to matter."""
    busy = (
        select(m.subject_type, m.subject_id)
        .group_by(*_stretch(m))
        .having(func.sum(m.n_signature_replay) >= m.limit_replays_min)
        .subquery("busy")
    )
    return scope.members_of(busy)
