"""R27: an account that slept and then runs at many times its peers' level, or a new one that starts at its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Date,
    Float,
    FromClause,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)

from audits.rollups.account_day import account_day, last_day
from audits.rules.engine.base import Found
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.literal_table import table_of
from audits.rules.engine.population import blocked_uses
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import by_each_day, counted, other_bound
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import day_number, median, utc_day
from audits.warehouse.tables import accounts, usage_buckets, usage_events

DORMANT = ("burst_days_min", "burst_factor_min", "idle_days")
UNRAMPED = ("new_days_min", "new_age_days", "new_share_min", "quota_requests_a_day")
LIMITS = (*DORMANT, *UNRAMPED)


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough burst days after a long sleep, or enough days near their limits when new.

    Each day is held against the limits of that day.
    """
    dormant = _found(_bursts(scope), "dormant", DORMANT, "slept")
    unramped = _found(_near_limits(scope), "no ramp", UNRAMPED, "near")
    return select(union_all(dormant, unramped).subquery("cases"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts that burst, and of which nobody knows whether they slept before.

    The history does not reach back so far, or of days before the burst data is blocked, missing or of several days.
    """
    b = _bursts(scope).c
    hidden = "data of the days before its burst is blocked, missing or of several days together"
    short = "the history is too short"
    asked = ": whether the account slept before its burst is not known"
    reason = case((func.bool_or(b.behind_hidden), hidden + asked), else_=short + asked).label("reason")
    return (
        select(b.account_id, b.tier, reason)
        .where(b.unknown)
        .group_by(b.account_id, b.tier)
        .having(func.count(b.day.distinct()) >= func.min(b.limit_burst_days_min))
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests on the days that are named, and its buckets."""
    return scope.usage_of(
        found.account_ids, usage_events.c.status_code < 400, scope.in_tier(found), on_listed_days(found)
    )


def _found(days: FromClause, kind: str, limits: Sequence[str], condition: str) -> Select[Any]:
    """Accounts with enough days of one kind, the first of its limits: the busiest day, with the kind's limits then."""
    d = days.c
    count = func.count().over(partition_by=(d.account_id, d.tier)).label("days")
    over = select(*d, count).where(d[condition]).subquery(f"{condition}_days")
    o = over.c
    on_days = (
        select(o.account_id, o.tier, listed(o.day).label("days")).group_by(o.account_id, o.tier).subquery("on_days").c
    )
    w = worst(over, ("account_id", "tier"), (o.n.desc(), o.day), o.days >= o[f"limit_{limits[0]}"])
    slept = condition == "slept"
    return select(
        w.account_id.label("subject_id"),
        w.tier,
        literal(kind).label("discriminator"),
        w.n.label("observed_peak_requests_a_day"),
        w.days.label("observed_days"),
        on_days.days.label("observed_on_days"),
        cast(w.idle if slept else null(), Integer).label("observed_idle_days"),
        cast(w.usual if slept else null(), Float(53)).label("observed_usual_requests_a_day"),
        *(
            (w[f"limit_{name}"] if name in limits else cast(null(), Float(53))).label(f"limit_{name}")
            for name in LIMITS
        ),
    ).where(on_days.account_id == w.account_id, on_days.tier == w.tier)


@computed_once
def _days(scope: Scope) -> Select[Any]:
    """The days of the period on which an account was used, by tier: ``n`` successful requests and the limits.

    ``other`` are those that others are compared with.
    """
    u = scope.usage(by_each_day(scope)).c
    limits = [u[name] for name in u.keys() if name.startswith("limit_")]  # noqa: SIM118 - a column collection, no dict
    n, other = func.sum(counted(scope, u)), func.sum(other_bound(scope, u))
    return (
        select(u.account_id, u.tier, u.day, n.label("n"), other.label("other"), *limits)
        .group_by(u.account_id, u.tier, u.day, *limits)
        .having(n > 0)
    )


@computed_once
def _bursts(scope: Scope) -> Select[Any]:
    """Days at many times the tier's median day, with what is known of the time before the account's first use.

    ``slept``: it was idle for long enough before some day of the period up to this one. ``unknown``: it was, as far as
    the history reaches or hidden days tell, and is old enough to have been. Whoever is used on a day within a bucket of
    several days woke on that day or before, and not before the bucket begins.
    """
    of_period = _days(scope).c
    middle = (
        select(of_period.tier, median(of_period.other).label("usual")).group_by(of_period.tier).subquery("middle").c
    )
    high = of_period.n >= of_period.limit_burst_factor_min * middle.usual
    days = select(*of_period, middle.usual).where(middle.tier == of_period.tier, high).cte("high_days")
    wakings = _wakings(scope, select(days.c.account_id))
    d, w = days.c, wakings.c
    asleep = and_(w.account_id == d.account_id, w.since <= d.day)
    slept = func.bool_or(w.idle >= d.limit_idle_days)
    perhaps = and_(w.until <= d.day, w.idle < d.limit_idle_days)
    behind_hidden = and_(perhaps, w.unused >= d.limit_idle_days)
    too_short = and_(perhaps, w.first, w.age >= d.limit_idle_days)
    return (
        select(
            *d, slept.label("slept"), func.bool_or(or_(behind_hidden, too_short)).label("unknown"),
            func.bool_or(behind_hidden).label("behind_hidden"), func.max(w.idle).label("idle"),
        )
        .select_from(days.join(wakings, asleep))
        .group_by(*d)
    )  # fmt: skip


def _wakings(scope: Scope, among: Select[Any]) -> Subquery:
    """Days of use of some accounts in the period with the days before them, if those may be enough.

    ``unused`` are the days since the use before at most, ``idle`` those of them on which nothing may have been used:
    since the last blocked day, or the last one of a bucket of several days, of which nobody knows on which of its days
    ``since`` to ``until`` it was used, or that it was if requests account for all of it. ``first``: no earlier use is
    in sight, so that both are counted from the account's opening or from where the history begins, if that is later.
    ``age`` is in days, too.
    """
    a = account_day.c
    until = func.greatest(a.day, last_day(a)).label("until")
    days, lasting = a.day.between(scope.baseline_from, scope.period.last_day), until > a.day
    use = (
        select(a.account_id, a.day.label("since"), until, func.bool_or(func.coalesce(_ok(a) > 0, False)).label("sure"))
        .where(days, until <= scope.period.last_day, or_(_ok(a) > 0, lasting), a.account_id.in_(among))
        .group_by(a.account_id, a.day, until)
        .subquery("use")
    ).c
    begun, ended = day_number(use.since), day_number(use.until)

    def latest(day: ColumnElement[int], before: ColumnElement[int]) -> ColumnElement[int]:
        return func.max(day).over(partition_by=use.account_id, order_by=before, range_=(None, -1))

    spaced = select(
        use.account_id, use.since, use.until, use.sure, begun.label("begun"), ended.label("ended"),
        latest(case((use.sure, begun)), ended).label("known"), latest(ended, begun).label("perhaps"),
    ).subquery("spaced").c  # fmt: skip
    opened = (
        select(accounts.c.account_id, utc_day(func.min(accounts.c.opened_at)).label("day"))
        .group_by(accounts.c.account_id)
        .subquery("opened")
    ).c
    begins = select(func.min(usage_events.c.event_ts).label("at"))
    bucketed = select(func.min(usage_buckets.c.bucket_start))
    first_row = union_all(begins, bucketed).subquery("first_rows").c
    seen_from = select(func.greatest(utc_day(func.min(first_row.at)), literal(scope.baseline_from))).scalar_subquery()
    shortest = min((row.values["idle_days"] for row in scope.limits), default=0)
    seen = day_number(func.greatest(opened.day, seen_from))
    unused = spaced.ended - func.coalesce(spaced.known + 1, seen)
    used_last = case((spaced.perhaps.is_not(None), func.least(spaced.perhaps, spaced.begun - 1)))
    certain = spaced.begun - func.coalesce(used_last + 1, seen)
    blocked = _blocked_days(scope).c
    last_blocked = (
        select(func.max(blocked.day))
        .where(blocked.account_id == spaced.account_id, blocked.day < spaced.since)
        .correlate(opened.day.table, spaced.since.table)
        .scalar_subquery()
    )
    since_blocked = case((last_blocked.is_not(None), spaced.begun - day_number(last_blocked) - 1))  # NULL: for nothing
    return (
        select(
            spaced.account_id, spaced.since, spaced.until, unused.label("unused"),
            case((spaced.sure, func.least(certain, since_blocked)), else_=0).label("idle"),
            spaced.known.is_(None).label("first"), (spaced.ended - day_number(opened.day)).label("age"),
        )
        .where(opened.account_id == spaced.account_id, spaced.until >= scope.period.first_day)
        .where(or_(spaced.known.is_(None), unused >= shortest))
        .subquery("wakings")
    )  # fmt: skip


def _blocked_days(scope: Scope) -> Subquery:
    """``account_id`` and ``day`` of the days of each source that serves an account of which data is blocked or missing.

    Used on them or not.
    """
    a, b = account_day.c, blocked_uses.c
    served = union(select(a.account_id, a.source_system), select(b.account_id, b.source_system)).subquery("served").c
    columns: list[ColumnClause[Any]] = [column("day", Date), column("source_system", String)]
    missing = table_of(columns, sorted(scope.incomplete), "incomplete").c
    days = union(select(b.day, b.source_system), select(missing.day, missing.source_system)).subquery("days").c
    return (
        select(served.account_id, days.day)
        .where(served.source_system == days.source_system)
        .distinct()
        .subquery("blocked")
    )


def _near_limits(scope: Scope) -> Subquery:
    """Days of use with whether the account was new and near its limits on them."""
    d = _days(scope).c
    age = day_number(d.day) - day_number(utc_day(func.min(accounts.c.opened_at)))
    near = and_(age >= 0, age <= d.limit_new_age_days, d.n >= d.limit_new_share_min * d.limit_quota_requests_a_day)
    return (
        select(*d, near.label("near")).where(accounts.c.account_id == d.account_id).group_by(*d).subquery("near_limits")
    )


def _ok(u: Any) -> ColumnElement[Any]:
    """Successful requests; of a bucket all that it counts, and where it counts none, its tokens show use."""
    ok: ColumnElement[Any] = func.coalesce(u.n_ok, u.n_requests, func.sign(u.input_tokens + u.output_tokens))
    return ok
