"""R24: somebody tries keys: many that do not exist, many failures, or a success after a row of failures.

One key that expired is a forgotten setting, however often it is tried: its failures count nowhere. Nor does any single
key that fails make a success of others' keys a guess: whoever guesses tries several.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, or_, select, true

from audits.rollups.auth_day import auth_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.dialects import seconds_between, utc_day
from audits.warehouse.tables import Instant, auth_events

FAILED = ("invalid_key", "revoked_key", "forbidden")
FORGOTTEN = 1  # key that may have expired unnoticed
LIMITS = ("invalid_keys_a_day", "failures_a_day", "failures_before_success")
AN_HOUR = 3600.0  # seconds


def violations(scope: Scope) -> Select[Any]:
    """Networks over a limit on a day, or from which an account was entered for the first time after a row of failures.

    A network has no tier: the strictest limits of the day decide, and the tier named is that of the account entered.
    """
    d, g, a = _days(scope).c, _guesses(scope), audited_accounts.c
    over = or_(d.invalid_keys >= d.limit_invalid_keys_a_day, d.failures >= d.limit_failures_a_day)
    n = (
        select(
            d.client_net_hash,
            func.max(d.invalid_keys).label("invalid_keys"),
            func.max(d.failures).label("failures"),
            func.count().filter(over).label("days_over"),
            *(func.min(d[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(d.client_net_hash)
        .subquery("networks")
    )
    judged = [tier.id for tier in scope.book.tiers if tier.id in {row.tier for row in scope.limits}]
    held = and_(a.account_id == g.c.account_id, g.c.at >= a.valid_from, g.c.at < a.valid_to, a.tier.in_(judged))
    return (
        select(
            n.c.client_net_hash.label("subject_id"),
            a.account_id,
            func.coalesce(a.tier, *judged[:1]).label("tier"),
            n.c.invalid_keys.label("observed_peak_invalid_keys_a_day"),
            n.c.failures.label("observed_peak_failures_a_day"),
            n.c.days_over.label("observed_days_over"),
            func.coalesce(g.c.entered, 0).label("observed_accounts_entered"),
            *(n.c[f"limit_{name}"] for name in LIMITS),
        )
        .select_from(n.outerjoin(g, g.c.client_net_hash == n.c.client_net_hash).outerjoin(audited_accounts, held))
        .where(or_(n.c.days_over > 0, g.c.entered.is_not(None)))
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Everyone, where nothing is recorded of attempts in the period, or not from which network they came."""
    a, d = scope.accounts(), auth_day.c
    total, located = func.sum(d.n_attempts), func.sum(d.n_attempts).filter(d.client_net_hash.is_not(None))
    enough = scope.book.settings(scope.period.last_day).evaluable_share
    some = func.coalesce(located, 0)  # adequacy: equivalent, because any number below zero is too few as well
    none, unlocated = total.is_(None), some < enough * total
    reason = case((none, "not recorded: auth_events in the period"), else_="not recorded: client_net_hash")
    known = (
        select(reason.label("reason"))
        .where(d.day.between(scope.period.first_day, scope.period.last_day))
        .having(or_(none, unlocated))
        .subquery("known")
    )
    everyone = a.join(known, true())  # adequacy: equivalent, because no reason is no doubt
    return select(a.c.account_id, known.c.reason).select_from(everyone).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The network's attempts in the period, and what failed shortly before it."""
    a = auth_events.c
    return (
        select(a.auth_event_id, a.event_ts, a.client_net_hash, a.api_key_hash, a.account_id, a.outcome)
        .where(a.client_net_hash == found.subject_id, _around(scope))
        .where(or_(scope.in_period(a.event_ts), a.outcome != "ok"))
        .distinct()
        .order_by(a.event_ts, a.auth_event_id)
    )


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
    return select(day, *(strict[f"limit_{name}"] for name in LIMITS)).where(strict.day == day.c.day).subquery("days")


