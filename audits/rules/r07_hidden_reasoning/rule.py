"""R07: requests that ask for the model's hidden reasoning, or replay its signatures in other sessions.

An agent that hands the model its own signatures within a session does what the service asks for, in however many
sessions. A signature was carried over where the session's first successful request is a replay already: nothing in the
session can have made it. Then all replays of the session count, for it goes on with what it began with. How sessions
began is read from single requests, of accounts with replays in subjects with enough of them only.

Agents that resume their users' conversations carry signatures over, too: where many parties do, only a habit of it
counts. Where hardly any does, whoever carries enough over is found, at no more than medium without the habit.

A session that was seen before the period is judged in the period in which it began: how it began lies beyond what is
read now, and its first request of this period says nothing of that. A session is one account's, whatever its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)

from audits.rollups.account_day import account_day
from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_score_day import account_score_day
from audits.rules.base import Found
from audits.rules.levels import counted, subject_levels
from audits.rules.population import audited_accounts, audited_groups
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

REPLAY, BEFORE = "signature_replay", "before the period"
LIMITS = (
    "score_min", "share_min", "requests_min", "group_requests_min", "replays_min", "replay_sessions_min",
    "replay_sessions_share_min", "replay_common_share_max",
)  # fmt: skip


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough elicitation, by share and by number, or enough carried-over replays.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level,
    then of its stretches, the worst one is reported.
    """
    stretches = _stretches(scope)
    s, c = stretches.c, _carrying(scope, stretches).c
    grave = or_(_asks(s), _carried_over(s))
    gravity = (case((grave, 0), else_=1), s.asked.desc(), s.replays.desc())
    worst = func.row_number().over(
        partition_by=(s.subject_type, s.subject_id, s.tier),
        order_by=(s.level_rank.desc(), *gravity, *(s[f"limit_{name}"] for name in LIMITS)),
    )
    found = (
        select(*s, ratio(c.parties, c.everyone).label("common"), grave.label("grave"), worst.label("place"))
        .where(or_(grave, and_(_several(s), _uncommon(s, c))))
        .subquery("found")
    ).c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        case((found.grave, "high"), else_="medium").label("severity"),
        found.level.label("observed_level"),
        found.asked.label("observed_requests"),
        ratio(found.asked, found.scored).label("observed_share"),
        found.replays.label("observed_replays"),
        ratio(found.sessions, found.begun).label("observed_replay_sessions_share"),
        found.common.label("observed_replay_common_share"),
        found.limit_score_min,
        found.limit_share_min,
        found.limit_requests,
        found.limit_replays_min,
        found.limit_replay_sessions_min,
        found.limit_replay_sessions_share_min,
        found.limit_replay_common_share_max,
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts, alone or as a group, that might have carried over enough replays; nobody knows how sessions began."""
    s = _stretches(scope).c
    might = and_(s.unknown > 0, s.replays + s.unknown >= s.limit_replays_min)
    subjects = select(s.subject_type, s.subject_id).where(might, ~_carried_over(s)).subquery("unknown")
    reason = literal("not recorded: session_id of the replays, or how their sessions began").label("reason")
    return scope.members_of(subjects).add_columns(reason)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that scored as elicitation, and the replays of sessions that began with one."""
    e = usage_events.c
    tenth = math.ceil(round(found.limits["score_min"] * 10, 6)) / 10
    asks = and_(e.status_code < 400, e.cot_elicit_score >= tenth - 0.0005)
    r = _replays(scope, found.account_ids).c
    carried_over = e.event_id.in_(select(r.event_id).where(r.began == REPLAY, r.reasoning_visibility == REPLAY))
    return scope.events_of(found.account_ids, or_(asks, carried_over), counted(scope, found)).add_columns(
        e.cot_elicit_score, e.reasoning_visibility, e.session_id
    )


def _stretches(scope: Scope) -> CTE:
    """Figures of each account and group, by tier and stretch of the period under the same limits."""
    a = _scored(scope)
    r = subject_levels(scope, _replays(scope, _replayers(scope, a))).c
    replay, none = r.reasoning_visibility == REPLAY, literal(0)
    session, known = func.count(r.session_id.distinct()), r.began.is_not(None)
    parts = union_all(
        select(*_stretch(a.c), a.c.asked, a.c.scored,
               none.label("replays"), none.label("sessions"), none.label("begun"), none.label("unknown")),
        # By account: sessions of two accounts are two, whatever their names.
        select(*_stretch(r), none, none, func.count().filter(r.began == REPLAY, replay),
               session.filter(r.began == REPLAY), session.filter(known), func.count().filter(~known, replay))
        .group_by(*_stretch(r), r.account_id),
    ).subquery("parts").c  # fmt: skip
    key = _stretch(parts)
    figures = [parts[name] for name in ("asked", "scored", "replays", "sessions", "begun", "unknown")]
    return (
        select(*key, _limit_requests(parts), *(func.sum(figure).label(figure.name) for figure in figures))
        .group_by(*key)
        .cte("stretches")
    )


