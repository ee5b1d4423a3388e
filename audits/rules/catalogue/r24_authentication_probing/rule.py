"""R24: somebody tries keys: many that do not exist, many failures, or a success after a row of failures.

One key that expired is a forgotten setting, however often it is tried: its failures count nowhere. A network has no
tier: the strictest limits of the day decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
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

from audits.quality import SIGN_INS
from audits.rollups.auth_day import auth_day
from audits.rules.engine.base import Found
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.population import audited_accounts
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import of_worst, worst_first
from audits.warehouse.dialects import day_number, least_text, seconds_between, utc_day
from audits.warehouse.tables import Instant, auth_events
from audits.warehouse.vocabulary import word

FAILED = ("invalid_key", "revoked_key", "forbidden")
EXPIRED = "expired_key"
FORGOTTEN = 1  # key that may have expired unnoticed
TRIED = "keys tried"
STRANGE = "what an attempt came to is none of ok, invalid_key, expired_key, revoked_key and forbidden"
AN_HOUR = 3600.0  # seconds


def violations(scope: Scope) -> Select[Any]:
    """Networks over a limit on a day; and, of each account entered after a row of failures, the network again."""
    return select(union_all(_tried(scope), _entered(scope)).subquery("found"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Everyone, where no attempt of the period is recorded; accounts whose entry may have followed failures; and those
    whose attempts, or those from a network that they used, came to what nobody knows.

    Failures from a network that is not recorded may be from any; so may a success.
    """
    a, d = scope.accounts(), auth_day.c
    none = (
        select(literal("not recorded: auth_events in the period").label("reason"))
        .select_from(auth_day)
        .where(d.day.between(scope.period.first_day, scope.period.last_day))
        .having(func.count() == 0)
    ).subquery("none")  # fmt: skip
    everyone = select(a.c.account_id, none.c.reason).select_from(a.join(none, true())).distinct()
    e = _entries(scope).c
    least = e.limit_failures_before_success
    missing = case((e.of_any_key >= least, "api_key_hash"), else_="client_net_hash")
    doubtful = select(e.account_id, func.concat("not recorded: ", missing)).where(
        e.failures < least, e.at_most >= least
    )
    return select(union_all(everyone, doubtful.distinct(), _of_strange_outcome(scope)).subquery("unknown"))


