"""R10: load spread over linked accounts so that none of them meets its limit, or handed on the moment one does.

Minutes are read from single requests, of groups only whose days could hold enough of them. In a busy group somebody
always comes next: that another account goes on after a refusal counts as far as it happens more often than after a
request that succeeded, z = (h - r p) / sqrt(r p (1 - p) + 1) with h of r refusals and the share p of successes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, Select, Subquery, and_, case, cast, func, literal, or_, select

from audits.periods import utc_midnight
from audits.quality.quarantine import is_impossible
from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.levels import group_levels
from audits.rules.population import audited_accounts, audited_groups
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, seconds_between, utc_day
from audits.warehouse.tables import usage_events

LIMITS = (
    "requests_a_minute", "rate_factor_min", "minutes_min", "members_share_min", "member_use_max", "handover_seconds",
    "handovers_min", "handover_z_min",
)  # fmt: skip
MINUTE = 60.0
EPOCH = literal(utc_midnight(date.fromisoformat("1970-01-01")))
REFUSED = (403, 429)


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough minutes over the limit while nearly all members stay below theirs, or enough hand-overs.

    Minutes are counted a level (see :mod:`audits.rules.levels`); the highest one with enough of them is reported.
    """
    minutes, handed = _minutes(scope), _handovers(scope)
    m, h = minutes.c, handed.c
    fanned = m.minutes >= m.limit_minutes_min
    passed_on = and_(h.handovers >= m.limit_handovers_min, h.z >= m.limit_handover_z_min)
    order = (case((fanned, 0), else_=1), m.level_rank.desc())
    found = (
        select(
            *m,
            func.coalesce(h.handovers, 0).label("handovers"),
            func.row_number().over(partition_by=m.group_id, order_by=order).label("place"),
        )
        .select_from(minutes.outerjoin(handed, h.group_id == m.group_id))
        .where(or_(fanned, passed_on))
        .subquery("found")
    ).c
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        found.level.label("observed_level"),
        found.minutes.label("observed_minutes_over"),
        found.peak.label("observed_peak_requests_a_minute"),
        found.handovers.label("observed_handovers"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All requests of the members, refused ones included, in order of time."""
    return scope.events_of(found.account_ids)


def _requests(scope: Scope, members: Select[Any], name: str) -> CTE:
    """The period's single requests of some accounts, each once; nothing else is read of them."""
    e = usage_events.c
    return (
        select(
            e.event_id, e.account_id, e.event_ts, e.event_ts.label("slice_start"), utc_day(e.event_ts).label("day"),
            e.status_code,
        )
        .where(scope.in_period(e.event_ts), ~is_impossible(usage_events), e.account_id.in_(members))
        .distinct()
        .cte(f"requests_{name}")
    )  # fmt: skip


def _least_rate(scope: Scope) -> float:
    """The least that a group may do in a minute under any of the limits in force."""
    pairs = ((row.values["rate_factor_min"], row.values["requests_a_minute"]) for row in scope.limits)
    return min((float(factor) * float(rate) for factor, rate in pairs), default=0.0)  # type: ignore[arg-type]


def _minute(at: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.floor(seconds_between(EPOCH, at) / MINUTE), Float(53))


def _members(scope: Scope, enough: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
    """Accounts of the groups whose days could hold enough of what is looked for; it only saves reading."""
    u = group_levels(scope, account_day).c
    groups = select(u.group_id).group_by(u.group_id, u.level).having(enough(u))
    return select(audited_groups.c.account_id).where(audited_groups.c.group_id.in_(groups))


def _minutes(scope: Scope) -> Subquery:
    """For each level of a group: minutes over its limit with nearly all members below theirs; the busiest minute."""

    def busy(u: Any) -> ColumnElement[bool]:
        least = func.min(u.limit_minutes_min * u.limit_rate_factor_min * u.limit_requests_a_minute)
        return or_(
            func.sum(u.n_requests) > least,  # adequacy: equivalent, a minute over has more
            func.sum(u.n_requests - u.n_ok) >= func.min(u.limit_handovers_min),  # shown beside its hand-overs
        )

    requests = _requests(scope, _members(scope, busy), "busy")
    r, a, g = requests.c, audited_accounts.c, audited_groups.c
    minute = _minute(r.event_ts)
    by_minute = (
        select(g.group_id, minute.label("minute"), func.count().label("n"))
        .select_from(requests.join(audited_groups, g.account_id == r.account_id))
        .group_by(g.group_id, minute)
        .subquery("by_minute")
    ).c
    place = func.row_number().over(partition_by=by_minute.group_id, order_by=(by_minute.n.desc(), by_minute.minute))
    ranked = select(by_minute.group_id, by_minute.minute, by_minute.n, place.label("place")).subquery("ranked").c
    # A minute below every tier's limit is over none of them; the busiest one of all is shown in any case.
    telling = (
        select(ranked.group_id, ranked.minute)
        .where(or_(ranked.place == 1, ranked.n > _least_rate(scope)))  # adequacy: equivalent, it only saves work
        .subquery("telling")
    ).c
    held = and_(a.account_id == r.account_id, r.event_ts >= a.valid_from, r.event_ts < a.valid_to)
    cells = (
        select(
            r.account_id, r.day, telling.minute,
            func.min(r.event_ts).label("slice_start"),  # of the minute's part in one tier
            func.count().label("n"),
        )
        .where(held, g.account_id == r.account_id, telling.group_id == g.group_id, telling.minute == minute)
        .group_by(r.account_id, a.valid_from, r.day, telling.minute)
        .subquery("account_minutes")
    )  # fmt: skip
    levels, own = group_levels(scope, cells), scope.limit_rows()
    r = levels.c
    limits = [r[f"limit_{name}"] for name in LIMITS]
    in_force = and_(own.c.tier == r.member_tier, r.day >= own.c.from_day, r.day < own.c.to_day)
    allowed = func.max(func.coalesce(own.c.limit_requests_a_minute, r.limit_requests_a_minute))
    level = (r.group_id, r.tier, r.level, r.level_rank)
    members = (
        select(*level, r.minute, r.account_id, *limits, func.sum(r.n).label("n"), allowed.label("allowed"))
        .select_from(levels.outerjoin(own, in_force))
        .group_by(*level, r.minute, r.account_id, *limits)
        .subquery("member_minutes")
    ).c
    level = (members.group_id, members.tier, members.level, members.level_rank)
    limits = [members[f"limit_{name}"] for name in LIMITS]
    below = func.count().filter(members.n <= members.limit_member_use_max * members.allowed)
    minutes = (
        select(
            *level, members.minute, *limits,
            func.sum(members.n).label("together"),
            func.count().label("accounts"),
            ratio(below, func.count()).label("below"),
        )
        .group_by(*level, members.minute, *limits)
        .subquery("group_minutes")
    ).c  # fmt: skip
    over = and_(
        minutes.together > minutes.limit_rate_factor_min * minutes.limit_requests_a_minute,
        minutes.below >= minutes.limit_members_share_min,
    )
    level = (minutes.group_id, minutes.tier, minutes.level, minutes.level_rank)
    return (
        select(
            *level,
            func.count().filter(over).label("minutes"),
            func.max(minutes.together).label("peak"),
            *(func.max(minutes[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(*level)
        .subquery("level_minutes")
    )


def _handovers(scope: Scope) -> Subquery:
    """For each group the refusals after which the group's next request is another account's, soon and successful."""

    def refused_enough(u: Any) -> ColumnElement[bool]:
        return func.sum(u.n_requests - u.n_ok) >= func.min(u.limit_handovers_min)

    r = group_levels(scope, _requests(scope, _members(scope, refused_enough), "refused")).c

    def next_one(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.lead(column).over(partition_by=r.group_id, order_by=(r.event_ts, r.event_id))

    after = (
        select(
            r.group_id, r.account_id, r.event_ts, r.status_code, r.limit_handover_seconds,
            next_one(r.account_id).label("next_account"),
            next_one(r.event_ts).label("next_ts"),
            next_one(r.status_code).label("next_status"),
        )
        .where(r.level == r.tier)
        .subquery("after")
    ).c  # fmt: skip
    soon = seconds_between(after.event_ts, after.next_ts) <= after.limit_handover_seconds
    handed = and_(after.next_account != after.account_id, after.next_status < 400, soon)
    refused, succeeded = after.status_code.in_(REFUSED), after.status_code < 400
    counts = (
        select(
            after.group_id,
            cast(func.count().filter(refused), Float(53)).label("refusals"),
            cast(func.count().filter(and_(refused, handed)), Float(53)).label("handovers"),
            ratio(func.count().filter(and_(succeeded, handed)), func.count().filter(succeeded)).label("usual"),
        )
        .group_by(after.group_id)
        .subquery("counts")
    ).c
    chance = counts.refusals * counts.usual
    z = (counts.handovers - chance) / func.sqrt(chance * (1 - counts.usual) + 1)
    return select(counts.group_id, counts.handovers, z.label("z")).subquery("handed")
