"""R02: use far above the account's or group's own level of the four weeks before.

Robust z of ln(1+n) against median and MAD (scaled by 1.4826 to a normal's standard deviation, with a floor), because
daily volumes are heavy-tailed and a mean would follow the very burst that is looked for.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Numeric,
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

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.levels import level_members, of_level, subject_levels
from audits.rules.scope import Scope
from audits.warehouse.dialects import median
from audits.warehouse.tables import usage_events

LIMITS = ("z_min", "factor_min", "requests_min", "days_min")
ONE_PAST = -1  # of an account; a group has one for each level's rank
MAD_TO_SIGMA = 1.4826  # of the normal distribution: 1 / its third quartile


def violations(scope: Scope) -> Select[Any]:
    """Subjects with enough days of the period above z, factor and volume limits at once.

    Of a group's several levels (see :mod:`audits.rules.levels`) the highest one is reported.
    """
    d = _days(scope).c
    over = and_(d.n >= d.limit_requests_min, d.n >= d.limit_factor_min * d.usual, d.z >= d.limit_z_min)
    highest = func.row_number().over(partition_by=(d.subject_type, d.subject_id, d.tier), order_by=d.level_rank.desc())
    found = (
        select(
            d.subject_type, d.subject_id, d.tier, d.level,
            func.max(d.n).label("peak"),
            func.max(d.n / d.usual).label("factor"),
            func.max(d.z).label("z"),
            func.min(d.usual).label("usual"),
            func.count().filter(over).label("days_over"),
            *(func.max(d[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
            highest.label("place"),
        )
        .where(d.baseline_days >= d.limit_baseline_days_min)
        .group_by(d.subject_type, d.subject_id, d.tier, d.level, d.level_rank)
        .having(func.count().filter(over) >= func.max(d.limit_days_min))
        .subquery("found")
    ).c  # fmt: skip
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        found.level.label("observed_level"),
        found.peak.label("observed_peak_requests_a_day"),
        found.factor.label("observed_peak_factor"),
        found.z.label("observed_peak_z"),
        found.usual.label("observed_usual_requests_a_day"),
        found.days_over.label("observed_days_over"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts busy enough to be in question, whose baseline has too few days of use to compare with."""
    d = _days(scope).c
    busy = d.n >= d.limit_requests_min
    return (
        select(
            d.subject_id.label("account_id"), literal("fewer days of use in the baseline than needed").label("reason")
        )
        .where(d.subject_type == "account", func.coalesce(d.baseline_days, 0) < d.limit_baseline_days_min)
        .group_by(d.subject_id)
        .having(func.count().filter(busy) >= func.max(d.limit_days_min))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The subject's successful requests in the period."""
    held = (of_level(scope, found),) if found.subject_type == "group" else ()
    return scope.events_of(found.account_ids, usage_events.c.status_code < 400, *held)


def _days(scope: Scope) -> Subquery:
    """Each day of the period by subject and level, beside its baseline: n, usual, z, baseline_days and limits."""
    daily, base = _daily(scope), _baseline(scope)
    level, b = func.ln(1.0 + cast(daily.c.n, Float(53))), base.c
    whose = (b.subject_type, b.subject_id, b.past_of)
    middle = select(*whose, median(b.height).label("middle"), func.count().label("days")).group_by(*whose).cte("middle")
    m = middle.c
    spread = (
        select(*whose, (MAD_TO_SIGMA * median(func.abs(b.height - m.middle))).label("sigma"))
        .where(_same(b, m))
        .group_by(*whose)
        .subquery("spread")
    )
    d, s = daily.c, spread.c
    return (
        select(
            daily,
            # Back from the logarithm 9 requests are 9.000000000000002; the cast makes them 9 again.
            cast(cast(func.exp(m.middle) - 1.0, Numeric(38, 9)), Float(53)).label("usual"),
            ((level - m.middle) / func.greatest(s.sigma, d.limit_mad_floor)).label("z"),
            m.days.label("baseline_days"),
        )
        .select_from(daily.outerjoin(middle, _same(m, d)).outerjoin(spread, _same(s, d)))
        .subquery("days")
    )


def _same(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two rows are of one subject and, where that is a group, of one level: an account has one past.

    Equal keys and no OR: an outer join on anything else compares every subject with every other.
    """
    return and_(
        one.subject_type == other.subject_type, one.subject_id == other.subject_id, one.past_of == other.past_of
    )


def _daily(scope: Scope) -> Subquery:
    """Successful requests by subject, level and day of the period, with the limits in force."""
    u = subject_levels(scope, account_day).c
    key = [
        u.subject_type, u.subject_id, u.tier, u.level, u.level_rank, u.day,
        *(u[name] for name in u.keys() if name.startswith("limit_")),  # noqa: SIM118 - a column collection, no dict
    ]  # fmt: skip
    past_of = case((u.subject_type == "account", ONE_PAST), else_=u.level_rank).label("past_of")
    return select(*key, past_of, func.sum(u.n_ok).label("n")).group_by(*key).subquery("daily")


def _baseline(scope: Scope) -> CTE:
    """ln(1 + n) of the days before the period: of accounts, and of the accounts that a level counts in the period.

    What these accounts did under another tier before is their past, too: whoever goes down a tier is no newcomer.
    """
    u, m, days = scope.usage(account_day, baseline=True).c, level_members(scope).c, account_day.c
    accounts = (
        select(
            literal("account").label("subject_type"), u.account_id.label("subject_id"),
            literal(ONE_PAST).label("past_of"),
            u.day, func.sum(u.n_ok).label("n"),
        )
        .where(u.day < scope.period.first_day)
        .group_by(u.account_id, u.day)
    )  # fmt: skip
    groups = (
        select(literal("group"), m.group_id, m.level_rank, days.day, func.sum(days.n_ok))
        .where(days.account_id == m.account_id, days.day >= scope.baseline_from, days.day < scope.period.first_day)
        .group_by(m.group_id, m.level_rank, days.day)
    )
    past = union_all(accounts, groups).subquery("past").c
    height = func.ln(1.0 + cast(past.n, Float(53))).label("height")
    return select(past.subject_type, past.subject_id, past.past_of, height).where(past.n > 0).cte("baseline")
