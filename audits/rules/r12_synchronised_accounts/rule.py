"""R12: linked accounts that rise and fall together, hour by hour, beyond what their tier does anyway.

Accounts of a campaign make a dozen requests a day; the correlation of two such counts is small however closely both
follow one dispatcher, because chance alone moves them more. So what is estimated is the correlation of the *rates*
behind the counts, free of that chance (on attenuation: C. Spearman, Am. J. Psychol. 15, 1904). With x an account's
requests in an hour, l their mean with the hours beside it, y = x - l, d its requests in a day, summed over hours or
days and, for i != j, over pairs of accounts:

    together c = sum y_i y_j / sum d_i d_j,  alone v = sum (y_i^2 - 2/3 x_i) / sum (d_i^2 - d_i),  correlation c / v

2/3 x and d are what counts add that come by chance (Poisson). A dispatcher's waves give 1, people with habits of their
own far less; requests that one account sends in bursts lower it: the rule would rather miss than accuse. An hour is
compared with those beside it, so that office hours, time zones and growth, which change slowly, move nobody, and the
tier's own movement in an hour (an outage, a release) is taken out as its other active accounts show it.

A group is judged whole and not once a level: who does not follow the others is left out whatever its tier, and the
correlation is one of rates, which no large account can dilute.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Float,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)

from audits.rollups.account_hour import account_hour
from audits.rules.base import Found
from audits.rules.levels import group_levels
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.dialects import day_number, ratio

LIMITS = (
    "accounts_min", "correlation_min", "hours_min", "requests_min", "member_z_min", "members_share_min", "movement_min",
)  # fmt: skip
STEADY = 30.0  # accounts that do not move, put beside the tier's: a few accounts are no rhythm of a tier
BY_CHANCE = 2 / 3  # (2/3)^2 + (1/3)^2 + (1/3)^2: each request is in the y of three hours


def violations(scope: Scope) -> Select[Any]:
    """Groups in which enough accounts, and most of those compared, follow the others closely and clearly.

    What is compared spans the period: where a limit changes inside it, the strictest decides.
    """
    m = _movements(scope).c
    others = m.y * (func.sum(m.y).over(partition_by=(m.group_id, m.slot)) - m.y)
    p = select(*m, others.label("product")).subquery("products").c
    z = func.sum(p.product) / func.sqrt(func.nullif(func.sum(p.product * p.product), 0.0))
    members = (
        select(p.group_id, p.account_id, (func.coalesce(z, 0.0) >= func.max(p.limit_member_z_min)).label("follows"))
        .group_by(p.group_id, p.account_id)
        .cte("members")
    ).c
    counts = (
        select(
            members.group_id, func.count().label("compared"), func.count().filter(members.follows).label("following")
        )
        .group_by(members.group_id)
        .subquery("counts")
    ).c
    following = and_(members.group_id == m.group_id, members.account_id == m.account_id, members.follows)
    groups, days = _hourly(m, following), _daily(m, following)
    # Of each account's y^2 and d^2 the part by chance is its requests times the weight squared, which is 1.
    together = groups.pairs / func.nullif(days.pairs, 0.0)
    alone = (groups.yy - BY_CHANCE * counts.following) / func.nullif(days.dd - counts.following, 0.0)
    # Counts dealt out in turn vary less than by chance, and few counts leave room for error: no correlation is above 1.
    correlation = together / func.nullif(func.greatest(alone, together), 0.0)
    movement = func.sqrt(func.greatest(groups.pairs / func.nullif(groups.levels, 0.0), 0.0))
    return select(
        groups.group_id.label("subject_id"),
        groups.tier,
        counts.following.label("observed_accounts"),
        counts.compared.label("observed_compared"),
        correlation.label("observed_correlation"),
        movement.label("observed_movement"),
        groups.hours.label("observed_hours"),
        *(groups[f"limit_{name}"] for name in LIMITS),
    ).where(
        counts.group_id == groups.group_id,
        days.group_id == groups.group_id,
        counts.following >= groups.limit_accounts_min,
        ratio(counts.following, counts.compared) >= groups.limit_members_share_min,
        groups.hours >= groups.limit_hours_min,
        movement >= groups.limit_movement_min,  # adequacy: equivalent, no estimate meets a limit to the last bit
        correlation >= groups.limit_correlation_min,
    )


def _hourly(m: Any, following: ColumnElement[bool]) -> Any:
    """Of each group's followers: products of y over pairs, and of the levels; y squared; hours with any request."""
    slots = (
        select(
            m.group_id, m.tier, m.slot,
            func.sum(m.y).label("y"), func.sum(m.y * m.y).label("yy"),
            func.sum(m.level).label("level"), func.sum(m.level * m.level).label("ll"),
            func.sum(m.x).label("x"),
            *(func.max(m[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(following)
        .group_by(m.group_id, m.tier, m.slot)
        .subquery("slots")
    ).c  # fmt: skip
    return (
        select(
            slots.group_id, slots.tier,
            func.sum(slots.y * slots.y - slots.yy).label("pairs"), func.sum(slots.yy).label("yy"),
            func.sum(slots.level * slots.level - slots.ll).label("levels"),
            func.count().filter(slots.x > 0).label("hours"),
            *(func.max(slots[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(slots.group_id, slots.tier)
        .subquery("hourly")
    ).c  # fmt: skip


def _daily(m: Any, following: ColumnElement[bool]) -> Any:
    """Of each group's followers: products of a day's requests over pairs, and the squares."""
    accounts = (
        select(m.group_id, m.account_id, m.day, func.sum(m.weight * m.x).label("d"))
        .where(following)
        .group_by(m.group_id, m.account_id, m.day)
        .subquery("account_days")
    ).c
    days = (
        select(accounts.group_id, func.sum(accounts.d).label("d"), func.sum(accounts.d * accounts.d).label("dd"))
        .group_by(accounts.group_id, accounts.day)
        .subquery("days")
    ).c
    return (
        select(days.group_id, func.sum(days.d * days.d - days.dd).label("pairs"), func.sum(days.dd).label("dd"))
        .group_by(days.group_id)
        .subquery("daily")
    ).c


def unevaluable(scope: Scope) -> Select[Any]:
    """Members of groups with too few requests to compare their hours."""
    u = group_levels(scope, account_hour).c
    return (
        select(u.account_id, literal("too few requests to compare hours").label("reason"))
        .where(u.level == u.tier)
        .group_by(u.account_id)
        .having(func.sum(u.n_requests) < func.max(u.limit_requests_min))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All requests of the members in the period."""
    return scope.events_of(found.account_ids)


def _movements(scope: Scope) -> CTE:
    """y and l (``level``) of each member with enough requests in the hours around those in which it was active.

    Both are divided by the root of the member's requests, so that one large member does not decide for all.
    """
    hours = _hours(scope)
    h, t, o = hours.c, _tiers(scope).c, _own(hours).c
    expected = (t.active - o.active + STEADY) / (t.around - o.around + STEADY)
    weight = 1.0 / func.sqrt(h.requests)
    return (
        select(
            h.group_id, h.tier, h.account_id, h.slot, h.x,
            (weight * (h.x - h.around * expected)).label("y"),
            (weight * h.around).label("level"),
            weight.label("weight"),
            func.floor(h.slot / 24.0).label("day"),
            *(h[f"limit_{name}"] for name in LIMITS),
        )
        .where(t.tier == h.member_tier, t.slot == h.slot)
        .where(o.group_id == h.group_id, o.member_tier == h.member_tier, o.slot == h.slot)
        .cte("movements")
    )  # fmt: skip


def _hours(scope: Scope) -> CTE:
    """Each member's requests in an hour (x) and the mean with the hours beside it (``around``), where it is not 0."""
    rows = group_levels(scope, account_hour)
    u = select(rows, _slot(rows.c).label("slot")).where(rows.c.level == rows.c.tier).subquery("slots_of_members").c
    limits = [f"limit_{name}" for name in LIMITS]
    key = (u.group_id, u.tier, u.member_tier, u.account_id, u.slot)
    active = (
        select(
            *key, cast(func.sum(u.n_requests), Float(53)).label("n"),
            *(func.max(u[name]).label(name) for name in limits),
        )
        .group_by(*key)
        .subquery("active_hours")
    )  # fmt: skip
    a = active.c
    whole = func.sum(a.n).over(partition_by=(a.group_id, a.account_id))
    totals = select(active, whole.label("requests")).subquery("totals")
    s = _with_neighbours(totals, totals.c.n).c
    hour = (s.group_id, s.tier, s.member_tier, s.account_id, s.slot, s.requests)
    return (
        select(
            *hour, func.sum(s.here).label("x"), func.sum(s.around).label("around"),
            *(func.max(s[name]).label(name) for name in limits),
        )
        .where(s.requests >= s.limit_requests_min, _in_period(scope, s.slot))
        .group_by(*hour)
        .cte("hours")
    )  # fmt: skip


def _tiers(scope: Scope) -> Subquery:
    """Active accounts of each tier in an hour, and their mean with the hours beside it."""
    h, a = account_hour.c, audited_accounts.c
    held = and_(a.account_id == h.account_id, h.slice_start >= a.valid_from, h.slice_start < a.valid_to)
    rows = (
        select(a.tier, _slot(h).label("slot"), h.account_id)
        .where(held, h.day.between(scope.period.first_day, scope.period.last_day))
        .subquery("slots_of_tiers")
    ).c
    active = (
        select(rows.tier, rows.slot, cast(func.count(rows.account_id.distinct()), Float(53)).label("n"))
        .group_by(rows.tier, rows.slot)
        .subquery("active_of_tiers")
    )
    s = _with_neighbours(active, active.c.n).c
    return (
        select(s.tier, s.slot, func.sum(s.here).label("active"), func.sum(s.around).label("around"))
        .group_by(s.tier, s.slot)
        .subquery("tiers")
    )


def _own(hours: CTE) -> Subquery:
    """The same of a group's own compared members, which must not pass for their tier."""
    h = hours.c
    here = case((h.x > 0, 1.0), else_=0.0)
    own = (
        select(h.group_id, h.member_tier, h.slot, func.sum(here).label("n"))
        .group_by(h.group_id, h.member_tier, h.slot)
        .subquery("own")
    )
    s = _with_neighbours(own, own.c.n).c
    return (
        select(s.group_id, s.member_tier, s.slot, func.sum(s.here).label("active"), func.sum(s.around).label("around"))
        .group_by(s.group_id, s.member_tier, s.slot)
        .subquery("of_group")
    )


def _with_neighbours(rows: Subquery, n: ColumnElement[Any]) -> Subquery:
    """Each hour's n as ``here`` in its own hour and a third of it as ``around`` in that and both neighbours."""
    rest = [c for c in rows.c if c.name != "slot"]
    spread = [
        select(
            *rest, (rows.c.slot + step).label("slot"), (n if step == 0 else literal(0.0)).label("here"),
            (n / 3.0).label("around"),
        )
        for step in (-1, 0, 1)
    ]  # fmt: skip
    return union_all(*spread).subquery(f"around_{rows.name}")


def _slot(rows: Any) -> ColumnElement[Any]:
    """The hour as a number that goes on over midnight."""
    number: ColumnElement[Any] = cast(day_number(rows.day), BigInteger) * 24 + rows.hour
    return number


def _in_period(scope: Scope, slot: ColumnElement[Any]) -> ColumnElement[bool]:
    days = (literal(scope.period.first_day), literal(scope.period.last_day))
    first, last = (cast(day_number(day), BigInteger) * 24 for day in days)
    return and_(slot >= first, slot <= last + 23)
