"""R12: linked accounts that rise and fall together, hour by hour, beyond what their tier does anyway.

Accounts of a campaign make a dozen requests a day; the correlation of two such counts is small however closely both
follow one dispatcher, because chance alone moves them more. So what is estimated is the correlation of the *rates*
behind the counts, free of that chance (on attenuation: C. Spearman, Am. J. Psychol. 15, 1904). With x an account's
requests in an hour, l their mean with the hours beside it, y = x - l, d its requests in a day, summed over hours or
days and, for i != j, over pairs of accounts:

    together c = sum y_i y_j / sum d_i d_j,  alone v = sum (y_i^2 - 2/3 x_i) / sum (d_i^2 - d_i),  correlation c / v

2/3 x and d are what counts add that come by chance (Poisson). A dispatcher's waves give 1, people with habits of their
own far less; requests that one account sends in bursts lower it: the rule would rather miss than accuse. An hour is
compared with those beside it, so that office hours, time zones and growth, which change slowly, move nobody. The tier's
own movement in an hour (an outage, a release), as its other active accounts show it, is taken out of each account's by
linear regression: as much of it as the account took part in, so that the chance in a small tier's counts moves nobody.

Two figures of the estimate are not limits of the catalogue. Fewer requests than ``requests_min`` do not give a rate:
such a member is not compared, and where members like it could make up what is missing to a finding, nobody in the group
is cleared. And a member follows the others where it agrees with them beyond chance, by ``member_z_min`` standard
deviations if it were the only one. Among n that are compared luck has n chances, so that z^2 >= member_z_min^2 + 2 ln n
is asked for (Bonferroni's correction on the normal distribution's tail): of a thousand independent accounts, too, none
follows. Without it a handful would, and their rates, which hardly move, would seem to move as one.
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
    or_,
    select,
    union_all,
)

from audits.rollups.account_hour import account_hour
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import undecided
from audits.rules.engine.levels import group_levels, of_level, strictest_limits
from audits.rules.engine.listed import listed, listed_accounts
from audits.rules.engine.population import audited_accounts, held
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import day_number
from audits.warehouse.tables import usage_events

LIMITS = ("accounts_min", "correlation_min", "hours_min", "requests_min", "member_z_min")
LEVEL = ("group_id", "tier", "level", "level_rank")
BY_CHANCE = 2 / 3  # (2/3)^2 + (1/3)^2 + (1/3)^2: each request is in the y of three hours
ROUNDING = 1e-9  # what is left of nothing; one request of a billion moves y by more


def violations(scope: Scope) -> Select[Any]:
    """Groups in which enough accounts follow the others closely and clearly, at the highest such level."""
    movements, limits = _movements(scope, _active(scope)), strictest_limits(scope).c
    f, m = _following(scope, movements).c, movements.c
    counts = (
        select(
            f.group_id, f.level, func.count().label("compared"), func.count().filter(f.follows).label("following"),
            listed(f.account_id).filter(~f.follows).label("not_following"),
        )
        .group_by(f.group_id, f.level)
        .subquery("counts")
    ).c  # fmt: skip
    moving = select(*m).where(_same(m, f), f.follows).cte("moving")
    groups, days = _hourly(moving), _daily(moving)
    # Of each account's y^2 and d^2 the part by chance is its requests times the weight squared, which is 1.
    together = groups.pairs / func.nullif(days.pairs, 0.0)
    alone = (groups.yy - BY_CHANCE * counts.following) / func.nullif(days.dd - counts.following, 0.0)
    # Counts dealt out in turn vary less than by chance, and few counts leave room for error: no correlation is above 1.
    correlation = together / func.nullif(func.greatest(alone, together), 0.0)
    highest = func.row_number().over(partition_by=groups.group_id, order_by=groups.level_rank.desc())
    found = (
        select(
            *groups, counts.compared, counts.following, counts.not_following, correlation.label("correlation"),
            *(limits[f"limit_{name}"] for name in LIMITS), highest.label("place"),
        )
        .where(
            and_(counts.group_id == groups.group_id, counts.level == groups.level),
            and_(days.group_id == groups.group_id, days.level == groups.level),
            limits.tier == groups.level,
            counts.following >= limits.limit_accounts_min,
            groups.hours >= limits.limit_hours_min,
            correlation >= limits.limit_correlation_min,
        )
        .subquery("found")
    ).c  # fmt: skip
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        found.level.label("observed_level"),
        found.following.label("observed_accounts"),
        found.compared.label("observed_compared"),
        found.not_following.label("observed_not_following"),
        found.correlation.label("observed_correlation"),
        found.hours.label("observed_hours"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Groups that would be found if the members with too few requests followed those that follow each other.

    They may be enough accounts, then, in enough hours; what their correlation is nobody can tell.
    """
    active, strictest = _active(scope), strictest_limits(scope)
    limits = strictest.c
    following = _following(scope, _movements(scope, active))
    a, f, few = active.c, following.c, active.c.requests < limits.limit_requests_min
    p = (
        select(
            literal("group").label("subject_type"), a.group_id.label("subject_id"), a.tier, a.level, a.slot,
            a.account_id, few.label("few"), limits.limit_accounts_min, limits.limit_hours_min,
        )
        .select_from(active.join(strictest, limits.tier == a.level).outerjoin(following, _same(a, f)))
        .where(or_(few, f.follows))
        .subquery("perhaps")
    ).c  # fmt: skip
    key = [p[name] for name in ("subject_type", "subject_id", "tier", "level", "limit_accounts_min", "limit_hours_min")]
    accounts = func.count(p.account_id.distinct())
    figures = (
        select(
            *key, accounts.filter(p.few).label("missing"), accounts.filter(~p.few).label("following"),
            func.count(p.slot.distinct()).label("hours"),
        )
        .group_by(*key)
        .subquery("figures")
    )  # fmt: skip

    def over(one: Any, more: Any) -> ColumnElement[bool]:
        return and_(one.following + more >= one.limit_accounts_min, one.hours >= one.limit_hours_min)

    return undecided(figures, over, "too few requests to compare hours")


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All requests of the period by the members that were compared, and whether the member ``follows`` the others."""
    e, all_requests = usage_events.c, usage_events.alias("all_requests")
    r = all_requests.c
    compared = (
        select(r.account_id)
        .where(r.account_id.in_(found.account_ids), scope.in_period(r.event_ts), scope.countable(all_requests))
        .where(of_level(scope, found, r.event_ts, r.account_id))
        .group_by(r.account_id)
        .having(func.count(r.event_id.distinct()) >= found.limits["requests_min"])
    )
    others = listed_accounts(found, "not_following")
    return scope.events_of(found.account_ids, e.account_id.in_(compared), of_level(scope, found)).add_columns(
        e.account_id.not_in(others).label("follows")
    )


def _same(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two rows are of one account in one level."""
    return and_(one.group_id == other.group_id, one.level == other.level, one.account_id == other.account_id)


