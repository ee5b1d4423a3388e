"""R10: load spread over linked accounts so that none of them meets its limit, or handed on the moment one does.

Minutes and refusals are read from single requests, of groups only whose days could hold enough of them; each is held
against the limits of its own day. In a busy group somebody always comes next: that does not change what is found, but
only hand-overs that chance does not explain show one operator, beside whom no explanation of the link lowers anything.
With h of r refusals handed over and the share p of successes followed by another account, in each hour of the day, that
is the case from z = sum (h - r p) / sqrt(sum r p (1 - p) + 1) = 4 on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.periods import utc_midnight
from audits.rollups.account_day import account_day
from audits.rules.engine.base import Found
from audits.rules.engine.levels import group_levels, of_level
from audits.rules.engine.population import audited_accounts, audited_groups
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import ratio, seconds_between, utc_day, utc_hour
from audits.warehouse.tables import Instant, usage_events
from audits.warehouse.validity import holds

FAST = ("requests_a_minute", "rate_factor_min", "minutes_min", "members_share_min", "member_use_max")
HANDED = ("handover_seconds", "handovers_min")
FIGURES = ("minutes_over", "peak_requests_a_minute", "handovers")
MINUTE = 60.0
EPOCH = cast(literal(utc_midnight(date.fromisoformat("1970-01-01"))), Instant)
REFUSED = (403, 429)
BEYOND_CHANCE = 4.0  # standard deviations: of 30,000 groups one hands over so much more often by chance


def violations(scope: Scope) -> Select[Any]:
    """Groups with enough minutes over the limit while nearly all members stay below theirs, or enough hand-overs.

    A finding tells of both or of the one that is over its limits, at the highest of the group's levels (see
    :mod:`audits.rules.engine.levels`) that is over any. Where a limit on their number changes inside the period, one
    that was in force for any of them suffices.
    """
    m, h = _fast(scope), _handed(scope).c
    fast = _limb(m, FAST, literal(0), minutes_over=m.minutes, peak_requests_a_minute=m.together)
    handed = _limb(h, HANDED, case((h.beyond_chance, 1), else_=0), handovers=h.handovers)
    both = union_all(fast, handed).subquery("both").c
    subject = (both.group_id, both.tier, both.level, both.level_rank)
    figures = [column for column in both if column.name.startswith(("observed", "limit"))]
    levels = (
        select(
            *subject, func.max(both.operated).label("operated"), *(func.max(c).label(c.name) for c in figures),
        )
        .group_by(*subject)
        .subquery("levels")
    ).c  # fmt: skip
    found = select(
        *levels,
        func.max(levels.operated).over(partition_by=levels.group_id).label("one_operator"),
        func.row_number().over(partition_by=levels.group_id, order_by=levels.level_rank.desc()).label("place"),
    ).subquery("found").c  # fmt: skip
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        (found.one_operator == 1).label("one_operator"),
        found.level.label("observed_level"),
        *(found[column.name] for column in figures),
    ).where(found.place == 1)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The requests of the minutes over, and each refusal that was handed over with the request that followed it.

    ``minute_over`` and ``handover`` (``refused``, ``continued``) say what a request is evidence of.
    """
    e, rows = usage_events.c, _at_level(scope, found)
    proves: list[ColumnElement[bool]] = []
    over: ColumnElement[bool] = literal(False)
    handover: ColumnElement[Any] = cast(null(), String)
    if found.observed["minutes_over"] is not None:
        minutes = _minutes_over(scope, _by_member(rows)).c
        over = _minute(e.event_ts).in_(select(minutes.minute))
        proves.append(over)
    if found.observed["handovers"] is not None:
        a = _after(rows).c
        refused = e.event_id.in_(select(a.event_id).where(a.handed, _is_refusal(a.status_code)))
        continued = e.event_id.in_(select(a.next_event).where(a.handed, _is_refusal(a.status_code)))
        handover = case((refused, "refused"), (continued, "continued"))
        proves += [refused, continued]
    return scope.events_of(found.account_ids, of_level(scope, found), or_(*proves)).add_columns(
        over.label("minute_over"), handover.label("handover")
    )


def _limb(rows: Any, own: Iterable[str], operated: ColumnElement[Any], **figures: ColumnElement[Any]) -> Select[Any]:
    """One part of the finding in the columns of both; what belongs to the other is empty."""
    nothing = cast(null(), Float(53))
    observed = (cast(figures.get(name, nothing), Float(53)).label(f"observed_{name}") for name in FIGURES)
    limits = ((rows[f"limit_{name}"] if name in own else nothing).label(f"limit_{name}") for name in (*FAST, *HANDED))
    subject = (rows.group_id, rows.tier, rows.level, rows.level_rank)
    return select(*subject, operated.label("operated"), *observed, *limits)


