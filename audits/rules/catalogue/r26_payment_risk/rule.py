"""R26: an instrument that unrelated accounts share, many declines, a chargeback, an instrument from elsewhere.

A household that shares a card shares its home network as well: a few customers on one instrument who are all seen on
one residential network are a note, not a suspicion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from audits.rules.catalogue.r26_payment_risk.elsewhere import evidence_of, from_elsewhere, not_compared
from audits.rules.catalogue.r26_payment_risk.instruments import holders_of, sharing
from audits.rules.engine.base import SEVERITIES, Found
from audits.rules.engine.customers import open_accounts
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.dialects import ratio
from audits.warehouse.raw_text_sql import short_digest
from audits.warehouse.tables import account_payments, payment_events
from audits.warehouse.vocabulary import word

SHARED, DECLINES, CHARGEBACK, ELSEWHERE = "shared instrument", "declines", "chargeback", "country mismatch"
TRIED = ("charge", "decline")
STRANGE = "what became of a payment is none of charge, decline, refund and chargeback"
LIMITS = (
    "accounts_min", "charges_min", "declines_share_min", "chargebacks_min", "household_share_min",
    "household_customers_max",
)  # fmt: skip
AT_ONE_PLACE = "they work from one residential network, as a household does"
CROWDED = "they work from one residential network, but are too many to be a household"
ANYWHERE = "nothing shows that they are one household"
NUMBER, DAY, TEXT = cast(null(), Float(53)), cast(null(), Date), cast(null(), String)
FIGURES: Mapping[str, ColumnElement[Any]] = {
    "attempts": NUMBER, "share": NUMBER, "countries": TEXT, "instrument": TEXT, "level": TEXT, "first_day": DAY,
    "last_day": DAY, "household_share": NUMBER, "place": TEXT,
}  # fmt: skip
"""The figures that only some kinds of risk have, as they are where a kind lacks them."""


def violations(scope: Scope) -> Select[Any]:
    """Subjects over one of the limits; each kind of risk is a finding of its own.

    Where a limit changes inside the period, each part is held against its own. Of several parts, levels and instruments
    the most severe is reported, then that of the highest level, then the one with the most.
    """
    every = union_all(_shared(scope), _declined(scope), _charged_back(scope), _from_elsewhere(scope)).subquery("every")
    e = every.c
    gravity = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=e.severity)
    order = (
        gravity.desc(), e.level_rank.desc(), e.observed_count.desc(), e.observed_instrument, e.observed_first_day,
        *(e[f"limit_{name}"] for name in LIMITS),
    )  # fmt: skip
    w = worst(every, ("subject_type", "subject_id", "tier", "discriminator"), order)
    return select(*(column for column in w if column.name != "level_rank"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Everyone, where instruments or payments are not recorded at all; those whose countries cannot be compared; and
    those with a payment of which nobody knows what it was.
    """
    a = scope.accounts().c
    missing = ", ".join(
        f"table {one.name}" for one in (account_payments, payment_events) if one.name in scope.unrecorded
    )
    everyone = select(a.account_id, literal(f"not recorded: {missing}").label("reason")).where(literal(missing) != "")
    o, e = open_accounts(scope, closed=True).c, payment_events.c
    strange = select(o.account_id, literal(STRANGE)).where(_paid(o), word(e.event_type).is_(None)).distinct()
    return select(union_all(everyone, not_compared(scope), strange).subquery("unknown"))


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts without any means of payment on record, and without any payment."""
    a = scope.accounts().c
    paying = select(account_payments.c.account_id).union(select(payment_events.c.account_id))
    reason = literal("no means of payment is on record").label("reason")
    recorded = literal(account_payments.name not in scope.unrecorded)
    return select(a.account_id, reason).where(recorded, a.account_id.not_in(paying)).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's payments, its instruments from elsewhere, or everyone who held the instrument that is shared."""
    if found.discriminator == SHARED:
        return holders_of(scope, found)
    if found.discriminator == ELSEWHERE:
        return evidence_of(scope, found)
    e, kinds = payment_events.c, TRIED if found.discriminator == DECLINES else (CHARGEBACK,)
    return (
        select(e.account_id, e.event_ts, e.event_type, e.amount_usd)
        .where(e.account_id == found.subject_id, scope.in_period(e.event_ts), word(e.event_type).in_(kinds))
        .where(scope.in_tier(found, e.event_ts, e.account_id), scope.under_limits(found, e.event_ts))
        .order_by(e.event_ts)
    )


