"""R11: use without night or pause, day after day: a machine that never waits for a person.

The rhythm is that of the whole period, the days in question are any seven of it: work that ran for three weeks of a
month is seen in a month as in each of its weeks.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, Select, Subquery, case, cast, func, literal, select

from audits.rollups.account_day import account_day
from audits.rollups.account_hour import account_hour
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.levels import counted, stretch, subject_levels
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import day_number, ratio

LIMITS = ("active_hours_min", "days_min", "night_day_ratio_min", "hourly_variation_max", "requests_min")
_COLUMNS = tuple(f"limit_{name}" for name in LIMITS)
_KEY = ("subject_type", "subject_id", "tier", "level", "level_rank", *_COLUMNS)
WEEK = (-6, 0)
HOURS_A_DAY = 24.0
BUCKETED = "only bucketed usage is recorded on some days"
EIGHT, SIXTEEN = 8, 16  # hours of a day in thirds


def violations(scope: Scope) -> Select[Any]:
    """Subjects active in all hours on enough of some seven days, as much in their quiet hours as in their busy ones.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level,
    then of its stretches, the one with most requests is shown.
    """
    hours = _hours(scope)
    full = _full_days(hours)
    shape = _shape(hours, full)
    f, s = full.c, shape.c
    most = func.row_number().over(
        partition_by=(s.subject_type, s.subject_id, s.tier),
        order_by=(s.level_rank.desc(), s.n.desc(), *(s[name] for name in _COLUMNS)),
    )
    found = (
        select(*s, f.full_days, f.in_seven_days, most.label("place"))
        .where(*(f[name] == s[name] for name in _KEY))
        .where(
            s.night_day >= s.limit_night_day_ratio_min,
            s.variation <= s.limit_hourly_variation_max,
            s.n >= s.limit_requests_min,
        )
        .subquery("found")
    ).c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        found.level.label("observed_level"),
        found.n.label("observed_requests"),
        found.full_days.label("observed_full_days"),
        found.in_seven_days.label("observed_full_days_in_seven"),
        found.night_day.label("observed_night_day_ratio"),
        found.variation.label("observed_hourly_variation"),
        *(found[name] for name in _COLUMNS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts busy enough to be in question, in a period with fewer days than must be full, or by buckets."""
    u, all_use = scope.usage(account_hour).c, subject_levels(scope, account_day).c
    reason = literal("the period has fewer days than the rule looks at").label("reason")
    short = (
        select(u.account_id, u.tier, reason)
        .where(u.limit_days_min > len(scope.period.days))
        .group_by(u.account_id, u.tier)
        .having(func.sum(u.n_requests) >= func.min(u.limit_requests_min))
    )
    key = stretch(all_use, LIMITS)
    most = all_use.n_requests + func.coalesce(all_use.shared_n_requests, 0)
    in_buckets = func.sum(most).filter(all_use.grain == "bucket").label("missing")
    busy = select(*key, func.sum(most).label("n"), in_buckets).group_by(*key).subquery("busy")
    return any_of(short, undecided(busy, lambda b, _more: b.n >= b.limit_requests_min, BUCKETED))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """All requests of the subject in the period under the limits that the finding names."""
    return scope.events_of(found.account_ids, counted(scope, found))


def _hours(scope: Scope) -> CTE:
    """Requests of accounts and of groups by UTC day and hour, with the limits in force."""
    u = subject_levels(scope, account_hour).c
    key = [u[name] for name in _KEY]
    return select(*key, u.day, u.hour, func.sum(u.n_requests).label("n")).group_by(*key, u.day, u.hour).cte("hours")


def _full_days(hours: CTE) -> CTE:
    """By subject and limits: days with requests in enough hours, in all and in the seven days with most of them.

    Only of those whose seven days have enough: the shape of the others' use need not be worked out.
    """
    h = hours.c
    key = [h[name] for name in _KEY]
    full = select(*key, h.day).group_by(*key, h.day).having(func.count() >= h.limit_active_hours_min).subquery("full").c
    of_subject = [full[name] for name in _KEY]
    in_seven = func.count().over(partition_by=of_subject, order_by=day_number(full.day), range_=WEEK)
    weeks = select(*full, in_seven.label("in_seven")).subquery("weeks").c
    own = [weeks[name] for name in _KEY]
    return (
        select(*own, func.count().label("full_days"), func.max(weeks.in_seven).label("in_seven_days"))
        .group_by(*own)
        .having(func.max(weeks.in_seven) >= weeks.limit_days_min)
        .cte("full_days")
    )


def _shape(hours: CTE, full: CTE) -> Subquery:
    """By subject and limits: requests, the quietest eight hours of the day against the busiest, and the variation.

    Only of those that have full days. Which hours are night differs by time zone; a subject's own quietest eight no
    time zone can hide. Hours without any request count as such.
    """
    h = hours.c
    key = [h[name] for name in _KEY]
    profile = (
        select(*key, h.hour, cast(func.sum(h.n), Float(53)).label("n"))
        .where(*(full.c[name] == h[name] for name in _KEY))
        .group_by(*key, h.hour)
        .subquery("profile")
    ).c
    of_subject = [profile[name] for name in _KEY]
    busiest = func.row_number().over(partition_by=of_subject, order_by=(profile.n.desc(), profile.hour))
    placed = select(*profile, busiest.label("place")).subquery("placed").c
    own = [placed[name] for name in _KEY]
    n: ColumnElement[Any] = func.sum(placed.n)
    quiet = func.sum(case((placed.place > SIXTEEN, placed.n), else_=0.0))
    busy = func.sum(case((placed.place <= EIGHT, placed.n), else_=0.0))
    squares = HOURS_A_DAY * func.sum(placed.n * placed.n) / (n * n)
    return (
        select(
            *own, n.label("n"), ratio(quiet, busy).label("night_day"),
            func.sqrt(func.greatest(squares - 1.0, 0.0)).label("variation"),
        )
        .group_by(*own)
        .subquery("shape")
    )  # fmt: skip