def _scored(scope: Scope) -> CTE:
    """Of each stretch the successful requests that were scored, and those that asked for hidden reasoning."""
    u = subject_levels(scope, account_score_day).c
    asked = func.sum(u.n_ok).filter(u.cot_elicit_score_tenth >= u.limit_score_min * 10)
    return (
        select(*_stretch(u), _limit_requests(u), asked.label("asked"), func.sum(u.n_ok).label("scored"))
        .where(u.cot_elicit_score_tenth.is_not(None))
        .group_by(*_stretch(u))
        .cte("scored")
    )


def _stretch(rows: Any) -> list[Any]:
    return [
        rows.subject_type, rows.subject_id, rows.tier, rows.level, rows.level_rank,
        *(rows[f"limit_{name}"] for name in LIMITS),
    ]  # fmt: skip


def _limit_requests(rows: Any) -> ColumnElement[Any]:
    """The least number of requests that applies, to an account or to a group."""
    by_kind = {"account": rows.limit_requests_min, "group": rows.limit_group_requests_min}
    return func.max(case(by_kind, value=rows.subject_type)).label("limit_requests")


def _replayers(scope: Scope, scored: CTE) -> Select[Any]:
    """The accounts with replays of subjects of which replays are told: that have enough of them, or ask enough.

    Of a group only the sessions of these accounts are compared: those who replay nothing hide nobody.
    """
    m = subject_levels(scope, account_model_day).c
    busy = (
        select(m.subject_type, m.subject_id)
        .group_by(*_stretch(m))
        .having(func.sum(m.n_signature_replay) >= m.limit_replays_min)
    )
    told = union_all(busy, select(scored.c.subject_type, scored.c.subject_id).where(_asks(scored.c))).subquery("told")
    d = account_model_day.c
    replaying = select(d.account_id).where(
        d.n_signature_replay > 0, d.day.between(scope.period.first_day, scope.period.last_day)
    )
    members = scope.members_of(told).subquery("members_of_told").c
    return select(members.account_id).where(members.account_id.in_(replaying))


def _replays(scope: Scope, accounts: Select[Any] | Iterable[str]) -> CTE:
    """Replays and sessions' first requests of some accounts, in the shape of a rollup, with what these ``began`` with.

    That is what is recorded of the visibility of a session's first successful request; ``BEFORE`` if that was made
    before the period, NULL if nobody knows it.
    """
    e = usage_events.c
    rows = scope.requests(accounts, e.session_id, e.reasoning_visibility, where=(e.status_code < 400,)).c
    session = (rows.account_id, rows.session_id)
    first_at = func.min(rows.slice_start).over(partition_by=session)
    in_time = (rows.slice_start, rows.event_id)
    first = func.first_value(rows.reasoning_visibility).over(partition_by=session, order_by=in_time)
    began = case(
        (rows.session_id.is_(None), null()), (first_at < literal(scope.period.start), BEFORE), else_=first
    ).label("began")
    place = func.row_number().over(partition_by=session, order_by=in_time).label("place")
    every = select(*rows, began, place).subquery("every").c
    return select(*every).where(or_(every.reasoning_visibility == REPLAY, every.place == 1)).cte("replays")


def _asks(s: Any) -> ColumnElement[bool]:
    """Whether a stretch has enough requests for hidden reasoning, by number and by share."""
    return and_(s.asked >= s.limit_requests, ratio(s.asked, s.scored) >= s.limit_share_min)


def _several(s: Any) -> ColumnElement[bool]:
    """Whether a stretch has enough replays that were carried over, in enough sessions."""
    return and_(s.replays >= s.limit_replays_min, s.sessions >= s.limit_replay_sessions_min)


def _carried_over(s: Any) -> ColumnElement[bool]:
    """Whether they are a habit: of enough of all sessions that began in the stretch."""
    return and_(_several(s), ratio(s.sessions, s.begun) >= s.limit_replay_sessions_share_min)


def _uncommon(s: Any, c: Any) -> ColumnElement[bool]:
    """Whether hardly any party carries over as many. One party alone never makes it common; 0 leaves it to habits."""
    limit = s.limit_replay_common_share_max
    return and_(limit > 0, c.parties <= func.greatest(limit * c.everyone, 1.0))


def _carrying(scope: Scope, stretches: CTE) -> Subquery:
    """One row: how many ``parties`` carried over enough in enough sessions, and how many are active at all."""
    s, a, g = stretches.c, audited_accounts.c, audited_groups.c
    held = stretches.join(audited_accounts, a.account_id == s.subject_id)
    held = held.outerjoin(audited_groups, g.account_id == s.subject_id)
    accounts = select(func.coalesce(g.group_id, a.customer_id).label("party")).select_from(held)
    groups = select(s.subject_id).where(s.subject_type == "group", _several(s))
    carrying = union(accounts.where(s.subject_type == "account", _several(s)), groups).subquery("carrying")
    everyone = scope.parties(account_day).scalar_subquery()
    return select(func.count(carrying.c.party).label("parties"), everyone.label("everyone")).subquery("common")
