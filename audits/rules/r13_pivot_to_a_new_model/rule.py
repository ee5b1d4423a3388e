"""R13: a linked group that moves to a new frontier model within hours of its release.

Only requests that name the new model count: an alias that moves everybody to it is the provider's doing. Requests of
the first 24 hours are read one by one, of candidate groups only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, func, literal, or_, select

from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, seconds_between, utc_day
from audits.warehouse.tables import models, usage_events

LIMITS = ("accounts_min", "before_share_min", "hours_max", "share_min", "spread_hours_max")
HOUR = 3600.0


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough members whose first use lies close together, and enough of the traffic moved."""
    g, m = scope.group_usage(account_model_day, baseline=True).c, models.c
    released = and_(m.frontier, scope.in_period(m.released_at))
    first = (
        select(
            g.group_id, g.tier, g.account_id, m.model, m.predecessor, m.released_at,
            func.min(g.first_ok_ts).label("first_use"),
            *(func.max(g[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(released, g.model_requested == m.model, g.n_ok > 0, g.first_ok_ts >= m.released_at)
        .group_by(g.group_id, g.tier, g.account_id, m.model, m.predecessor, m.released_at)
        .subquery("first_uses")
    ).c  # fmt: skip
    early = seconds_between(first.released_at, first.first_use) <= first.limit_hours_max * HOUR
    earliest = func.min(first.first_use).over(partition_by=(first.group_id, first.model))
    near = select(*first, earliest.label("earliest")).where(early).subquery("near").c
    close = seconds_between(near.earliest, near.first_use) <= near.limit_spread_hours_max * HOUR
    moved = (
        select(
            near.group_id, near.tier, near.model, near.predecessor, near.released_at, func.count().label("accounts"),
            *(func.max(near[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(close)
        .group_by(near.group_id, near.tier, near.model, near.predecessor, near.released_at)
        .having(func.count() >= func.max(near.limit_accounts_min))
        .subquery("moved")
    ).c  # fmt: skip
    e, members = usage_events.c, scope.groups().c
    longest = max((float(row.values["hours_max"]) for row in scope.limits), default=0.0)  # type: ignore[arg-type]
    after = (
        select(
            moved.group_id, moved.model,
            func.count().filter(e.model_requested == moved.model).label("new"),
            func.count().label("every"),
        )
        .where(members.group_id == moved.group_id, e.account_id == members.account_id, e.status_code < 400)
        .where(e.event_ts >= moved.released_at, e.event_ts < moved.released_at + literal(timedelta(hours=longest)))
        .group_by(moved.group_id, moved.model)
        .subquery("after")
    ).c  # fmt: skip
    on_predecessor = or_(g.model_requested == moved.predecessor, g.model_served == moved.predecessor)
    before = (
        select(
            moved.group_id, moved.model,
            func.coalesce(func.sum(g.n_ok).filter(on_predecessor), 0).label("old"),
            func.sum(g.n_ok).label("every"),
        )
        .where(g.group_id == moved.group_id, g.day < utc_day(moved.released_at))
        .group_by(moved.group_id, moved.model)
        .subquery("before")
    ).c  # fmt: skip
    return select(
        moved.group_id.label("subject_id"),
        moved.tier,
        moved.model.label("discriminator"),
        moved.model.label("observed_model"),
        moved.accounts.label("observed_accounts"),
        ratio(after.new, after.every).label("observed_share"),
        ratio(before.old, before.every).label("observed_share_of_predecessor_before"),
        *(moved[f"limit_{name}"] for name in LIMITS),
    ).where(
        and_(after.group_id == moved.group_id, after.model == moved.model),
        and_(before.group_id == moved.group_id, before.model == moved.model),
        ratio(after.new, after.every) >= moved.limit_share_min,
        ratio(before.old, before.every) >= moved.limit_before_share_min,
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The members' requests for the new model."""
    return scope.events_of(found.account_ids, usage_events.c.model_requested == found.observed["model"])