def _of_strange_outcome(scope: Scope) -> Select[Any]:
    d, in_period = auth_day.c, auth_day.c.day.between(scope.period.first_day, scope.period.last_day)
    strange = and_(in_period, d.outcome.is_(None))
    own, network = (select(one).where(strange, one.is_not(None)) for one in (d.account_id, d.client_net_hash))
    touched = or_(d.account_id.in_(own), d.client_net_hash.in_(network))
    return select(d.account_id, literal(STRANGE)).where(d.account_id.is_not(None), in_period, touched).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The failed attempts from the network that were counted: on the days over, or before the entry, and the entry."""
    a = auth_events.c
    if found.discriminator == TRIED:
        day = utc_day(a.event_ts)
        counted = and_(
            scope.in_period(a.event_ts),
            on_listed_days(found, a.event_ts),
            _is_failure(found.subject_id, lambda e: utc_day(e.event_ts) == day),
        )
    else:
        at = datetime.fromisoformat(str(found.observed["entered_at"]))
        since = at - timedelta(hours=float(found.limits["hours_before_success"]))
        before = _is_failure(found.subject_id, lambda e: and_(e.event_ts >= literal(since), e.event_ts < literal(at)))
        counted = or_(before, and_(a.event_ts == literal(at), word(a.outcome) == "ok"))
    return (
        select(a.auth_event_id, a.event_ts, a.client_net_hash, a.api_key_hash, a.account_id, a.outcome)
        .where(a.client_net_hash == found.subject_id, counted, scope.sound(SIGN_INS, utc_day(a.event_ts)))
        .distinct()
        .order_by(a.event_ts, a.auth_event_id)
    )


def _tried(scope: Scope) -> Select[Any]:
    """Networks with days over a limit, and the worst day of each limit that was broken."""
    d, lowest = _days(scope).c, next(iter(_judged(scope)), "")
    keys, failures = d.invalid_keys >= d.limit_invalid_keys_a_day, d.failures >= d.limit_failures_a_day
    network = (d.client_net_hash,)
    p = select(
        *d, keys.label("over_keys"), failures.label("over_failures"),
        worst_first(keys, d.invalid_keys, d.day, network).label("keys_place"),
        worst_first(failures, d.failures, d.day, network).label("failures_place"),
    ).where(or_(keys, failures)).subquery("days_over").c  # fmt: skip

    def of_keys(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return of_worst(p.keys_place, column, p.over_keys)

    def of_failures(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return of_worst(p.failures_place, column, p.over_failures)

    return select(
        p.client_net_hash.label("subject_id"),
        cast(null(), String).label("account_id"),
        literal(lowest).label("tier"),
        literal(TRIED).label("discriminator"),
        of_keys(p.invalid_keys).label("observed_peak_invalid_keys_a_day"),
        of_failures(p.failures).label("observed_peak_failures_a_day"),
        func.count().label("observed_days_over"),
        listed(p.day).label("observed_on_days"),
        cast(null(), Instant).label("observed_entered_at"),
        cast(null(), Integer).label("observed_failures_before_entry"),
        of_keys(p.limit_invalid_keys_a_day).label("limit_invalid_keys_a_day"),
        of_failures(p.limit_failures_a_day).label("limit_failures_a_day"),
        cast(null(), Float(53)).label("limit_failures_before_success"),
        cast(null(), Float(53)).label("limit_hours_before_success"),
    ).group_by(p.client_net_hash)


def _entered(scope: Scope) -> Select[Any]:
    """Networks from which an account was entered for the first time after a row of failures: a row for each account."""
    e, a, lowest = _entries(scope).c, audited_accounts.c, next(iter(_judged(scope)), "")
    place = func.row_number().over(partition_by=(e.client_net_hash, e.account_id), order_by=(e.at, e.failures.desc()))
    first = select(*e, place.label("place")).where(e.failures >= e.limit_failures_before_success).subquery("first")
    f = first.c
    held = and_(a.account_id == f.account_id, f.at >= a.valid_from, f.at < a.valid_to, a.tier.in_(_judged(scope)))
    nothing = [cast(null(), kind) for kind in (Integer, Integer, Integer, String)]
    return (
        select(
            f.client_net_hash, a.account_id, func.coalesce(a.tier, lowest), func.coalesce(f.account_id, ""),
            *nothing, f.at, f.failures, cast(null(), Float(53)), cast(null(), Float(53)),
            f.limit_failures_before_success, f.limit_hours_before_success,
        )
        .select_from(first.outerjoin(audited_accounts, held))
        .where(f.place == 1)
    )  # fmt: skip


def _days(scope: Scope) -> Subquery:
    """Each network's days of the period with what failed on them, and the strictest limits."""
    d, strict = auth_day.c, _strictest(scope).c
    day = (
        select(
            d.client_net_hash,
            d.day,
            func.count(d.api_key_hash.distinct()).filter(d.outcome == "invalid_key").label("invalid_keys"),
            _failures(d.outcome, d.api_key_hash, d.n_attempts).label("failures"),
        )
        .where(d.client_net_hash.is_not(None), d.day.between(scope.period.first_day, scope.period.last_day))
        .group_by(d.client_net_hash, d.day)
        .subquery("day")
    )
    limits = (strict.limit_invalid_keys_a_day, strict.limit_failures_a_day)
    return select(day, *limits).where(strict.day == day.c.day).subquery("days")


def _entries(scope: Scope) -> Subquery:
    """Accounts' successes of the period from networks new to them, with the number of failed attempts before.

    ``failures`` are from the same network; ``of_any_key`` counts those of expired keys that are not recorded as well,
    and ``at_most`` those from networks that are not recorded, too. How many failed before an instant only the attempts
    themselves can tell; they are read for networks that are new to somebody. Of a success from a network that is not
    recorded (NULL), all failures of the days around may be.
    """
    first, strict, around = _first(scope), _strictest(scope), _failed_around(scope)
    f, day, failed = first.c, strict.join(around, strict.c.day == around.c.day), _failed(scope)
    a, limits = failed.c, (strict.c.limit_failures_before_success, strict.c.limit_hours_before_success)
    soon = seconds_between(a.event_ts, f.at) <= strict.c.limit_hours_before_success * AN_HOUR
    before = and_(a.client_net_hash == f.client_net_hash, a.event_ts < f.at, soon)
    failures, expired = _failures(a.outcome, a.api_key_hash, literal(1)), a.outcome == EXPIRED
    keyless = case((func.count().filter(expired) > func.count(a.api_key_hash).filter(expired), func.count(a.outcome)))
    of_any_key = func.greatest(failures, keyless)
    known = (
        select(
            f.client_net_hash,
            f.account_id,
            f.at,
            failures.label("failures"),
            of_any_key.label("of_any_key"),
            (of_any_key + around.c.unlocated).label("at_most"),
            *limits,
        )
        .select_from(first.join(day, strict.c.day == utc_day(f.at)).outerjoin(failed, before))
        .group_by(f.client_net_hash, f.who, f.account_id, f.at, *limits, around.c.unlocated)
    )
    d = auth_day.c
    unknown = (
        select(d.client_net_hash, d.account_id, d.last_ts, literal(0), literal(0), around.c.every, *limits)
        .select_from(auth_day.join(day, strict.c.day == d.day))
        .where(d.outcome == "ok", d.client_net_hash.is_(None))
        .where(d.day.between(scope.period.first_day, scope.period.last_day))
    )
    return union_all(known, unknown).subquery("entries")


