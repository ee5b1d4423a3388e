"""R10: load spread over linked accounts so that none of them meets its limit, or handed on the moment one does.

Minutes are read from single requests, of groups only whose day could hold enough of them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Float, Select, Subquery, and_, case, cast, func, literal, or_, select

from audits.periods import utc_midnight
from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, seconds_between
from audits.warehouse.tables import usage_events

LIMITS = (
    "requests_a_minute", "rate_factor_min", "minutes_min", "members_share_min", "member_use_max", "handover_seconds",
    "handovers_min",
)  # fmt: skip
MINUTE = 60.0
EPOCH = literal(utc_midnight(date(1970, 1, 1)))


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough minutes over the largest member's limit while nearly all members stay below theirs."""
    r = _requests(scope).c
    members = (
        select(
            r.group_id, r.tier, r.minute, r.account_id, func.count().label("n"),
            *(func.max(r[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(r.group_id, r.tier, r.minute, r.account_id)
        .subquery("member_minutes")
    ).c  # fmt: skip
    below = members.n <= members.limit_member_use_max * members.limit_requests_a_minute
    minutes = (
        select(
            members.group_id, members.tier, members.minute, func.sum(members.n).label("together"),
            func.count().label("accounts"), ratio(func.count().filter(below), func.count()).label("below"),
            *(func.max(members[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(members.group_id, members.tier, members.minute)
        .subquery("group_minutes")
    ).c  # fmt: skip
    over = and_(
        minutes.together > minutes.limit_rate_factor_min * minutes.limit_requests_a_minute,
        minutes.below >= minutes.limit_members_share_min,
        minutes.accounts > 1,
    )
    spread = (
        select(
            minutes.group_id, minutes.tier,
            func.count().filter(over).label("minutes"),
            func.max(minutes.together).label("peak"),
            *(func.max(minutes[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(minutes.group_id, minutes.tier)
        .subquery("spread")
    )  # fmt: skip
    handed = _handovers(scope)
    s, h = spread.c, handed.c
    handovers = func.coalesce(h.handovers, 0)
    return (
        select(
            s.group_id.label("subject_id"),
            s.tier,
            s.minutes.label("observed_minutes_over"),
            s.peak.label("observed_peak_requests_a_minute"),
            handovers.label("observed_handovers"),
            *(s[f"limit_{name}"] for name in LIMITS),
        )
        .select_from(spread.outerjoin(handed, h.group_id == s.group_id))
        .where(or_(s.minutes >= s.limit_minutes_min, handovers >= s.limit_handovers_min))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All requests of the members, refused ones included, in order of time."""
    return scope.events_of(found.account_ids, usage_events.c.event_ts.is_not(None))


def _requests(scope: Scope) -> Subquery:
    """The requests of groups that are busy enough, each with its minute since 1970."""
    u, members, e = scope.group_usage(account_day).c, scope.groups().c, usage_events.c
    busy = (
        select(u.group_id)
        .group_by(u.group_id)
        .having(
            or_(
                func.sum(u.n_requests)
                >= func.max(u.limit_minutes_min * u.limit_rate_factor_min * u.limit_requests_a_minute),
                func.sum(u.n_requests - u.n_ok) >= func.max(u.limit_handovers_min),
            )
        )
    )
    since = cast(func.floor(seconds_between(EPOCH, e.event_ts) / MINUTE), Float(53))
    return (
        select(
            members.group_id, members.tier, e.account_id, e.event_id, e.event_ts, e.status_code, since.label("minute"),
            *(members[f"limit_{name}"] for name in LIMITS),
        )
        .where(members.group_id.in_(busy), e.account_id == members.account_id, scope.in_period(e.event_ts))
        .subquery("requests")
    )  # fmt: skip


def _handovers(scope: Scope) -> Subquery:
    """Refusals for a limit after which the refused account is silent and another member goes on within seconds."""
    r = _requests(scope).c
    order = (r.event_ts, r.event_id)
    after = select(
        r.group_id, r.account_id, r.event_ts, r.status_code, r.limit_handover_seconds,
        func.lead(r.account_id).over(partition_by=r.group_id, order_by=order).label("next_account"),
        func.lead(r.event_ts).over(partition_by=r.group_id, order_by=order).label("next_ts"),
        func.lead(r.status_code).over(partition_by=r.group_id, order_by=order).label("next_status"),
        func.lead(r.event_ts).over(partition_by=(r.group_id, r.account_id), order_by=order).label("own_next_ts"),
    ).subquery("after").c  # fmt: skip
    soon = seconds_between(after.event_ts, after.next_ts) <= after.limit_handover_seconds
    silent = or_(
        after.own_next_ts.is_(None),
        seconds_between(after.event_ts, after.own_next_ts) > after.limit_handover_seconds,
    )
    handed = case((and_(after.next_account != after.account_id, after.next_status < 400, soon, silent), 1), else_=0)
    return (
        select(after.group_id, func.sum(handed).label("handovers"))
        .where(after.status_code.in_((403, 429)))
        .group_by(after.group_id)
        .subquery("handed")
    )
