"""R26: an instrument that unrelated accounts share, many declines, a chargeback."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, and_, case, cast, func, literal, null, or_, select, union_all

from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.population import audited_accounts
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import account_payments, payment_events

LIMITS = ("accounts_min", "charges_min", "declines_share_min", "chargebacks_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts over one of the limits; each kind of risk is a finding of its own."""
    return select(union_all(_shared(scope), _declined(scope), _charged_back(scope)).subquery("risks"))


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts without any means of payment on record."""
    a = scope.accounts().c
    paying = select(account_payments.c.account_id)
    reason = literal("no means of payment is on record").label("reason")
    return select(a.account_id, reason).where(a.account_id.not_in(paying)).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's payments, or the accounts that share its instrument."""
    p, e = account_payments.c, payment_events.c
    if found.discriminator == "shared instrument":
        own = select(p.instrument_hash).where(p.account_id.in_(found.account_ids))
        return select(p.account_id, p.instrument_hash, p.instrument_type, p.valid_from, p.valid_to).where(
            p.instrument_hash.in_(own), p.valid_from < literal(scope.period.end)
        )
    return (
        select(e.account_id, e.event_ts, e.event_type, e.amount_usd)
        .where(e.account_id == found.subject_id, scope.in_period(e.event_ts))
        .order_by(e.event_ts)
    )


def _risk(kind: str, figure: Any, share: Any, limit: Any, *, unit: Any, subject: Any, tier: Any) -> tuple[Any, ...]:
    return (
        unit.label("subject_type"),
        subject.label("subject_id"),
        tier.label("tier"),
        literal(kind).label("discriminator"),
        literal(kind).label("observed_kind"),
        cast(figure, Float(53)).label("observed_count"),
        cast(share, Float(53)).label("observed_share"),
        cast(limit, Float(53)).label("limit_count"),
    )


def _account(a: Any) -> dict[str, Any]:
    return {"unit": literal("account"), "subject": a.account_id, "tier": a.tier}


def _shared(scope: Scope) -> Select[Any]:
    """Accounts whose instrument other customers use as well; accounts of one customer are one."""
    held, groups, p, everyone = scope.accounts(), scope.groups(), account_payments.c, audited_accounts.c
    a, g = held.c, groups.c
    in_force = and_(
        p.valid_from < literal(scope.period.end), or_(p.valid_to.is_(None), p.valid_to > literal(scope.period.start))
    )
    active = select(account_day.c.account_id).where(
        account_day.c.day.between(scope.period.first_day, scope.period.last_day)
    )
    owners = (
        select(p.instrument_hash, func.count(everyone.customer_id.distinct()).label("owners"))
        .where(in_force, everyone.account_id == p.account_id, p.account_id.in_(active))
        .group_by(p.instrument_hash)
        .subquery("owners")
    ).c
    # Linked accounts are one finding: a card that a pool of forty shares is one thing to decide about, not forty.
    sharing = (
        select(
            case((g.group_id.is_(None), "account"), else_="group").label("unit"),
            func.coalesce(g.group_id, a.account_id).label("subject"),
            func.coalesce(g.tier, a.tier).label("tier"),
            owners.owners,
            a.limit_accounts_min,
        )
        .select_from(held.outerjoin(groups, g.account_id == a.account_id))
        .where(in_force, p.account_id == a.account_id, owners.instrument_hash == p.instrument_hash)
        .where(a.account_id.in_(active), owners.owners >= a.limit_accounts_min)
        .subquery("sharing")
    ).c
    most, limit = func.max(sharing.owners), func.max(sharing.limit_accounts_min)
    who = {"unit": sharing.unit, "subject": sharing.subject, "tier": sharing.tier}
    return select(*_risk("shared instrument", most, null(), limit, **who)).group_by(
        sharing.unit, sharing.subject, sharing.tier
    )


def _declined(scope: Scope) -> Select[Any]:
    a, e = scope.accounts().c, payment_events.c
    tried = func.count().filter(e.event_type.in_(("charge", "decline")))
    declined = func.count().filter(e.event_type == "decline")
    return (
        select(*_risk("declines", declined, ratio(declined, tried), func.max(a.limit_charges_min), **_account(a)))
        .where(e.account_id == a.account_id, scope.in_period(e.event_ts))
        .where(e.event_ts >= a.valid_from, e.event_ts < a.valid_to)
        .group_by(a.account_id, a.tier)
        .having(tried >= func.max(a.limit_charges_min), ratio(declined, tried) >= func.max(a.limit_declines_share_min))
    )


def _charged_back(scope: Scope) -> Select[Any]:
    a, e = scope.accounts().c, payment_events.c
    backs = func.count().filter(e.event_type == "chargeback")
    return (
        select(*_risk("chargeback", backs, null(), func.max(a.limit_chargebacks_min), **_account(a)))
        .where(e.account_id == a.account_id, scope.in_period(e.event_ts))
        .where(e.event_ts >= a.valid_from, e.event_ts < a.valid_to)
        .group_by(a.account_id, a.tier)
        .having(backs >= func.max(a.limit_chargebacks_min))
    )
