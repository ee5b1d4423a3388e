"""R17: one key in many hands: many networks, many providers and many kinds of client on the same days."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)

from audits.rollups.account_client_day import account_client_day
from audits.rules.engine.base import Found
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.scope import Scope
from audits.rules.engine.serverless import declared_serverless
from audits.warehouse.tables import usage_events

CLIENTS = {"networks": "client_net_hash", "asns": "ip_asn", "agents": "user_agent_family"}
LIMITS = (*(f"{kind}_min" for kind in CLIENTS), "days_min")
KEY = ("api_key_hash", "account_id", "tier")
UNKNOWN = "not recorded: api_key_hash, client_net_hash, ip_asn or user_agent_family"


def violations(scope: Scope) -> Select[Any]:
    """Keys over the limits for networks, autonomous systems and agent families at once, on enough days.

    A key is judged as it is presented, whichever accounts its use is booked on: there is a row for each of them, with
    what the key did on all others and on this one in its tier. Each day is held against the limits of that day; all
    days over count, and what is shown beside limits was seen on days on which these were in force.
    """
    days = _days_over(_known(scope))
    d = days.c
    key, limits = [d[name] for name in KEY], [d[f"limit_{name}"] for name in LIMITS]
    all_days = (
        select(*key, func.count().label("days_over"), listed(d.day).label("on_days"))
        .group_by(*key)
        .subquery("all_days")
    ).c
    peaks = (
        select(*key, *limits, *(func.max(d[kind]).label(kind) for kind in CLIENTS), func.count().label("days"))
        .group_by(*key, *limits)
        .subquery("peaks")
    ).c
    most = func.row_number().over(
        partition_by=[peaks[name] for name in KEY],
        order_by=(peaks.days.desc(), *(peaks[f"limit_{name}"] for name in LIMITS)),
    )
    found = (
        select(*peaks, all_days.days_over, all_days.on_days, most.label("place"))
        .where(*(peaks[name] == all_days[name] for name in KEY), all_days.days_over >= peaks.limit_days_min)
        .subquery("found")
    ).c
    return select(
        found.api_key_hash.label("subject_id"),
        found.account_id,
        found.account_id.label("discriminator"),
        found.tier,
        *(found[kind].label(f"observed_peak_{kind}_a_day") for kind in CLIENTS),
        found.days_over.label("observed_days_over"),
        found.on_days.label("observed_on_days"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of which a key would be over the limits if every request that lacks a client came from another one.

    Requests without a key may have been made with any one that the account used on the day, or with one more.
    """
    d = _days_over(union_all(select(_known(scope)), *_without_key(scope)).subquery("perhaps"), unknown=True).c
    key = [d[name] for name in KEY]
    keys = select(*key).group_by(*key).having(func.count() >= func.min(d.limit_days_min)).subquery("keys").c
    return select(keys.account_id, keys.tier, literal(UNKNOWN).label("reason")).distinct()


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts that used no other keys than those declared to run on changing addresses."""
    u = scope.usage(account_client_day).c
    undeclared = func.count().filter(~declared_serverless(scope, u))
    reason = literal("every key used is declared serverless").label("reason")
    return select(u.account_id, reason).group_by(u.account_id).having(undeclared == 0)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The key's successful requests on the days over, with the network, provider and kind of client of each."""
    e = usage_events.c
    others = e.account_id.not_in(found.account_ids)
    of_key = (e.api_key_hash == found.subject_id, e.status_code < 400, or_(others, scope.in_tier(found)))
    return scope.events_of(None, *of_key, on_listed_days(found)).add_columns(
        e.client_net_hash, e.ip_asn, e.user_agent_family
    )


def _days_over(rows: FromClause, *, unknown: bool = False) -> CTE:
    """The days on which all three limits are reached at once, by key, account, tier and limits.

    With ``unknown``, each request that lacks a client counts as another one.
    """
    r: Any = rows.c

    def distinct(column: ColumnElement[Any]) -> ColumnElement[int]:
        known = func.count(column.distinct())
        return known + func.coalesce(func.sum(r.n_ok).filter(column.is_(None)), 0) if unknown else known

    seen = {kind: distinct(r[name]) for kind, name in CLIENTS.items()}
    day = [*(r[name] for name in KEY), r.day, *(r[f"limit_{name}"] for name in LIMITS)]
    return (
        select(*day, *(number.label(kind) for kind, number in seen.items()))
        .group_by(*day)
        .having(and_(*(number >= r[f"limit_{kind}_min"] for kind, number in seen.items())))
        .cte("days_over")
    )


def _known(scope: Scope) -> Subquery:
    """What is counted for each key, account and tier on a day: a row for each client, with its successful requests."""
    u, day = _used(scope).c, _days_of(scope, named=True)
    mine = or_(u.account_id != day.account_id, u.tier == day.tier)
    same = and_(u.api_key_hash == day.api_key_hash, u.day == day.day)
    return select(*day, *(u[name] for name in CLIENTS.values()), u.n_ok).where(same, mine).subquery("known")


def _without_key(scope: Scope) -> Iterator[Select[Any]]:
    """The same of requests without a key: once for each key of the account on the day, and once for an unknown one."""
    for named in (True, False):
        u, day = _used(scope).c, _days_of(scope, named=named)
        same = and_(u.account_id == day.account_id, u.tier == day.tier, u.day == day.day, u.api_key_hash.is_(None))
        yield select(*day, *(u[name] for name in CLIENTS.values()), u.n_ok).where(same)


def _days_of(scope: Scope, *, named: bool) -> Any:
    if named:
        return _days_in_question(scope).c
    u = _used(scope).c
    return select(*_day_of_key(u)).where(u.api_key_hash.is_(None)).distinct().subquery("days_of_keys").c


def _day_of_key(u: Any) -> list[ColumnElement[Any]]:
    return [u[name] for name in (*KEY, "day", *(f"limit_{name}" for name in LIMITS))]


@computed_once
def _days_in_question(scope: Scope) -> Select[Any]:
    """Days of keys that may reach the limit for networks, by account, tier and limits; nothing is decided here.

    Those with enough clients, if each request that lacks one came from another, and all of an account that makes
    requests without a key.
    """
    u = _used(scope).c
    unknown = or_(*(u[name].is_(None) for name in CLIENTS.values()))  # adequacy: equivalent, it only saves work
    clients = func.sum(case((unknown, u.n_ok), else_=1))  # adequacy: equivalent, as above
    many = (
        select(u.api_key_hash, u.day)
        .where(u.api_key_hash.is_not(None))
        .group_by(u.api_key_hash, u.day)
        .having(clients >= func.min(u.limit_networks_min))
    )
    keyless = select(u.account_id).where(u.api_key_hash.is_(None))  # adequacy: equivalent, as above
    in_question = or_(tuple_(u.api_key_hash, u.day).in_(many), u.account_id.in_(keyless))
    return select(*_day_of_key(u)).where(u.api_key_hash.is_not(None), in_question).distinct()


@computed_once
def _used(scope: Scope) -> Select[Any]:
    """Successful use of the period with keys that are not declared serverless."""
    u = scope.usage(account_client_day).c
    clients = (u[name] for name in CLIENTS.values())
    return select(*_day_of_key(u), *clients, u.n_ok).where(u.n_ok > 0, ~declared_serverless(scope, u))