def _guesses(scope: Scope) -> Subquery:
    """Networks from which accounts were entered for the first time after a row of failures; the first such account.

    New is a network from which the account was not entered in the baseline either. How many attempts failed before that
    instant only the attempts themselves can tell; they are read for these few networks.
    """
    d, a, strict = auth_day.c, auth_events.c, _strictest(scope).c
    who = func.coalesce(d.account_id, d.api_key_hash)
    at = func.min(d.first_ts)
    first = (
        select(d.client_net_hash, who.label("who"), func.min(d.account_id).label("account_id"), at.label("at"))
        .where(d.outcome == "ok", d.client_net_hash.is_not(None))
        .where(d.day.between(scope.baseline_from, scope.period.last_day))
        .group_by(d.client_net_hash, who)
        .having(at >= literal(scope.period.start, Instant))
        .subquery("first")
    ).c
    f = (
        select(a.auth_event_id, a.client_net_hash, a.api_key_hash, a.outcome, a.event_ts)
        .where(_around(scope), a.outcome != "ok")
        .distinct()
        .subquery("failed")
    ).c
    soon = seconds_between(f.event_ts, first.at) <= strict.limit_hours_before_success * AN_HOUR
    entered = (first.client_net_hash, first.who, first.account_id, first.at, strict.limit_failures_before_success)
    guessed = (
        select(first.client_net_hash, first.account_id, first.at)
        .where(f.client_net_hash == first.client_net_hash, f.event_ts < first.at, soon)
        .where(strict.day == utc_day(first.at))
        .group_by(*entered)
        .having(_failures(f.outcome, f.api_key_hash, literal(1)) >= strict.limit_failures_before_success)
        .having(or_(func.count(f.api_key_hash.distinct()) > FORGOTTEN, func.count(f.api_key_hash) == 0))
        .subquery("guessed")
    ).c
    place = func.row_number().over(partition_by=guessed.client_net_hash, order_by=(guessed.at, guessed.account_id))
    count = func.count().over(partition_by=guessed.client_net_hash)
    g = select(*guessed, count.label("entered"), place.label("place")).subquery("placed").c
    return select(g.client_net_hash, g.account_id, g.at, g.entered).where(g.place == 1).subquery("guesses")


def _strictest(scope: Scope) -> Subquery:
    """The lowest of all tiers' limits on each day of the period."""
    limits = scope.limit_rows().c
    day = select(auth_day.c.day).distinct().subquery("any_day").c.day
    lowest = [func.min(limits[f"limit_{name}"]) for name in LIMITS]
    window = func.max(limits.limit_hours_before_success).label("limit_hours_before_success")
    return (
        select(day, *(one.label(f"limit_{name}") for one, name in zip(lowest, LIMITS, strict=True)), window)
        .where(limits.from_day <= day, limits.to_day > day)
        .group_by(day)
        .subquery("strictest")
    )


def _failures(outcome: ColumnElement[str], key: ColumnElement[str], n: ColumnElement[int]) -> ColumnElement[int]:
    """How many attempts failed; of expired keys only where there are several."""
    expired = outcome == "expired_key"
    several = func.count(key.distinct()).filter(expired) > FORGOTTEN
    failed = func.coalesce(func.sum(n).filter(outcome.in_(FAILED)), 0)
    forgotten: ColumnElement[int] = case((several, func.sum(n).filter(expired)), else_=0)
    return failed + forgotten


def _around(scope: Scope) -> ColumnElement[bool]:
    """Whether an attempt lies in the period or in the hours before it that the book looks back."""
    # Beyond it nothing is asked for: the bounds only spare the reading, and serve the evidence.
    back = [row.values["hours_before_success"] for row in scope.limits]
    hours = max((float(one) for one in back), default=0.0)  # type: ignore[arg-type]  # adequacy: equivalent, as said
    start, end = literal(scope.period.start - timedelta(hours=hours)), literal(scope.period.end)
    return and_(auth_events.c.event_ts >= start, auth_events.c.event_ts < end)  # adequacy: equivalent, as said