def _risk(
    kind: str, count: Any, subject: tuple[Any, Any, Any], limits: Mapping[str, Any], *, severity: Any = None,
    level_rank: Any = None, **figures: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """One row's columns; ``subject`` is its type, id and tier, and what a kind of risk lacks is NULL."""
    subject_type, subject_id, tier = subject
    return (
        subject_type.label("subject_type"),
        subject_id.label("subject_id"),
        tier.label("tier"),
        literal(kind).label("discriminator"),
        (literal("medium") if severity is None else severity).label("severity"),
        (literal(0) if level_rank is None else level_rank).label("level_rank"),
        literal(kind).label("observed_kind"),
        cast(count, Float(53)).label("observed_count"),
        *(
            cast(figures.get(name, nothing), nothing.type).label(f"observed_{name}")
            for name, nothing in FIGURES.items()
        ),
        *(cast(limits.get(name, null()), Float(53)).label(f"limit_{name}") for name in LIMITS),
    )


def _of_account(a: Any) -> tuple[Any, Any, Any]:
    return literal("account"), a.account_id, a.tier


def _shared(scope: Scope) -> Select[Any]:
    """Accounts and groups with an instrument that other customers hold as well."""
    s = sharing(scope).c
    return select(
        *_risk(
            SHARED, s.parties, (s.subject_type, s.subject_id, s.tier),
            {name: s[f"limit_{name}"] for name in ("accounts_min", "household_share_min", "household_customers_max")},
            severity=case((and_(s.at_one_home, s.few), "low"), else_="medium"),
            level_rank=func.coalesce(s.level_rank, 0),
            instrument=short_digest(s.instrument_hash), level=s.level, first_day=s.first_day, last_day=s.last_day,
            household_share=s.household_share,
            place=case((~s.at_one_home, ANYWHERE), (s.few, AT_ONE_PLACE), else_=CROWDED),
        )
    )  # fmt: skip


def _declined(scope: Scope) -> Select[Any]:
    """Accounts of whose charges many were declined."""
    a, e = open_accounts(scope, closed=True).c, payment_events.c
    tried, declined = func.count(), func.count().filter(word(e.event_type) == "decline")
    limits = {name: a[f"limit_{name}"] for name in ("charges_min", "declines_share_min")}
    share = ratio(declined, tried)
    return (
        select(*_risk(DECLINES, declined, _of_account(a), limits, attempts=tried, share=share))
        .where(_paid(a), word(e.event_type).in_(TRIED))
        .group_by(a.account_id, a.tier, *limits.values())
        .having(tried >= a.limit_charges_min, share >= a.limit_declines_share_min)
    )


def _charged_back(scope: Scope) -> Select[Any]:
    """Accounts of which a payment was charged back, be it after they were closed."""
    a, e = open_accounts(scope, closed=True).c, payment_events.c
    return (
        select(*_risk(CHARGEBACK, func.count(), _of_account(a), {"chargebacks_min": a.limit_chargebacks_min}))
        .where(_paid(a), word(e.event_type) == CHARGEBACK)
        .group_by(a.account_id, a.tier, a.limit_chargebacks_min)
        .having(func.count() >= a.limit_chargebacks_min)
    )


def _from_elsewhere(scope: Scope) -> Select[Any]:
    """Accounts with an instrument from a country that nothing on record explains."""
    e = from_elsewhere(scope)
    return select(*_risk(ELSEWHERE, e.instruments, _of_account(e), {}, severity=e.severity, countries=e.countries))


def _paid(a: Any) -> ColumnElement[bool]:
    """Whether a payment is the account's, under the tier and limits then."""
    e = payment_events.c
    return and_(e.account_id == a.account_id, e.event_ts >= a.valid_from, e.event_ts < a.valid_to)