def _following(scope: Scope, movements: CTE) -> CTE:
    """Whether each compared account ``follows``: it agrees with the others of its group beyond chance."""
    m, limits = movements.c, strictest_limits(scope).c
    others = m.y * (func.sum(m.y).over(partition_by=(m.group_id, m.level, m.slot)) - m.y)
    p = select(m.group_id, m.level, m.account_id, others.label("product")).subquery("products").c
    key = (p.group_id, p.level, p.account_id)
    z = func.sum(p.product) / func.sqrt(func.nullif(func.sum(p.product * p.product), 0.0))
    chances = cast(func.count().over(partition_by=(p.group_id, p.level)), Float(53))
    members = (
        select(*key, func.coalesce(z, 0.0).label("z"), chances.label("chances")).group_by(*key).subquery("members")
    )
    a, least = members.c, limits.limit_member_z_min
    follows = a.z >= func.sqrt(least * least + 2.0 * func.ln(a.chances))
    return (
        select(a.group_id, a.level, a.account_id, follows.label("follows"))
        .where(limits.tier == a.level)
        .cte("following")
    )


def _hourly(moving: CTE) -> Any:
    """Of each level's followers: products of y over pairs; y squared; hours with any request."""
    m = moving.c
    key = [m[name] for name in LEVEL]
    slots = (
        select(*key, m.slot, func.sum(m.y).label("y"), func.sum(m.y * m.y).label("yy"), func.sum(m.x).label("x"))
        .group_by(*key, m.slot)
        .subquery("slots")
    ).c
    of_level = [slots[name] for name in LEVEL]
    return (
        select(
            *of_level, func.sum(slots.y * slots.y - slots.yy).label("pairs"), func.sum(slots.yy).label("yy"),
            func.count().filter(slots.x > 0).label("hours"),
        )
        .group_by(*of_level)
        .subquery("hourly")
    ).c  # fmt: skip


def _daily(moving: CTE) -> Any:
    """Of each level's followers: products of a day's requests over pairs, and the squares."""
    m = moving.c
    a = (
        select(m.group_id, m.level, m.account_id, m.day, func.sum(m.weight * m.x).label("d"))
        .group_by(m.group_id, m.level, m.account_id, m.day)
        .subquery("account_days")
    ).c
    days = (
        select(a.group_id, a.level, func.sum(a.d).label("d"), func.sum(a.d * a.d).label("dd"))
        .group_by(a.group_id, a.level, a.day)
        .subquery("days")
    ).c
    return (
        select(
            days.group_id, days.level, func.sum(days.d * days.d - days.dd).label("pairs"), func.sum(days.dd).label("dd")
        )
        .group_by(days.group_id, days.level)
        .subquery("daily")
    ).c