def _first(scope: Scope) -> Subquery:
    """The first success of each account, or of each key whose account is not recorded, from each network.

    New is a network from which it had none in the baseline either.
    """
    d = auth_day.c
    who, at = func.coalesce(d.account_id, d.api_key_hash), func.min(d.first_ts)
    return (
        select(d.client_net_hash, who.label("who"), least_text(d.account_id).label("account_id"), at.label("at"))
        .where(d.outcome == "ok", d.client_net_hash.is_not(None))
        .where(d.day.between(scope.baseline_from, scope.period.last_day))
        .group_by(d.client_net_hash, who)
        .having(at >= literal(scope.period.start, Instant))
        .subquery("first")
    )


def _failed(scope: Scope) -> Subquery:
    """The failed attempts of the period and of the hours before it, each once."""
    a = auth_events.c
    start, end = literal(scope.period.start - timedelta(hours=_hours(scope))), literal(scope.period.end)
    return (
        select(a.auth_event_id, a.client_net_hash, a.api_key_hash, word(a.outcome), a.event_ts)
        .where(a.event_ts >= start, a.event_ts < end, word(a.outcome) != "ok", a.client_net_hash.is_not(None))
        .where(scope.sound(SIGN_INS, utc_day(a.event_ts)))
        .distinct()
        .subquery("failed")
    )


def _failed_around(scope: Scope) -> Subquery:
    """For each day the failed attempts of it and of the days looked back on: ``every``, and ``unlocated`` ones."""
    d, days = auth_day.c, select(auth_day.c.day).distinct().subquery("days_of_attempts").c
    number, back = day_number(days.day), math.ceil(_hours(scope) / 24)
    n = case((d.outcome.is_distinct_from("ok"), d.n_attempts), else_=0)
    return (
        select(
            days.day, func.sum(n).label("every"),
            func.coalesce(func.sum(n).filter(d.client_net_hash.is_(None)), 0).label("unlocated"),
        )
        .where(day_number(d.day).between(number - back, number))
        .group_by(days.day)
        .subquery("failed_around")
    )  # fmt: skip


def _strictest(scope: Scope) -> Subquery:
    """The lowest of all tiers' limits on each day of the period."""
    limits = scope.limit_rows().c
    day = select(auth_day.c.day).distinct().subquery("any_day").c.day
    lowest = ("invalid_keys_a_day", "failures_a_day", "failures_before_success")
    return (
        select(
            day, *(func.min(limits[f"limit_{name}"]).label(f"limit_{name}") for name in lowest),
            func.max(limits.limit_hours_before_success).label("limit_hours_before_success"),
        )
        .where(limits.from_day <= day, limits.to_day > day)
        .group_by(day)
        .subquery("strictest")
    )  # fmt: skip


def _hours(scope: Scope) -> float:
    """How many hours the book looks back at most."""
    hours = [float(row.values["hours_before_success"]) for row in scope.limits]  # type: ignore[arg-type]
    return max(hours, default=0.0)


def _judged(scope: Scope) -> list[str]:
    """The tiers for which the book has limits, lowest first."""
    held = {row.tier for row in scope.limits}
    return [tier.id for tier in scope.book.tiers if tier.id in held]


def _failures(outcome: ColumnElement[str], key: ColumnElement[str], n: ColumnElement[int]) -> ColumnElement[int]:
    """How many attempts failed; of expired keys only where there are several."""
    expired = outcome == EXPIRED
    several = func.count(key.distinct()).filter(expired) > FORGOTTEN
    failed = func.coalesce(func.sum(n).filter(outcome.in_(FAILED)), 0)
    forgotten: ColumnElement[int] = case((several, func.sum(n).filter(expired)), else_=0)
    return failed + forgotten


def _is_failure(network: str, in_time: Callable[[Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Evidence: whether an attempt is one of the failures that :func:`_failures` counts of those in a time."""
    a, e = auth_events.c, auth_events.alias("expired").c
    keys = select(func.count(e.api_key_hash.distinct()))
    several = (
        keys.where(e.client_net_hash == network, word(e.outcome) == EXPIRED, in_time(e)).scalar_subquery() > FORGOTTEN
    )
    outcome = word(a.outcome)
    return and_(in_time(a), or_(outcome.in_(FAILED), and_(outcome == EXPIRED, several)))
