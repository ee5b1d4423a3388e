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
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from audits.rollups.account_day import account_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of, undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import level_members, of_level, subject_levels
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import median
from audits.warehouse.tables import usage_events

LIMITS = ("z_min", "factor_min", "requests_min", "days_min")
SUBJECT = ("subject_type", "subject_id", "tier", "level")
ONE_PAST = -1  # of an account; a group has one for each level's rank
MAD_TO_SIGMA = 1.4826  # of the normal distribution: 1 / its third quartile


def violations(scope: Scope) -> Select[Any]:
    """Subjects with enough days of the period above z, factor and volume limits at once.

    Of a group's several levels (see :mod:`audits.rules.engine.levels`) the highest one is reported.
    """
    d = _days(scope).c
    over = _over(d, d.n, d.z)
    count = func.count().over(partition_by=(d.subject_type, d.subject_id, d.tier, d.level)).label("days_over")
    days = select(*d, count).where(over, d.baseline_days >= d.limit_baseline_days_min).subquery("days_over")
    subject = [days.c[name] for name in SUBJECT]
    dates = select(*subject, listed(days.c.day).label("on_days")).group_by(*subject).subquery("dates").c
    w = worst(days, SUBJECT, (days.c.n.desc(), days.c.day), days.c.days_over >= days.c.limit_days_min)
    highest = func.row_number().over(partition_by=(w.subject_type, w.subject_id, w.tier), order_by=w.level_rank.desc())
    found = (
        select(
            w.subject_type, w.subject_id, w.tier, w.level, w.n.label("peak"), (w.n / w.usual).label("factor"), w.z,
            w.usual, w.days_over, dates.on_days, *(w[f"limit_{name}"] for name in LIMITS), highest.label("place"),
        )
        .where(*(dates[name] == w[name] for name in SUBJECT))
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
        found.on_days.label("observed_on_days"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts, alone or as a group, busy enough to be in question, whose past has too few days to compare with.

    And those that buckets put over the limits: on days of single requests alone nobody departs.
    """
    d = _days(scope).c
    subject = (d.subject_type, d.subject_id, d.tier, d.level)
    missing = d.limit_baseline_days_min - func.coalesce(d.baseline_days, 0)
    busy = (
        select(*subject, func.max(missing).label("missing"))
        .where(missing > 0)
        .group_by(*subject)
        .having(func.count().filter(d.most >= d.limit_requests_min) >= func.max(d.limit_days_min))
        .subquery("busy")
    )
    over = _over(d, d.most, d.z_most)
    bucketed = (
        select(*subject, func.sum(d.most - d.n).label("missing"))
        .where(over)
        .group_by(*subject)
        .having(func.count() >= func.min(d.limit_days_min))
        .subquery("bucketed")
    )
    return any_of(
        undecided(busy, lambda _busy, _more: true(), "fewer days of use in the baseline than needed"),
        undecided(bucketed, lambda _days, _more: true(), "only bucketed usage is recorded on some days"),
    )


def _over(d: Any, n: ColumnElement[Any], z: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a day with so many requests departs from the usual."""
    return and_(n >= d.limit_requests_min, n >= d.limit_factor_min * d.usual, z >= d.limit_z_min)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The subject's successful requests on the days over, and those of its accounts before the period."""
    e = usage_events.c
    held = of_level(scope, found) if found.subject_type == "group" else scope.in_tier(found)
    past = and_(~scope.in_period(e.event_ts), _is_counted(scope, found))
    counted = or_(and_(on_listed_days(found), held), past)
    return scope.events_of(found.account_ids, e.status_code < 400, counted, since=scope.baseline_from)


def _is_counted(scope: Scope, found: Found) -> ColumnElement[bool]:
    """Evidence: whether the account's past counts, because it is the account or the level counts it in the period."""
    if found.observed["level"] == found.tier:
        return true()
    order, t = [tier.id for tier in scope.book.tiers], scope.tiers(found.account_ids).c
    held = t.tier.in_(order[: order.index(str(found.observed["level"])) + 1])
    then = and_(t.valid_from < literal(scope.period.end), t.valid_to > literal(scope.period.start))
    return exists(select(t.tier).where(t.account_id == usage_events.c.account_id, held, then))


@computed_once
def _days(scope: Scope) -> Select[Any]:
    """Each day of the period by subject and level, beside its baseline: n, usual, z, baseline_days and limits.

    ``most`` and ``z_most`` are with the requests of buckets.
    """
    daily, base = _daily(scope), _baseline(scope)
    b = base.c
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

    def departure(n: ColumnElement[Any]) -> ColumnElement[Any]:
        return (func.ln(1.0 + cast(n, Float(53))) - m.middle) / func.greatest(s.sigma, d.limit_mad_floor)

    return select(
        daily,
        # Back from the logarithm 9 requests are 9.000000000000002; the cast makes them 9 again.
        cast(cast(func.exp(m.middle) - 1.0, Numeric(38, 9)), Float(53)).label("usual"),
        departure(d.n).label("z"),
        departure(d.most).label("z_most"),
        m.days.label("baseline_days"),
    ).select_from(daily.outerjoin(middle, _same(m, d)).outerjoin(spread, _same(s, d)))


def _same(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two rows are of one subject and, where that is a group, of one level: an account has one past.

    Equal keys and no OR: an outer join on anything else compares every subject with every other.
    """
    return and_(
        one.subject_type == other.subject_type, one.subject_id == other.subject_id, one.past_of == other.past_of
    )


def _daily(scope: Scope) -> Subquery:
    """Successful requests by subject, level and day of the period, with the limits in force; ``most`` with buckets'."""
    u = subject_levels(scope, account_day).c
    key = [
        u.subject_type, u.subject_id, u.tier, u.level, u.level_rank, u.day,
        *(u[name] for name in u.keys() if name.startswith("limit_")),  # noqa: SIM118 - a column collection, no dict
    ]  # fmt: skip
    past_of = case((u.subject_type == "account", ONE_PAST), else_=u.level_rank).label("past_of")
    of_buckets = u.n_requests + func.coalesce(u.shared_n_requests, 0)
    n, most = (func.coalesce(func.sum(rows), 0) for rows in (u.n_ok, func.coalesce(u.n_ok, of_buckets)))
    return select(*key, past_of, n.label("n"), most.label("most")).group_by(*key).subquery("daily")


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
