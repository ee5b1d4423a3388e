"""R25: a calendar month's use against what the customer committed to.

What all of a customer's accounts use draws on the commitment in force at that time, whole for the month, however short
the part of it in which it held. So a renewal in mid-month is no second commitment,
and a smaller one that follows says nothing of what came before. Months are judged in the period in which they end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    Subquery,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)

from audits.periods import Period
from audits.rollups.account_day import account_day, by_last_day
from audits.rules.engine.base import Found
from audits.rules.engine.population import account_owners, audited_accounts
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import counted
from audits.warehouse.dialects import ratio
from audits.warehouse.dimensions import commitments_in_force
from audits.warehouse.tables import accounts, usage_buckets
from audits.warehouse.validity import holds

BANDS = {"high_over_factor": "high", "medium_over_factor": "medium", "low_over_factor": "low"}
"""Each band's limit and severity, the most severe first."""
PARTLY = "a usage bucket belongs to the commitment in part"
MEASURES = {"tokens": "tokens", "usd": "US dollars"}


def violations(scope: Scope) -> Select[Any]:
    """Customers whose tokens or cost of a month exceed what they committed to.

    Told are the limit of the band that was reached, and of tokens and dollars those that exceed their commitment.
    """
    if not (months := _months(scope)):
        a = scope.accounts().c
        return select(a.customer_id.label("subject_id"), a.tier).where(false())
    u, h = _used(scope, months).c, _judged(scope, months).c
    factor = func.greatest(u.factor_of_tokens, u.factor_of_usd)  # of what is committed to: NULL counts for nothing
    bands = [(factor > h[f"limit_{name}"], name) for name in BANDS]
    reached = case(*bands)
    over = {name: u[f"factor_of_{name}"] > h.limit_low_over_factor for name in MEASURES}
    return select(
        u.customer_id.label("subject_id"),
        u.month.label("discriminator"),
        h.tier,
        case(BANDS, value=reached).label("severity"),
        u.month.label("observed_month"),
        factor.label("observed_factor"),
        case((u.factor_of_tokens == factor, MEASURES["tokens"]), else_=MEASURES["usd"]).label("observed_measure"),
        *(case((over[name], u[name])).label(f"observed_{name}") for name in MEASURES),
        *(case((over[name], ratio(u[name], u[f"factor_of_{name}"]))).label(f"limit_{name}") for name in MEASURES),
        *(case((reached == name, h[f"limit_{name}"])).label(f"limit_{name}") for name in BANDS),
    ).where(h.customer_id == u.customer_id, h.month == u.month, h.place == 1, factor > h.limit_low_over_factor)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of customers that draw on a commitment with buckets that may belong elsewhere, or without a cost.

    Elsewhere is before or after the month, or under another commitment.
    """
    a = scope.accounts().c
    if not (months := _months(scope)):
        return select(a.account_id, literal("").label("reason")).where(false())
    d, o = _drawn(scope, months).c, account_owners.c
    unpriced = select(d.customer_id).where(d.commit_usd.is_not(None), d.n_unpriced > 0)
    doubts = ((unpriced, "not recorded: cost_usd"), (_partly_drawn(scope, months), PARTLY))
    customers = [(o.customer_id.in_(of), literal(reason)) for of, reason in doubts]
    reason = case(*customers).label("reason")
    return select(o.account_id, o.customer_id, reason).where(or_(*(doubted for doubted, _ in customers)))


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts and customers without a commitment, and everyone in a period in which no month ends."""
    a, o = scope.accounts().c, account_owners.c
    if not (months := _months(scope)):
        return select(a.account_id, literal("no calendar month ends in the period").label("reason")).distinct()
    c = commitments_in_force().c
    committed = select(c.customer_id).where(
        c.valid_from < literal(months[-1].end), c.valid_to > literal(months[0].start)
    )
    reason = literal("no commitment is on record").label("reason")
    return select(o.account_id, o.customer_id, reason).where(o.customer_id.not_in(committed))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The month's requests and buckets of all the customer's accounts while a commitment was in force."""
    month = replace(scope, period=Period.parse(str(found.observed["month"])[:7]))
    c, a = commitments_in_force().c, accounts.c
    everyone = select(a.account_id).where(a.customer_id == found.subject_id)
    used = month.usage_of(everyone).subquery("used")
    u = used.c
    whole = and_(holds(c, u.at), u.until <= c.valid_to)
    bound = exists(select(c.customer_id).where(c.customer_id == found.subject_id, whole))
    return (
        select(used)
        .where(bound, u.until <= literal(month.period.end))
        .order_by(u.at, u.event_id, u.api_key_hash, u.model)
    )


def _used(scope: Scope, months: tuple[Period, ...]) -> Subquery:
    """A customer's ``tokens`` and ``usd`` of a month, each as a multiple of its commitment: ``factor_of_...``.

    Where the commitment changes inside the month, each part of the use is held against the commitment at its time, and
    the parts are added up.
    """
    d = _drawn(scope, months).c
    part = (d.customer_id, d.month, d.commit_tokens, d.commit_usd)
    # Added up before it is divided: a commitment that is used up to the last token is used up once, without a rest.
    p = (
        select(*part, func.sum(d.tokens).label("tokens"), func.sum(d.usd).label("usd"))
        .group_by(*part)
        .subquery("parts")
    ).c
    return (
        select(
            p.customer_id, p.month,
            *(func.sum(p[name]).filter(p[f"commit_{name}"].is_not(None)).label(name) for name in MEASURES),
            *(func.sum(ratio(p[name], p[f"commit_{name}"])).label(f"factor_of_{name}") for name in MEASURES),
        )
        .group_by(p.customer_id, p.month)
        .subquery("used")
    )  # fmt: skip


def _months(scope: Scope) -> tuple[Period, ...]:
    """The calendar months that end in the period: in a row, as days are."""
    days = scope.period.days
    return tuple(Period.of(day, "month") for day in days if (day + timedelta(days=1)).day == 1)


def _drawn(scope: Scope, months: tuple[Period, ...]) -> Subquery:
    """Use of the months by account and slice, under whatever tier, with the commitment in force all the time of it."""
    d, c, owner = by_last_day().c, commitments_in_force().c, account_owners.c
    in_month = [and_(d.first_day >= literal(one.first_day), d.day <= literal(one.last_day)) for one in months]
    month = case(*zip(in_month, (literal(one.first_day, Date) for one in months), strict=True)).label("month")
    row = (
        owner.customer_id, month, d.account_id, d.slice_start, d.used_until, d.source_system, d.n_unpriced,
        (counted(scope, d, "input_tokens") + counted(scope, d, "output_tokens")).label("tokens"),
        counted(scope, d, "cost_usd").label("usd"),
    )  # fmt: skip
    return (
        select(*row, c.commit_tokens, c.commit_usd)
        .where(or_(*in_month), owner.account_id == d.account_id)
        .where(c.customer_id == owner.customer_id, holds(c, d.slice_start), d.used_until <= c.valid_to)
        .subquery("drawn")
    )


def _partly_drawn(scope: Scope, months: tuple[Period, ...]) -> Select[Any]:
    """``customer_id``: customers with buckets that may draw on a commitment and that :func:`_drawn` does not count."""
    d, c, owner, drawn = account_day.c, commitments_in_force().c, account_owners.c, _drawn(scope, months).c
    u, start, end = usage_buckets.c, literal(months[0].start), literal(months[-1].end)
    whole = exists(
        select(drawn.account_id).where(
            drawn.account_id == d.account_id, drawn.slice_start == d.slice_start,
            drawn.source_system == d.source_system, drawn.used_until == d.used_until,
        )
    )  # fmt: skip
    bound = and_(c.valid_from < d.used_until, c.valid_to > d.slice_start)
    days = d.day.between(months[0].first_day, months[-1].last_day)
    of_months = (
        select(owner.customer_id)
        .where(d.grain == "bucket", days, owner.account_id == d.account_id)
        .where(c.customer_id == owner.customer_id, bound, ~whole)
    )
    into_them = (
        select(owner.customer_id)
        .where(owner.account_id == u.account_id, or_(u.input_tokens > 0, u.output_tokens > 0))
        .where(or_(*(_reaches_into(u, one.start) for one in months)))
        .where(c.customer_id == owner.customer_id, c.valid_from < u.bucket_end, c.valid_to > start)
        .where(c.valid_from < end)
    )
    return select(union(of_months, into_them).subquery("partly_drawn").c.customer_id)


def _reaches_into(bucket: Any, start: datetime) -> ColumnElement[bool]:
    return and_(bucket.bucket_start < literal(start), bucket.bucket_end > literal(start))


def _judged(scope: Scope, months: tuple[Period, ...]) -> Subquery:
    """Customers by month under the tiers held then, the highest at ``place`` 1, with the bands on the month's last day.

    Only what was held in the audited period counts: the month may have begun before it.
    """
    a, o, b = audited_accounts.c, account_owners.c, scope.limit_rows().c
    bands = [b[f"limit_{band}"] for band in BANDS]
    by_month = [
        select(o.customer_id, literal(month.first_day, Date).label("month"), a.tier, a.tier_rank, *bands).where(
            o.account_id == a.account_id,
            a.valid_from < literal(month.end),
            a.valid_to > literal(max(month.start, scope.period.start)),
            b.tier == a.tier,
            b.from_day <= literal(month.last_day),
            b.to_day > literal(month.last_day),
        )
        for month in months
    ]
    h = union_all(*by_month).subquery("held").c
    place = func.row_number().over(partition_by=(h.customer_id, h.month), order_by=h.tier_rank.desc()).label("place")
    return select(*h, place).subquery("judged")
