"""R12: linked accounts that rise and fall together, hour by hour, beyond what their tier does anyway.

For each member the partial correlation of its hourly requests with those of the other members, given the hourly
requests of the whole tier: r(x,g|t) = (r(x,g) - r(x,t) r(g,t)) / sqrt((1 - r(x,t)^2)(1 - r(g,t)^2)). It is made of sums
over active hours only, so that an hour without use costs nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, and_, cast, func, select, true

from audits.rollups.account_hour import account_hour
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import usage_events

LIMITS = ("accounts_min", "correlation_min", "hours_min")


def violations(scope: Scope) -> Select[Any]:
    """Groups active in enough hours, in which enough members follow the others."""
    h = account_hour.c
    in_period = h.day.between(scope.period.first_day, scope.period.last_day)
    tier = (
        select(h.day, h.hour, cast(func.sum(h.n_requests), Float(53)).label("t"))
        .where(in_period)
        .group_by(h.day, h.hour)
        .subquery("everyone")
    ).c
    u = scope.group_usage(account_hour).c
    member = (
        select(
            u.group_id, u.tier, u.account_id, u.day, u.hour, cast(func.sum(u.n_requests), Float(53)).label("x"),
            *(func.max(u[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(u.group_id, u.tier, u.account_id, u.day, u.hour)
        .subquery("member_hours")
    ).c  # fmt: skip
    group = (
        select(member.group_id, member.day, member.hour, func.sum(member.x).label("g"))
        .group_by(member.group_id, member.day, member.hour)
        .subquery("group_hours")
    ).c
    wholes = (
        select(
            group.group_id, func.count().label("hours"), func.sum(group.g).label("g"),
            func.sum(group.g * group.g).label("gg"), func.sum(group.g * tier.t).label("gt"),
        )
        .where(tier.day == group.day, tier.hour == group.hour)
        .group_by(group.group_id)
        .subquery("group_sums")
    )  # fmt: skip
    whole = wholes.c
    all_hours = float(24 * len(scope.period.days))
    bases = select(func.sum(tier.t).label("t"), func.sum(tier.t * tier.t).label("tt")).subquery("tier_sums")
    base = bases.c
    sums = (
        select(
            member.group_id, member.tier, member.account_id,
            func.sum(member.x).label("x"), func.sum(member.x * member.x).label("xx"),
            func.sum(member.x * group.g).label("xg"), func.sum(member.x * tier.t).label("xt"),
            *(func.max(member[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(and_(group.group_id == member.group_id, group.day == member.day, group.hour == member.hour))
        .where(and_(tier.day == member.day, tier.hour == member.hour))
        .group_by(member.group_id, member.tier, member.account_id)
        .subquery("member_sums")
    )  # fmt: skip
    s = sums.c

    def correlation(ab: Any, a: Any, b: Any, aa: Any, bb: Any) -> Any:
        spread = func.greatest((all_hours * aa - a * a) * (all_hours * bb - b * b), 1e-9)
        return (all_hours * ab - a * b) / func.sqrt(spread)

    # The others are the group without the member itself, or every member would follow itself.
    og, ogg = whole.g - s.x, whole.gg - 2 * s.xg + s.xx
    r = (
        select(
            s.group_id, s.tier, s.account_id, whole.hours,
            correlation(s.xg - s.xx, s.x, og, s.xx, ogg).label("xg"),
            correlation(s.xt, s.x, base.t, s.xx, base.tt).label("xt"),
            correlation(whole.gt - s.xt, og, base.t, ogg, base.tt).label("gt"),
            *(s[f"limit_{name}"] for name in LIMITS),
        )
        .select_from(sums.join(wholes, whole.group_id == s.group_id).join(bases, true()))
        .subquery("correlations")
    ).c  # fmt: skip
    partial = (r.xg - r.xt * r.gt) / func.sqrt(func.greatest((1 - r.xt * r.xt) * (1 - r.gt * r.gt), 1e-9))
    p = select(*r, partial.label("partial")).subquery("partials").c
    together = p.partial >= p.limit_correlation_min
    return (
        select(
            p.group_id.label("subject_id"),
            p.tier,
            func.count().filter(together).label("observed_accounts"),
            func.avg(p.partial).filter(together).label("observed_correlation"),
            func.max(p.hours).label("observed_hours"),
            *(func.max(p[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(p.group_id, p.tier)
        .having(
            func.count().filter(together) >= func.max(p.limit_accounts_min),
            func.max(p.hours) >= func.max(p.limit_hours_min),
        )
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All requests of the members in the period."""
    return scope.events_of(found.account_ids, usage_events.c.event_ts.is_not(None))