def _requests(scope: Scope, among: Select[Any] | Iterable[str], name: str) -> CTE:
    """The period's single requests of some accounts, each once; nothing else is read of them."""
    e, held = usage_events.c, among if isinstance(among, Select) else sorted(among)
    return (
        select(
            e.event_id, e.account_id, e.event_ts, e.event_ts.label("slice_start"), utc_day(e.event_ts).label("day"),
            e.status_code,
        )
        .where(scope.in_period(e.event_ts), scope.countable(usage_events), e.account_id.in_(held))
        .distinct()
        .cte(f"requests_{name}")
    )  # fmt: skip


def _at_level(scope: Scope, found: Found) -> Subquery:
    """The requests that a finding speaks of, with the columns of :func:`group_levels`, from contract tables alone."""
    requests, t, limits = (
        _requests(scope, found.account_ids, "at_level"),
        scope.tiers(found.account_ids),
        scope.limit_rows(),
    )
    r, level = requests.c, str(found.observed["level"])
    held = and_(t.c.account_id == r.account_id, holds(t.c, r.event_ts))
    in_force = and_(limits.c.tier == level, r.day >= limits.c.from_day, r.day < limits.c.to_day)
    return (
        select(
            *r, literal(found.subject_id).label("group_id"), literal(found.tier).label("tier"),
            literal(level).label("level"), literal(0).label("level_rank"), t.c.tier.label("member_tier"),
            *(c for c in limits.c if c.name.startswith("limit_")),
        )
        .select_from(requests.outerjoin(t, held).join(limits, in_force))
        .where(of_level(scope, found, r.event_ts, r.account_id))
        .subquery("at_level")
    )  # fmt: skip


def _minute(at: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.floor(seconds_between(EPOCH, at) / MINUTE), Float(53))


