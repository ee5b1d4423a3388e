"""R16: one key in two countries at times between which nobody can have travelled from the one to the other.

Only addresses of people and offices count: a product's servers, a VPN and Tor are nowhere in particular. So that nobody
is accused of a journey that was none, the distance is the least that lies between any two points of the countries, one
network that is placed now here and now there has not moved, and two users whom the customer tells apart are two people.

The week is any seven days of the period: an ISO week would part at its Monday, and a month at its weeks' ends, what
happened within hours. A period of one ISO week is that week.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from audits.quality.quarantine import is_impossible
from audits.rollups.account_client_day import account_client_day
from audits.rules.base import Found
from audits.rules.listed import listed
from audits.rules.r16_impossible_travel.places import FARTHEST_KM, distances
from audits.rules.scope import Scope
from audits.warehouse.dialects import day_number, seconds_between, utc_day
from audits.warehouse.tables import api_keys, usage_events

DIRECT = ("residential", "mobile", "corporate")
WEEK = (-6, 0)
SECONDS_A_MINUTE, SECONDS_AN_HOUR, HOURS_A_DAY = 60.0, 3600.0, 24.0


def violations(scope: Scope) -> Select[Any]:
    """Keys with enough impossible journeys in some seven days. A key on two accounts is judged on each by itself.

    A journey and a week are held against the limits of their last day; a journey belongs to the tier of its arrival.
    """
    j = _journeys(scope).c
    key = (j.account_id, j.api_key_hash, j.tier)
    week = func.count().over(partition_by=key, order_by=day_number(j.day), range_=WEEK)
    excess = j.km - j.limit_km_per_hour_max * _hours(j)
    place = func.row_number().over(partition_by=key, order_by=(excess.desc(), j.event_ts, j.event_id))
    weeks = select(*j, week.label("in_week"), place.label("place")).cte(
        "weeks"
    )  # read once, for the keys and for the ends of their journeys
    w = weeks.c
    longest = w.place == 1
    route = func.concat("from ", w.left_country, " to ", w.ip_country)
    minutes = func.ceil(seconds_between(w.left_at, w.event_ts) / SECONDS_A_MINUTE)
    keys = (
        select(
            w.account_id, w.api_key_hash, w.tier,
            func.max(w.in_week).label("peak"),
            func.count().label("journeys"),
            func.max(case((longest, route))).label("route"),
            func.max(case((longest, cast(func.floor(w.km), BigInteger)))).label("km"),
            func.max(case((longest, cast(minutes, BigInteger)))).label("minutes"),
            func.min(w.limit_km_per_hour_max).label("limit_km_per_hour_max"),
            func.min(w.limit_journeys_a_week_min).label("limit_journeys_a_week_min"),
        )
        .group_by(w.account_id, w.api_key_hash, w.tier)
        .having(func.count().filter(w.in_week >= w.limit_journeys_a_week_min) > 0)
        .subquery("keys")
    )  # fmt: skip
    ends = union_all(*(select(w.account_id, w.api_key_hash, w.tier, end) for end in (w.ip_country, w.left_country)))
    c, k = ends.subquery("ends").c, keys.c
    return (
        select(
            k.api_key_hash.label("subject_id"),
            k.account_id,
            k.account_id.label("discriminator"),
            k.tier,
            k.peak.label("observed_peak_journeys_a_week"),
            k.journeys.label("observed_journeys"),
            listed(c.ip_country).label("observed_countries"),
            k.route.label("observed_route"),
            k.km.label("observed_km"),
            k.minutes.label("observed_minutes"),
            k.limit_km_per_hour_max,
            k.limit_journeys_a_week_min,
        )
        .where(c.account_id == k.account_id, c.api_key_hash == k.api_key_hash, c.tier == k.tier)
        .group_by(*k)
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that used no other keys than those declared to run on changing addresses."""
    u = scope.usage(account_client_day).c
    undeclared = func.count().filter(or_(u.api_key_hash.is_(None), u.api_key_hash.not_in(_declared())))
    reason = literal("every key used is declared serverless").label("reason")
    return select(u.account_id, reason).group_by(u.account_id).having(undeclared == 0)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The two requests of each journey, in order of time, with country, network, kind of address and user."""
    e = usage_events.c
    of_key = and_(e.account_id.in_(found.account_ids), e.api_key_hash == found.subject_id)
    s, limits = _steps(scope, select(*_COLUMNS).where(of_key)).c, scope.limit_rows().c
    d = distances(str(found.observed["countries"]).split(", ")).c
    journeys = (
        select(s.event_id, s.left_id)
        .where(d.here == s.left_country, d.there == s.ip_country, _impossible(s, d.km, limits.limit_km_per_hour_max))
        .where(limits.tier == found.tier, s.day >= limits.from_day, s.day < limits.to_day)
        .where(scope.in_tier(found, s.event_ts, s.account_id))
        .cte("journeys")
    ).c
    ends = union_all(select(journeys.event_id), select(journeys.left_id))
    return scope.events_of(found.account_ids, e.api_key_hash == found.subject_id, e.event_id.in_(ends)).add_columns(
        e.ip_country, e.client_net_hash, e.ip_type, e.end_user_hash
    )


_COLUMNS = tuple(
    usage_events.c[name]
    for name in (
        "account_id", "api_key_hash", "event_id", "event_ts", "ip_country", "client_net_hash", "end_user_hash",
    )
)  # fmt: skip


def _journeys(scope: Scope) -> Subquery:
    """The impossible journeys of the period: the later request, the one before it (``left_...``) and ``km``."""
    candidates = _candidates(scope)
    e, c = usage_events.c, candidates.c
    same = and_(c.account_id == e.account_id, c.api_key_hash == e.api_key_hash, c.day == utc_day(e.event_ts))
    steps = _steps(scope, select(*_COLUMNS).select_from(usage_events.join(candidates, same)))
    s, d = scope.usage(steps).c, distances(select(c.ip_country)).c
    return (
        select(*s, d.km)
        .where(d.here == s.left_country, d.there == s.ip_country, _impossible(s, d.km, s.limit_km_per_hour_max))
        .subquery("journeys")
    )


def _steps(scope: Scope, requests: Select[Any]) -> Subquery:
    """The successful requests from addresses of people and offices, each with the key's one before it."""
    e = usage_events.c
    r = (
        requests.where(scope.in_period(e.event_ts), e.status_code < 400, ~is_impossible(usage_events))
        .where(e.ip_type.in_(DIRECT), e.ip_country.is_not(None))
        .distinct()
        .subquery("requests")
    ).c

    def before(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        of_key = (r.account_id, r.api_key_hash)
        return func.lag(column).over(partition_by=of_key, order_by=(r.event_ts, r.event_id)).label(f"left_{name}")

    return select(
        *r,
        utc_day(r.event_ts).label("day"),
        r.event_ts.label("slice_start"),
        before(r.event_id, "id"),
        before(r.event_ts, "at"),
        before(r.ip_country, "country"),
        before(r.client_net_hash, "net"),
        before(r.end_user_hash, "user"),
    ).subquery("steps")


def _impossible(s: Any, km: ColumnElement[float], fastest: ColumnElement[float]) -> ColumnElement[bool]:
    """Whether nobody can have made a step: what is not recorded of it does not excuse it."""
    elsewhere = func.coalesce(s.client_net_hash != s.left_net, true())
    one_person = func.coalesce(s.end_user_hash == s.left_user, true())
    return and_(elsewhere, one_person, km > fastest * _hours(s))


def _hours(s: Any) -> ColumnElement[Any]:
    return seconds_between(s.left_at, s.event_ts) / SECONDS_AN_HOUR


def _candidates(scope: Scope) -> CTE:
    """Days of keys that were used from two countries within the time that a journey round half the Earth takes.

    Their requests are read one by one; nothing is decided here.
    """
    u = scope.usage(account_client_day).c
    key = (u.account_id, u.api_key_hash)
    seen = (
        select(*key, u.day, u.ip_country, func.min(u.limit_km_per_hour_max).label("slowest"))
        .where(u.ip_type.in_(DIRECT), u.ip_country.is_not(None))
        .where(u.n_ok > 0)  # adequacy: equivalent, it only saves reading
        .where(u.api_key_hash.not_in(_declared()))
        .group_by(*key, u.day, u.ip_country)
        .cte("seen")
    )
    s = seen.c
    window: dict[str, Any] = {"partition_by": (s.account_id, s.api_key_hash), "order_by": (s.day, s.ip_country)}
    nights = day_number(s.day) - day_number(func.lag(s.day).over(**window)) - 1
    near = nights * HOURS_A_DAY * s.slowest <= FARTHEST_KM  # adequacy: equivalent, it only saves reading
    elsewhere = s.ip_country != func.lag(s.ip_country).over(**window)
    moved = select(s.account_id, s.api_key_hash, and_(near, elsewhere).label("moved")).subquery("moved").c
    keys = select(moved.account_id, moved.api_key_hash).where(moved.moved).distinct().subquery("moving").c
    return (
        select(s.account_id, s.api_key_hash, s.day, s.ip_country)
        .where(s.account_id == keys.account_id, s.api_key_hash == keys.api_key_hash)
        .cte("candidates")
    )


def _declared() -> Select[Any]:
    """Keys declared serverless; one of which nothing is recorded is not declared."""
    return select(api_keys.c.api_key_hash).where(api_keys.c.serverless)
