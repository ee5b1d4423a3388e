"""R04: a linked group that takes out together what hardly any of its accounts takes out alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, or_, select

from audits.rules.engine.base import Found
from audits.rules.engine.first_use import is_first_use
from audits.rules.engine.levels import group_levels, of_level
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import by_each_day, counted, other_bound
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("requests_a_day", "accounts_min", "members_under_share")


def violations(scope: Scope) -> Select[Any]:
    """Groups with a day over the limit on which most of the active members stay under the limit for one account.

    Of several levels (see :mod:`audits.rules.engine.levels`) the highest is reported, which covers the most accounts,
    with its busiest day over and the limits of that day.
    """
    member_days = _member_days(scope)
    d, active = _days(member_days).c, _active(member_days).c
    over = and_(
        d.together > d.limit_requests_a_day,
        active.accounts >= d.limit_accounts_min,
        d.share_under >= d.limit_members_under_share,
    )
    days = (
        select(*d, active.accounts)
        .where(active.group_id == d.group_id, active.level == d.level, over)
        .subquery("days_over")
    )
    w = worst(days, ("group_id", "level"), (days.c.together.desc(), days.c.day))
    all_days = (
        select(days.c.group_id, days.c.level, func.count().label("days"), listed(days.c.day).label("on_days"))
        .group_by(days.c.group_id, days.c.level)
        .subquery("all_days")
    ).c
    place = func.row_number().over(partition_by=w.group_id, order_by=w.level_rank.desc())
    found = (
        select(*w, all_days.days, all_days.on_days, place.label("place"))
        .where(all_days.group_id == w.group_id, all_days.level == w.level)
        .subquery("found")
    ).c
    return select(
        found.group_id.label("subject_id"),
        found.tier,
        found.accounts.label("observed_accounts"),
        found.level.label("observed_level"),
        found.together.label("observed_peak_requests_a_day"),
        found.largest.label("observed_peak_requests_of_one_account"),
        found.days.label("observed_days_over"),
        found.on_days.label("observed_on_days"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The members' successful requests on the days over, and their buckets.

    Of each account that was used in the period its first request is there, too: it counts among the accounts.
    """

    def counts(request: Any) -> ColumnElement[bool]:
        return and_(request.status_code < 400, of_level(scope, found, request.event_ts, request.account_id))

    used = or_(on_listed_days(found), is_first_use(scope, counts))
    return scope.usage_of(found.account_ids, counts(usage_events.c), used)


def _member_days(scope: Scope) -> Subquery:
    """Successful requests of each member on a day, and what one account may use by itself (R01).

    ``own`` are those that are held against the latter: the more it used, the less it is one that stays under it.
    """
    u, single = group_levels(scope, by_each_day(scope)), scope.limit_of("R01", "requests_a_day")
    in_force = and_(single.c.tier == u.c.member_tier, u.c.day >= single.c.from_day, u.c.day < single.c.to_day)
    limits = [u.c[f"limit_{name}"] for name in LIMITS]
    day = (u.c.group_id, u.c.tier, u.c.level, u.c.level_rank, u.c.day, u.c.account_id)
    n, own = func.sum(counted(scope, u.c)), func.coalesce(func.sum(other_bound(scope, u.c)), 0)
    return (
        select(*day, *limits, n.label("n"), own.label("own"), func.max(single.c.value).label("single"))
        .select_from(u.outerjoin(single, in_force))
        .group_by(*day, *limits)
        .having(n > 0)
        .subquery("member_days")
    )


def _days(member_days: Subquery) -> Subquery:
    """Each day of a group and level: requests together, of the largest member, and the share of members under R01."""
    m = member_days.c
    under = or_(m.own <= m.single, m.single.is_(None))  # as R01 counts: the limit itself is allowed, no limit is none
    limits = [m[f"limit_{name}"] for name in LIMITS]
    return (
        select(
            m.group_id, m.tier, m.level, m.level_rank, m.day, *limits,
            func.sum(m.n).label("together"),
            func.max(m.n).label("largest"),
            ratio(func.count().filter(under), func.count()).label("share_under"),
        )
        .group_by(m.group_id, m.tier, m.level, m.level_rank, m.day, *limits)
        .subquery("group_days")
    )  # fmt: skip


def _active(member_days: Subquery) -> Subquery:
    """How many accounts of a group and level were used at all: a pool may take its members in turn."""
    m = member_days.c
    return (
        select(m.group_id, m.level, func.count(m.account_id.distinct()).label("accounts"))
        .group_by(m.group_id, m.level)
        .subquery("active")
    )
