"""R16: one key in two countries at times between which nobody can have travelled from the one to the other.

Only addresses of people and offices count: a product's servers, a VPN and Tor are nowhere in particular. So that nobody
is accused of a journey that was none, the distance is the least that lies between any two points of the countries, one
network that is placed now here and now there has not moved. A key is judged as it is presented, whichever accounts its
use is booked on, and whichever end users a client names.

The week is any seven days that end in the period: an ISO week would part at its Monday, and a month at its weeks' ends,
what happened within hours.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.functions import Function

from audits.periods import utc_midnight
from audits.rollups.account_client_day import account_client_day
from audits.rules.catalogue.r16_impossible_travel.places import FARTHEST_KM, distances
from audits.rules.engine.base import Found
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.listed import listed
from audits.rules.engine.scope import Scope
from audits.rules.engine.serverless import declared_serverless
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import day_number, seconds_between, utc_day
from audits.warehouse.tables import usage_events
from audits.warehouse.vocabulary import word

DIRECT = ("residential", "mobile", "corporate")
WEEK = 7  # days
UNKNOWN = "not recorded: api_key_hash, ip_country or ip_type"
SECONDS_A_MINUTE, SECONDS_AN_HOUR, HOURS_A_DAY = 60.0, 3600.0, 24.0


def violations(scope: Scope) -> Select[Any]:
    """Keys with enough impossible journeys in some seven days: a row for each account on which some of them end.

    The seven days end on a day of the period on which the account used the key, and are held against the limit of that
    day; a journey against the speed of its own. With the account's journeys in the tier are counted those that the key
    made on any other account.
    """
    journeys = _journeys(scope)
    j, u, own = journeys.c, scope.usage(account_client_day).c, ("account_id", "api_key_hash", "tier")
    limit = u.limit_journeys_a_week_min
    used = (
        select(*(u[name] for name in own), u.day.label("ends"), limit).where(u.n_ok > 0).distinct().subquery("used").c
    )
    days_before = day_number(used.ends) - day_number(j.day)
    excess = (j.km - j.limit_km_per_hour_max * _hours(j)).label("excess")
    arrival = (j.event_id, j.event_ts, j.ip_country, j.left_at, j.left_country, j.km, j.limit_km_per_hour_max, excess)
    counted = (j.api_key_hash == used.api_key_hash, or_(j.account_id != used.account_id, j.tier == used.tier))
    of_week = (
        select(*used, j.account_id.label("arrived_on"), *arrival)
        .where(*counted, days_before >= 0, days_before < WEEK)
        .cte("journeys_of_weeks")
    )
    w = of_week.c
    week = (*(w[name] for name in own), w.ends, w.limit_journeys_a_week_min)
    some_own = func.count().filter(w.arrived_on == w.account_id) > 0
    weeks = select(*week, func.count().label("peak")).group_by(*week).having(some_own).subquery("weeks")
    over = weeks.c.peak >= weeks.c.limit_journeys_a_week_min
    most = worst(weeks, own, (weeks.c.peak.desc(), weeks.c.ends), over)
    told = (*(w[name] == most[name] for name in own), w.ends == most.ends)
    of_most = select(*w, most.peak).where(*told).subquery("of_most")
    far = worst(of_most, own, (of_most.c.excess.desc(), of_most.c.event_ts, of_most.c.event_id))
    key = [used[name] for name in own]
    ends = union_all(
        *(select(*key, j.event_id, end.label("at")).where(*counted) for end in (j.ip_country, j.left_country))
    )
    e = ends.subquery("ends").c
    of_key = [e[name] for name in own]
    number, countries = func.count(e.event_id.distinct()).label("number"), listed(e["at"]).label("countries")
    whole = select(*of_key, number, countries).group_by(*of_key).subquery("whole").c
    minutes = func.ceil(seconds_between(far.left_at, far.event_ts) / SECONDS_A_MINUTE)
    return select(
        far.api_key_hash.label("subject_id"),
        far.account_id,
        far.account_id.label("discriminator"),
        far.tier,
        far.peak.label("observed_peak_journeys_a_week"),
        whole.number.label("observed_journeys"),
        whole.countries.label("observed_countries"),
        func.concat("from ", far.left_country, " to ", far.ip_country).label("observed_route"),
        cast(func.floor(far.km), BigInteger).label("observed_km"),
        func.nullif(cast(minutes, BigInteger), 0).label("observed_minutes"),
        far.limit_km_per_hour_max,
        far.limit_journeys_a_week_min,
    ).where(*(whole[name] == far[name] for name in own))


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with a key that would have made enough journeys, if what is not recorded were the worst that it can be.

    A request from nobody knows where may be a journey there and one back; so may one whose country is known but not its
    kind of address, or not its key, unless all that the key may have made came from one country.
    """
    limits = scope.limit_rows().c
    d = _doubtful_days(scope)
    key = (d.account_id, d.tier, d.api_key_hash)

    def of_key(figure: Function[Any]) -> ColumnElement[Any]:
        return figure.over(partition_by=key)

    week = func.sum(d.n).over(partition_by=key, order_by=day_number(d.day), range_=(1 - WEEK, 0))
    weeks = select(
        d.account_id, d.tier, d.day,
        func.least(week, of_key(func.sum(d.requests)) - 1).label("journeys"),
        or_(of_key(func.max(d.unplaced)) > 0, of_key(func.min(d.low)) != of_key(func.max(d.high))).label("apart"),
    ).subquery("weeks_in_doubt").c  # fmt: skip
    return (
        select(weeks.account_id, weeks.tier, literal(UNKNOWN).label("reason"))
        .where(limits.tier == weeks.tier, weeks.day >= limits.from_day, weeks.day < limits.to_day)
        .where(weeks.day >= scope.period.first_day)
        .where(weeks.apart, weeks.journeys >= limits.limit_journeys_a_week_min)
        .distinct()
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that used no other keys than those declared to run on changing addresses."""
    u = scope.usage(account_client_day).c
    undeclared = func.count().filter(~declared_serverless(scope, u))
    reason = literal("every key used is declared serverless").label("reason")
    return select(u.account_id, reason).group_by(u.account_id).having(undeclared == 0)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The two requests of each journey, in order of time, with country, network and kind of address."""
    e = usage_events.c
    s, limits = _steps(scope, select(*_COLUMNS).where(e.api_key_hash == found.subject_id)).c, scope.limit_rows().c
    d = distances(str(found.observed["countries"]).split(", ")).c
    others = s.account_id.not_in(found.account_ids)
    journeys = (
        select(s.event_id, s.left_id)
        .where(d.here == s.left_country, d.there == s.ip_country, _impossible(s, d.km, limits.limit_km_per_hour_max))
        .where(limits.tier == found.tier, s.day >= limits.from_day, s.day < limits.to_day)
        .where(or_(others, scope.in_tier(found, s.event_ts, s.account_id)))
        .cte("journeys")
    ).c
    ends = union_all(select(journeys.event_id), select(journeys.left_id))
    of_key = (e.api_key_hash == found.subject_id, e.event_id.in_(ends))
    return scope.events_of(None, *of_key, since=scope.baseline_from).add_columns(
        e.ip_country, e.client_net_hash, e.ip_type
    )


_COLUMNS = (
    *(usage_events.c[name] for name in ("account_id", "api_key_hash", "event_id", "event_ts", "client_net_hash")),
    word(usage_events.c.ip_country),
)


@computed_once
def _journeys(scope: Scope) -> Select[Any]:
    """The impossible journeys of the period and the days before it that a week may hold.

    A row is the later request, with the one before it (``left_...``) and ``km``.
    """
    candidates = _candidates(scope)
    e, c = usage_events.c, candidates.c
    same = and_(c.api_key_hash == e.api_key_hash, c.day == utc_day(e.event_ts))
    steps = _steps(scope, select(*_COLUMNS).select_from(usage_events.join(candidates, same)))
    s, d = scope.usage(steps, baseline=True).c, distances(select(c.ip_country)).c
    return select(*s, d.km).where(
        d.here == s.left_country, d.there == s.ip_country, _impossible(s, d.km, s.limit_km_per_hour_max)
    )


def _steps(scope: Scope, requests: Select[Any]) -> Subquery:
    """The successful requests from addresses of people and offices, each with the key's one before it."""
    e, since = usage_events.c, literal(utc_midnight(scope.baseline_from))
    r = (
        requests.where(e.event_ts >= since, e.event_ts < literal(scope.period.end), e.status_code < 400)
        .where(scope.countable(usage_events))
        .where(word(e.ip_type).in_(DIRECT), word(e.ip_country).is_not(None))
        .distinct()
        .subquery("requests")
    ).c

    def before(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        return (
            func.lag(column).over(partition_by=r.api_key_hash, order_by=(r.event_ts, r.event_id)).label(f"left_{name}")
        )

    return select(
        *r,
        utc_day(r.event_ts).label("day"),
        r.event_ts.label("slice_start"),
        before(r.event_id, "id"),
        before(r.event_ts, "at"),
        before(r.ip_country, "country"),
        before(r.client_net_hash, "net"),
    ).subquery("steps")


def _impossible(s: Any, km: ColumnElement[float], fastest: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether nobody can have made a step: what is not recorded of it does not excuse it."""
    elsewhere = func.coalesce(s.client_net_hash != s.left_net, true())
    return and_(elsewhere, km > fastest * _hours(s))


def _hours(s: Any) -> ColumnElement[Any]:
    return seconds_between(s.left_at, s.event_ts) / SECONDS_AN_HOUR


def _candidates(scope: Scope) -> CTE:
    """Days of keys that were used from two countries within the time that a journey round half the Earth takes.

    Their requests are read one by one; nothing is decided here.
    """
    u = scope.usage(account_client_day, baseline=True).c
    seen = (
        select(u.api_key_hash, u.day, u.ip_country, func.min(u.limit_km_per_hour_max).label("slowest"))
        .where(u.ip_type.in_(DIRECT), u.ip_country.is_not(None))
        .where(u.n_ok > 0)  # adequacy: equivalent, it only saves reading
        .where(~declared_serverless(scope, u))
        .group_by(u.api_key_hash, u.day, u.ip_country)
        .cte("seen")
    )
    s = seen.c
    window: dict[str, Any] = {"partition_by": s.api_key_hash, "order_by": (s.day, s.ip_country)}
    nights = day_number(s.day) - day_number(func.lag(s.day).over(**window)) - 1
    near = nights * HOURS_A_DAY * s.slowest <= FARTHEST_KM  # adequacy: equivalent, it only saves reading
    elsewhere = s.ip_country != func.lag(s.ip_country).over(**window)
    moved = select(s.api_key_hash, and_(near, elsewhere).label("moved")).subquery("moved").c
    keys = select(moved.api_key_hash).where(moved.moved).distinct().subquery("moving").c
    return select(s.api_key_hash, s.day, s.ip_country).where(s.api_key_hash == keys.api_key_hash).cte("candidates")


def _doubtful_days(scope: Scope) -> Any:
    """Days of keys on which some request may have come from anywhere, by account and tier that used the key.

    ``n`` are the day's journeys, and two more for each request in doubt; ``requests`` all that may have been made with
    the key from addresses of people and offices, in countries between ``low`` and ``high``; ``unplaced`` is 1 where a
    country is not recorded. Requests without a key belong to every key of their account, and to one that is not known.
    """
    u = scope.usage(account_client_day, baseline=True).c
    direct = or_(u.ip_type.is_(None), u.ip_type.in_(DIRECT))
    doubt = or_(u.ip_country.is_(None), u.ip_type.is_(None), u.api_key_hash.is_(None))
    columns = (u.account_id, u.tier, u.api_key_hash, u.day, u.ip_country, u.n_ok)
    seen = (
        select(*columns, doubt.label("doubt"))
        .where(u.n_ok > 0, direct, ~declared_serverless(scope, u))
        .cte("seen_of_keys")
    )
    s = seen.c
    nameless = select(s.account_id).where(s.api_key_hash.is_(None))
    doubtful = or_(
        s.api_key_hash.in_(select(s.api_key_hash).where(s.doubt, s.api_key_hash.is_not(None))),
        s.account_id.in_(nameless),
    )
    keys = select(s.account_id, s.tier, s.api_key_hash).where(doubtful).distinct().cte("doubtful_keys")
    k, j = keys.c, _journeys(scope).c
    figures = (
        s.day, case((s.doubt, 2 * s.n_ok), else_=0).label("n"), s.n_ok.label("requests"), s.ip_country,
        case((s.ip_country.is_(None), 1), else_=0).label("unplaced"),
    )  # fmt: skip
    mine = or_(s.account_id != k.account_id, s.tier == k.tier)
    rows = (
        union_all(
            select(*k, *figures).where(k.api_key_hash == s.api_key_hash, mine),
            select(*k, *figures).where(s.api_key_hash.is_(None), k.account_id == s.account_id, k.tier == s.tier),
            select(*k, j.day, literal(1), literal(0), cast(null(), String), literal(0)).where(
                j.api_key_hash == k.api_key_hash
            ),
        )
        .subquery("days_in_doubt")
        .c
    )
    by_day = (rows.account_id, rows.tier, rows.api_key_hash, rows.day)
    return (
        select(
            *by_day,
            func.sum(rows.n).label("n"),
            func.sum(rows.requests).label("requests"),
            func.min(rows.ip_country).label("low"),
            func.max(rows.ip_country).label("high"),
            func.max(rows.unplaced).label("unplaced"),
        )
        .group_by(*by_day)
        .subquery("doubtful_days")
    ).c