def _members(scope: Scope, enough: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
    """Accounts of the groups whose days could hold enough of what is looked for; it only saves reading."""
    u = group_levels(scope, account_day).c
    groups = select(u.group_id).group_by(u.group_id, u.level).having(enough(u))
    return select(audited_groups.c.account_id).where(audited_groups.c.group_id.in_(groups))


def _fast(scope: Scope) -> Any:
    """For each level with enough minutes over: their number, and the busiest with the limits of its day."""

    def busy(u: Any) -> ColumnElement[bool]:
        most = func.min(u.limit_rate_factor_min * u.limit_requests_a_minute)
        enough: ColumnElement[bool] = func.sum(u.n_requests) > func.min(u.limit_minutes_min) * most
        return enough  # adequacy: equivalent, a minute over has more

    requests = _requests(scope, _members(scope, busy), "busy")
    r, a, g = requests.c, audited_accounts.c, audited_groups.c
    minute = _minute(r.event_ts)
    # A minute below every tier's limit is over none of them.
    telling = (
        select(g.group_id, minute.label("minute"))
        .select_from(requests.join(audited_groups, g.account_id == r.account_id))
        .group_by(g.group_id, minute)
        .having(func.count() > _least_rate(scope))  # adequacy: equivalent, it only saves work
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
    over = _minutes_over(scope, group_levels(scope, cells))
    whose = (over.c.group_id, over.c.level)
    number, least = func.count().over(partition_by=whose), func.min(over.c.limit_minutes_min).over(partition_by=whose)
    columns = (c for c in over.c if c.name != "limit_minutes_min")
    counted = select(*columns, number.label("minutes"), least.label("limit_minutes_min")).subquery("counted")
    order = (counted.c.together.desc(), counted.c.minute)
    return worst(counted, ("group_id", "level"), order, counted.c.minutes >= counted.c.limit_minutes_min)


def _least_rate(scope: Scope) -> float:
    """The least that a group may do in a minute under any of the limits in force."""
    pairs = ((row.values["rate_factor_min"], row.values["requests_a_minute"]) for row in scope.limits)
    return min((float(factor) * float(rate) for factor, rate in pairs), default=0.0)  # type: ignore[arg-type]


def _by_member(requests: Subquery) -> Subquery:
    """How many requests each account made in each minute of them, by its tier."""
    r, minute = requests.c, _minute(requests.c.event_ts).label("minute")
    key = (
        r.group_id, r.tier, r.level, r.level_rank, r.account_id, r.member_tier, r.day, minute,
        *(r[f"limit_{name}"] for name in FAST),
    )  # fmt: skip
    return select(*key, func.count().label("n")).group_by(*key).subquery("by_member")


def _minutes_over(scope: Scope, cells: Subquery) -> Subquery:
    """The minutes of groups and levels over the limit of the day with nearly all active members below theirs."""
    own, r = scope.limit_rows(), cells.c
    limits = [r[f"limit_{name}"] for name in FAST]
    in_force = and_(own.c.tier == r.member_tier, r.day >= own.c.from_day, r.day < own.c.to_day)
    # A tier change inside the minute gives two limits: staying below the higher one is staying below.
    allowed = func.max(func.coalesce(own.c.limit_requests_a_minute, r.limit_requests_a_minute))
    key = (r.group_id, r.tier, r.level, r.level_rank, r.minute, *limits)
    m = (
        select(*key, r.account_id, func.sum(r.n).label("n"), allowed.label("allowed"))
        .select_from(cells.outerjoin(own, in_force))
        .group_by(*key, r.account_id)
        .subquery("member_minutes")
    ).c
    below = func.count().filter(m.n <= m.limit_member_use_max * m.allowed)
    key = (m.group_id, m.tier, m.level, m.level_rank, m.minute, *(m[f"limit_{name}"] for name in FAST))
    g = (
        select(*key, func.sum(m.n).label("together"), ratio(below, func.count()).label("below"))
        .group_by(*key)
        .subquery("group_minutes")
    ).c
    over = g.together > g.limit_rate_factor_min * g.limit_requests_a_minute
    return select(*g).where(over, g.below >= g.limit_members_share_min).subquery("minutes_over")


def _handed(scope: Scope) -> Subquery:
    """For each level with enough hand-overs: their number, and whether chance explains it.

    The limits are those of the days of these refusals: the least number of any, and the longest time that all kept. By
    chance a refusal is followed by another account as often as any successful request of the same hour of the day is:
    what is usual at noon explains nothing at night.
    """

    def refused_enough(u: Any) -> ColumnElement[bool]:
        return func.sum(u.n_requests - u.n_ok) >= func.min(u.limit_handovers_min)

    requests = _requests(scope, _members(scope, refused_enough), "refused")
    a = _after(group_levels(scope, requests)).c
    refused, succeeded = _is_refusal(a.status_code), a.status_code < 400
    counted = and_(refused, a.handed)
    subject = (a.group_id, a.tier, a.level, a.level_rank)
    hour = utc_hour(a.event_ts)
    o = (
        select(
            *subject,
            cast(func.count().filter(refused), Float(53)).label("refusals"),
            cast(func.count().filter(counted), Float(53)).label("handovers"),
            func.coalesce(
                ratio(func.count().filter(and_(succeeded, a.handed)), func.count().filter(succeeded)), 0.0
            ).label("usual"),
            func.max(a.limit_handover_seconds).filter(counted).label("limit_handover_seconds"),
            func.min(a.limit_handovers_min).filter(counted).label("limit_handovers_min"),
        )
        .group_by(*subject, hour)
        .subquery("of_hours")
    ).c  # fmt: skip
    of_level = (o.group_id, o.tier, o.level, o.level_rank)
    c = (
        select(
            *of_level,
            func.sum(o.handovers).label("handovers"),
            func.sum(o.refusals * o.usual).label("chance"),
            func.sum(o.refusals * o.usual * (1 - o.usual)).label("variance"),
            func.max(o.limit_handover_seconds).label("limit_handover_seconds"),
            func.min(o.limit_handovers_min).label("limit_handovers_min"),
        )
        .group_by(*of_level)
        .subquery("counts")
    ).c
    z = (c.handovers - c.chance) / func.sqrt(c.variance + 1)
    enough = c.handovers >= c.limit_handovers_min
    return select(*c, (z >= BEYOND_CHANCE).label("beyond_chance")).where(enough).subquery("handed")


def _after(requests: Subquery) -> Subquery:
    """Each request of a level with its next one; ``handed``: that is another account's, soon and successful.

    What failed for another reason than a limit is not the next one: a client that cannot work takes over nothing, and
    hides nothing.
    """
    r = requests.c

    def next_one(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.lead(column).over(partition_by=(r.group_id, r.level), order_by=(r.event_ts, r.event_id))

    n = select(
        *r, next_one(r.event_id).label("next_event"), next_one(r.account_id).label("next_account"),
        next_one(r.event_ts).label("next_ts"), next_one(r.status_code).label("next_status"),
    ).where(or_(r.status_code < 400, _is_refusal(r.status_code))).subquery("next_ones").c  # fmt: skip
    soon = seconds_between(n.event_ts, n.next_ts) <= n.limit_handover_seconds
    handed = and_(n.next_account != n.account_id, n.next_status < 400, soon)
    return select(*n, func.coalesce(handed, false()).label("handed")).subquery("after")


def _is_refusal(status: ColumnElement[int]) -> ColumnElement[bool]:
    return status.in_(REFUSED)
