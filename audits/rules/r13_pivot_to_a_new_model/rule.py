"""R13: a linked group that moves to a new frontier model within hours of its release.

Only requests that name the new model count: an alias that moves everybody to it is the provider's doing. Requests of
the first hours are read one by one, of candidate groups only. A release is judged in the period in which its first
hours end, so that each is judged once and all of its requests are there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    FrameClause,
    FrameClauseType,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.levels import group_levels, of_level
from audits.rules.population import audited_groups
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, seconds_between, utc_day
from audits.warehouse.tables import models, usage_events

LIMITS = ("accounts_min", "before_share_min", "hours_max", "share_min", "spread_hours_max")
HOUR = 3600.0


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough members whose first use lies close together, and enough of the traffic moved.

    Of several levels (see :mod:`audits.rules.levels`) the highest one is reported.
    """
    moved = _moved(scope)
    m, after, before = moved.c, _after(scope, moved).c, _before(scope, moved).c
    share, earlier = ratio(after.new, after.every), ratio(before.old, before.every)
    highest = func.row_number().over(partition_by=(m.group_id, m.model), order_by=m.level_rank.desc())
    found = (
        select(*m, share.label("share"), earlier.label("earlier"), highest.label("place"))
        .where(
            and_(after.group_id == m.group_id, after.level == m.level, after.model == m.model),
            and_(before.group_id == m.group_id, before.level == m.level, before.model == m.model),
            share >= m.limit_share_min,
            earlier >= m.limit_before_share_min,
        )
        .subquery("found")
    ).c
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        found.model.label("discriminator"),
        found.model.label("observed_model"),
        found.released_at.label("observed_released_at"),
        found.level.label("observed_level"),
        found.accounts.label("observed_accounts"),
        found.share.label("observed_share"),
        found.earlier.label("observed_share_of_predecessor_before"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The members' successful requests for the new model in the hours after its release."""
    e = usage_events.c
    released = datetime.fromisoformat(str(found.observed["released_at"]))
    until = released + timedelta(hours=float(found.limits["hours_max"]))
    return scope.events_of(
        found.account_ids,
        e.model_requested == found.observed["model"],
        e.status_code < 400,
        e.event_ts >= literal(released),
        e.event_ts <= literal(until),
        of_level(scope, found),
        since=min(released.date(), scope.period.first_day),
    )


def _moved(scope: Scope) -> Subquery:
    """Groups, levels and new models with enough members that began to use it in time and close to each other."""
    g, m = group_levels(scope, account_model_day, baseline=True).c, _frontier().c
    first = (
        select(
            g.group_id, g.tier, g.level, g.level_rank, g.account_id, m.model, m.predecessor, m.released_at,
            func.min(g.first_ok_ts).label("first_use"),
            *(func.max(g[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(g.model_requested == m.model, g.first_ok_ts >= m.released_at)
        .group_by(
            g.group_id, g.tier, g.level, g.level_rank, g.account_id, m.model, m.predecessor, m.released_at
        )
        .subquery("first_uses")
    ).c  # fmt: skip
    since = seconds_between(first.released_at, first.first_use)
    ends = seconds_between(first.released_at, literal(scope.period.end))
    begins = seconds_between(first.released_at, literal(scope.period.start))
    hours = first.limit_hours_max * HOUR
    early = (
        select(*first, since.label("since"))
        .where(since <= hours, hours <= ends, hours > begins)
        .subquery("early")
    ).c  # fmt: skip
    near = select(*early, _close(scope, early).label("close")).subquery("near").c
    return (
        select(
            near.group_id, near.tier, near.level, near.level_rank, near.model, near.predecessor, near.released_at,
            func.max(near.close).label("accounts"),
            *(func.max(near[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(
            near.group_id, near.tier, near.level, near.level_rank, near.model, near.predecessor, near.released_at
        )
        .having(func.max(near.close) >= func.max(near.limit_accounts_min))
        .subquery("moved")
    )  # fmt: skip


def _frontier() -> Subquery:
    """Frontier models, each once even where the warehouse has one twice."""
    m = models.c
    return (
        select(m.model, func.min(m.predecessor).label("predecessor"), func.min(m.released_at).label("released_at"))
        .where(m.frontier)
        .group_by(m.model)
        .subquery("frontier")
    )


def _close(scope: Scope, early: Any) -> ColumnElement[Any]:
    """How many members began within so many hours from this one on; window frames take the hours as literals only."""
    counts, whose = [], (early.group_id, early.level, early.model)
    for spread in sorted({float(row.values["spread_hours_max"]) for row in scope.limits}):  # type: ignore[arg-type]
        seconds = literal(spread * HOUR, Float(53))
        frame = FrameClause(None, seconds, FrameClauseType.CURRENT, FrameClauseType.FOLLOWING)
        within = func.count().over(partition_by=whose, order_by=early.since, range_=frame)
        counts.append((early.limit_spread_hours_max == spread, within))
    return case(*counts) if counts else literal(0)


def _after(scope: Scope, moved: Subquery) -> Subquery:
    """The group's successful requests in the hours after the release: for the new model, and all."""
    m, g, e = moved.c, audited_groups.c, usage_events.c
    members = select(g.account_id).where(g.group_id.in_(select(m.group_id)))
    requests = scope.requests(members, e.event_ts, e.model_requested, where=[e.status_code < 400])
    r = group_levels(scope, requests, baseline=True).c
    since = seconds_between(m.released_at, r.event_ts)
    return (
        select(
            m.group_id, m.level, m.model, func.count().filter(r.model_requested == m.model).label("new"),
            func.count().label("every"),
        )
        .where(r.group_id == m.group_id, r.level == m.level, since >= 0, since <= m.limit_hours_max * HOUR)
        .group_by(m.group_id, m.level, m.model)
        .subquery("after")
    )  # fmt: skip


def _before(scope: Scope, moved: Subquery) -> Subquery:
    """The group's successful requests on the days before the release: for the predecessor by whatever name, and all."""
    m, g = moved.c, group_levels(scope, account_model_day, baseline=True).c
    on_predecessor = or_(g.model_requested == m.predecessor, g.model_served == m.predecessor)
    return (
        select(
            m.group_id, m.level, m.model, func.coalesce(func.sum(g.n_ok).filter(on_predecessor), 0).label("old"),
            func.sum(g.n_ok).label("every"),
        )
        .where(g.group_id == m.group_id, g.level == m.level, g.day < utc_day(m.released_at))
        .group_by(m.group_id, m.level, m.model)
        .subquery("before")
    )  # fmt: skip
