"""R25: a calendar month's use against what the customer committed to.

A contract that held for part of the month is measured against that part of its commitment. Months are judged in the
period in which they end.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Date, Float, Numeric, Select, and_, case, cast, column, false, func, literal, or_, select, values

from audits.periods import Period
from audits.rollups.account_day import account_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio, seconds_between
from audits.warehouse.tables import Instant, accounts, contracts, usage_events


def violations(scope: Scope) -> Select[Any]:
    """Customers whose tokens or cost of a month exceed what the contracts in force committed them to."""
    months = _months(scope)
    if not months:
        a = scope.accounts().c
        return select(a.customer_id.label("subject_id"), a.tier).where(false())
    u, c = scope.usage(account_day, baseline=True), contracts.c
    m = values(
        column("month", Date), column("starts", Instant), column("ends", Instant), name="months"
    ).data([(month.first_day, month.start, month.end) for month in months])  # fmt: skip
    starts, ends = cast(m.c.starts, Instant), cast(m.c.ends, Instant)
    in_force = and_(
        c.customer_id == u.c.customer_id,
        u.c.slice_start >= c.valid_from,
        or_(c.valid_to.is_(None), u.c.slice_start < c.valid_to),
    )
    share = seconds_between(
        func.greatest(starts, c.valid_from), func.least(ends, func.coalesce(c.valid_to, ends))
    ) / seconds_between(starts, ends)
    bands = ("low_over_factor", "medium_over_factor", "high_over_factor")
    by_contract = (
        select(
            u.c.customer_id, c.contract_id, m.c.month,
            func.max(u.c.tier_rank).label("rank"),
            func.sum(u.c.input_tokens + u.c.output_tokens).label("tokens"),
            func.sum(u.c.cost_usd).label("usd"),
            func.max(cast(c.commit_tokens, Float(53)) * share).label("commit_tokens"),
            func.max(cast(c.commit_usd, Float(53)) * share).label("commit_usd"),
            *(func.max(u.c[f"limit_{band}"]).label(band) for band in bands),
        )
        .select_from(u.join(contracts, in_force).join(m, and_(u.c.slice_start >= starts, u.c.slice_start < ends)))
        .group_by(u.c.customer_id, c.contract_id, m.c.month)
        .subquery("by_contract")
    ).c  # fmt: skip
    by_month = (
        select(
            by_contract.customer_id, by_contract.month,
            func.max(by_contract.rank).label("rank"),
            func.sum(by_contract.tokens).label("tokens"),
            func.sum(by_contract.usd).label("usd"),
            func.sum(by_contract.commit_tokens).label("commit_tokens"),
            func.sum(by_contract.commit_usd).label("commit_usd"),
            *(func.max(by_contract[band]).label(band) for band in bands),
        )
        .group_by(by_contract.customer_id, by_contract.month)
        .subquery("by_month")
    ).c  # fmt: skip
    used = select(
        *by_month,
        func.greatest(
            func.coalesce(ratio(by_month.tokens, by_month.commit_tokens), 0.0),
            func.coalesce(ratio(cast(by_month.usd, Numeric), by_month.commit_usd), 0.0),
        ).label("factor"),
    ).subquery("used").c  # fmt: skip
    return select(
        used.customer_id.label("subject_id"),
        used.month.label("discriminator"),
        scope.tier_at(used.rank).label("tier"),
        case(
            (used.factor > used.high_over_factor, "high"),
            (used.factor > used.medium_over_factor, "medium"),
            else_="low",
        ).label("severity"),
        used.month.label("observed_month"),
        used.factor.label("observed_factor"),
        used.tokens.label("observed_tokens"),
        used.usd.label("observed_usd"),
        used.commit_tokens.label("limit_tokens"),
        used.commit_usd.label("limit_usd"),
        *(used[band].label(f"limit_{band}") for band in bands),
    ).where(used.factor > used.low_over_factor)


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts of customers without a commitment, and everyone in a period in which no month ends."""
    a = scope.accounts().c
    if not (months := _months(scope)):
        return select(a.account_id, literal("no calendar month ends in the period").label("reason")).distinct()
    c = contracts.c
    committed = select(c.customer_id).where(
        or_(c.commit_tokens.is_not(None), c.commit_usd.is_not(None)),
        c.valid_from < literal(months[-1].end),
        or_(c.valid_to.is_(None), c.valid_to > literal(months[0].start)),
    )
    reason = literal("no commitment is on record").label("reason")
    return select(a.account_id, reason).where(a.customer_id.not_in(committed)).distinct()


def evidence(_scope: Scope, found: Found) -> Select[Any]:
    """The month's requests of all the customer's accounts."""
    month = Period.parse(str(found.observed["month"])[:7])
    e, a = usage_events.c, accounts.c
    return (
        select(e.event_id, e.event_ts, e.account_id, e.model_requested, e.input_tokens, e.output_tokens, e.cost_usd)
        .where(e.account_id.in_(select(a.account_id).where(a.customer_id == found.subject_id)))
        .where(e.event_ts >= literal(month.start), e.event_ts < literal(month.end))
        .order_by(e.event_ts, e.event_id)
    )


def _months(scope: Scope) -> tuple[Period, ...]:
    """The calendar months that end in the period."""
    days = scope.period.days
    return tuple(Period.of(day, "month") for day in days if (day + timedelta(days=1)).day == 1)