def _movements(scope: Scope, active: CTE) -> CTE:
    """y of each member with enough requests in the hours around those in which it was active.

    It is divided by the root of the member's requests, so that one large member does not decide for all.
    """
    hours = _hours(scope, active)
    h, t, o = hours.c, _tiers(scope).c, _own(hours).c
    others, around = 3.0 * (t.active - o.active), t.around - o.around
    of_tier = case((around > 0, (others - around) / func.nullif(around, 0.0)), else_=0.0)
    weight = 1.0 / func.sqrt(h.requests)
    key = (h.group_id, h.tier, h.level, h.level_rank, h.account_id, h.slot, h.requests)
    level = h.around / 3.0
    u = (
        select(
            *key, func.sum(h.x).label("x"), func.sum(weight * (h.x - level)).label("y"),
            func.sum(weight * level * of_tier).label("of_tier"), weight.label("weight"),
        )
        .where(t.tier == h.member_tier, t.slot == h.slot)
        .where(o.group_id == h.group_id, o.level == h.level, o.member_tier == h.member_tier, o.slot == h.slot)
        .group_by(*key)
        .subquery("unadjusted")
    ).c  # fmt: skip
    whose = (u.group_id, u.level, u.account_id)
    both, square = (func.sum(u.of_tier * one).over(partition_by=whose) for one in (u.y, u.of_tier))
    part = func.coalesce(both / func.nullif(square, 0.0), 0.0)
    y = u.y - part * u.of_tier
    return select(
        *(u[name] for name in LEVEL), u.account_id, u.slot, u.x, u.weight, func.floor(u.slot / 24.0).label("day"),
        case((func.abs(y) > ROUNDING, y), else_=0.0).label("y"),
    ).cte("movements")  # fmt: skip


def _active(scope: Scope) -> CTE:
    """Each member's requests (n) in the hours in which it was active, at each level, and all of its ``requests``."""
    rows = group_levels(scope, account_hour)
    u = select(rows, _slot(rows.c).label("slot")).subquery("slots_of_members").c
    key = [*(u[name] for name in LEVEL), u.member_tier, u.account_id, u.slot]
    active = select(*key, cast(func.sum(u.n_requests), Float(53)).label("n")).group_by(*key).subquery("active_hours")
    a = active.c
    whole = func.sum(a.n).over(partition_by=(a.group_id, a.level, a.account_id))
    return select(active, whole.label("requests")).cte("active")


def _hours(scope: Scope, active: CTE) -> CTE:
    """Each compared member's requests in an hour (x), and in this one and those beside it (``around``)."""
    a, limits = active.c, strictest_limits(scope).c
    enough = select(*a).where(limits.tier == a.level, a.requests >= limits.limit_requests_min).subquery("compared")
    s = _with_neighbours(enough, enough.c.n).c
    hour = (*(s[name] for name in LEVEL), s.member_tier, s.account_id, s.slot, s.requests)
    return (
        select(*hour, func.sum(s.here).label("x"), func.sum(s.around).label("around"))
        .where(_in_period(scope, s.slot))
        .group_by(*hour)
        .cte("hours")
    )


def _tiers(scope: Scope) -> Subquery:
    """Active accounts of each tier in an hour, and their sum with the hours beside it."""
    h, a = account_hour.c, audited_accounts.c
    rows = (
        select(a.tier, _slot(h).label("slot"), h.account_id)
        .where(held(account_hour), h.day.between(scope.period.first_day, scope.period.last_day))
        .where(scope.readable(account_hour))
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
        select(h.group_id, h.level, h.member_tier, h.slot, func.sum(here).label("n"))
        .group_by(h.group_id, h.level, h.member_tier, h.slot)
        .subquery("own")
    )
    s = _with_neighbours(own, own.c.n).c
    key = (s.group_id, s.level, s.member_tier, s.slot)
    return (
        select(*key, func.sum(s.here).label("active"), func.sum(s.around).label("around"))
        .group_by(*key)
        .subquery("of_group")
    )


def _with_neighbours(rows: Subquery, n: ColumnElement[Any]) -> Subquery:
    """Each hour's n as ``here`` in its own hour, and as ``around`` in that and both neighbours."""
    rest = [c for c in rows.c if c.name != "slot"]
    spread = [
        select(
            *rest, (rows.c.slot + step).label("slot"), (n if step == 0 else literal(0.0)).label("here"),
            n.label("around"),
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
