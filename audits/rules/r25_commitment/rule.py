"""R25: a calendar month's use against what the customer committed to.

What all of a customer's accounts use draws on the commitment in force at that time: the sum of its contracts, each
whole for the month, however short the part of it in which it held. So a renewal in mid-month is no second commitment,
and a smaller one that follows says nothing of what came before. Months are judged in the period in which they end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
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
    union_all,
)  # fmt: skip

from audits.periods import Period
from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.contracts import held_contracts, in_force
from audits.rules.population import audited_accounts, owners
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import accounts, usage_events

BANDS = ("low_over_factor", "medium_over_factor", "high_over_factor")


def violations(scope: Scope) -> Select[Any]:
    """Customers whose tokens or cost of a month exceed what they committed to."""
    if not (months := _months(scope)):
        a = scope.accounts().c
        return select(a.customer_id.label("subject_id"), a.tier).where(false())
    d, h = _drawn(months).c, _judged(scope, months).c
    piece = (d.customer_id, d.month, d.commit_tokens, d.commit_usd)
    # Added up before it is divided: a commitment that is used up to the last token is used up once, without a rest.
    p = (
        select(*piece, func.sum(d.tokens).label("tokens"), func.sum(d.usd).label("usd"))
        .group_by(*piece)
        .subquery("pieces")
    ).c
    of_tokens, of_usd = func.sum(ratio(p.tokens, p.commit_tokens)), func.sum(ratio(p.usd, p.commit_usd))
    factor = func.greatest(of_tokens, of_usd)  # of what is committed to: NULL counts for nothing
    used = (
        select(
            p.customer_id, p.month, func.sum(p.tokens).label("tokens"), func.sum(p.usd).label("usd"),
            func.max(p.commit_tokens).label("commit_tokens"), func.max(p.commit_usd).label("commit_usd"),
            factor.label("factor"), case((of_tokens == factor, "tokens"), else_="US dollars").label("measure"),
        ).group_by(p.customer_id, p.month)
    ).subquery("used").c  # fmt: skip
    return select(
        used.customer_id.label("subject_id"),
        used.month.label("discriminator"),
        h.tier,
        case(
            (used.factor > h.limit_high_over_factor, "high"),
            (used.factor > h.limit_medium_over_factor, "medium"),
            else_="low",
        ).label("severity"),
        used.month.label("observed_month"),
        used.factor.label("observed_factor"),
        used.measure.label("observed_measure"),
        used.tokens.label("observed_tokens"),
        used.usd.label("observed_usd"),
        used.commit_tokens.label("limit_tokens"),
        used.commit_usd.label("limit_usd"),
        *(h[f"limit_{band}"] for band in BANDS),
    ).where(
        h.customer_id == used.customer_id, h.month == used.month, h.place == 1, used.factor > h.limit_low_over_factor
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts that draw on a commitment in money and whose requests' cost is not recorded for enough of their use."""
    if not (months := _months(scope)):
        return _nobody(scope)
    d = _drawn(months).c
    enough = scope.book.settings(scope.period.last_day).evaluable_share
    costed = or_(d.grain == "bucket", d.known_cost_usd >= enough * d.n_ok)
    of_known_cost = func.sum(d.tokens).filter(costed, d.usd.is_not(None))
    known = func.coalesce(of_known_cost, 0)  # adequacy: equivalent, because any number below zero is too few as well
    return (
        select(d.account_id, literal("not recorded: cost_usd").label("reason"))
        .where(d.commit_usd.is_not(None))
        .group_by(d.account_id)
        .having(known < enough * func.sum(d.tokens))
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts of customers without a commitment, and everyone in a period in which no month ends."""
    a = scope.accounts().c
    if not (months := _months(scope)):
        return select(a.account_id, literal("no calendar month ends in the period").label("reason")).distinct()
    c = held_contracts().c
    committed = select(c.customer_id).where(
        or_(c.commit_tokens.is_not(None), c.commit_usd.is_not(None)),
        c.valid_from < literal(months[-1].end),
        c.valid_to > literal(months[0].start),
    )
    reason = literal("no commitment is on record").label("reason")
    return select(a.account_id, reason).where(a.customer_id.not_in(committed)).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The month's use of all the customer's accounts: requests while a commitment was in force, and buckets."""
    month = replace(scope, period=Period.parse(str(found.observed["month"])[:7]))
    c, a = held_contracts().c, accounts.c
    bound = and_(
        in_force(c, literal(found.subject_id), usage_events.c.event_ts),
        or_(c.commit_tokens.is_not(None), c.commit_usd.is_not(None)),
    )
    everyone = select(a.account_id).where(a.customer_id == found.subject_id)
    return month.usage_of(everyone, exists(select(c.contract_id).where(bound)))


def _months(scope: Scope) -> tuple[Period, ...]:
    """The calendar months that end in the period: in a row, as days are."""
    days = scope.period.days
    return tuple(Period.of(day, "month") for day in days if (day + timedelta(days=1)).day == 1)


def _nobody(scope: Scope) -> Select[Any]:
    a = scope.accounts().c
    return select(a.account_id, literal("").label("reason")).where(false())


def _drawn(months: tuple[Period, ...]) -> Subquery:
    """Use of the months by account and slice, under whatever tier, with the commitment in force at its time."""
    d, c, owner = account_day.c, held_contracts().c, owners().c
    month = case(*((d.day <= literal(one.last_day), literal(one.first_day, Date)) for one in months)).label("month")
    row = (
        owner.customer_id, month, d.account_id, d.slice_start, d.source_system, d.grain, d.n_ok, d.known_cost_usd,
        (d.input_tokens + d.output_tokens).label("tokens"), d.cost_usd.label("usd"),
    )  # fmt: skip
    return (
        select(*row, func.sum(c.commit_tokens).label("commit_tokens"), func.sum(c.commit_usd).label("commit_usd"))
        .where(d.day.between(months[0].first_day, months[-1].last_day), owner.account_id == d.account_id)
        .where(
            in_force(c, owner.customer_id, d.slice_start), or_(c.commit_tokens.is_not(None), c.commit_usd.is_not(None))
        )
        .group_by(*row)
        .subquery("drawn")
    )


def _judged(scope: Scope, months: tuple[Period, ...]) -> Subquery:
    """Customers by month under the tiers held then, the highest at ``place`` 1, with the bands on the month's last day.

    Only what was held in the audited period counts: the month may have begun before it.
    """
    a, b = audited_accounts.c, scope.limit_rows().c
    bands = [b[f"limit_{band}"] for band in BANDS]
    by_month = [
        select(a.customer_id, literal(month.first_day, Date).label("month"), a.tier, a.tier_rank, *bands).where(
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
