"""R29: customers on a sanctions list, and customers whose identity is not verified, or not recently.

Facts on record: what screening and verification say is taken over, never inferred.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, Subquery, and_, case, func, literal, null, or_, select, union_all

from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import seconds_between
from audits.warehouse.tables import customers, sanctions

SECONDS_PER_DAY = 86_400.0


def violations(scope: Scope) -> Select[Any]:
    """Customers with a confirmed or candidate match, unverified for too long, or verified too long ago."""
    p, m = _customers(scope).c, _matches(scope).c
    end = literal(scope.period.end)
    age = func.floor(seconds_between(p.kyc_verified_at, end) / SECONDS_PER_DAY)
    waiting = func.floor(seconds_between(p.since, end) / SECONDS_PER_DAY)
    unverified = or_(p.kyc_status.is_(None), p.kyc_status != "verified")
    matched = select(
        p.customer_id.label("subject_id"),
        p.tier,
        literal("sanctions").label("discriminator"),
        case((m.confirmed > 0, "critical"), else_="medium").label("severity"),
        case((m.confirmed > 0, "confirmed sanctions match"), else_="candidate sanctions match").label("observed_state"),
        (m.confirmed + m.candidates).label("observed_matches"),
        null().label("observed_days"),
        null().label("limit_days"),
    ).where(m.customer_id == p.customer_id)
    late = select(
        p.customer_id, p.tier, literal("identity"),
        case((waiting > p.limit_unverified_high_days, "high"), else_="medium"),
        literal("identity not verified"), literal(0), waiting,
        case(
            (waiting > p.limit_unverified_high_days, p.limit_unverified_high_days),
            else_=p.limit_unverified_medium_days,
        ),
    ).where(p.limit_verification_required, unverified, waiting > p.limit_unverified_medium_days)  # fmt: skip
    old = select(
        p.customer_id, p.tier, literal("identity"), literal("medium"), literal("identity verified long ago"),
        literal(0), age, p.limit_verification_max_age_days,
    ).where(p.kyc_status == "verified", age > p.limit_verification_max_age_days)  # fmt: skip
    return select(union_all(matched, late, old).subquery("cases"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The customer's entries on sanctions lists, or its record of identity."""
    s, c = sanctions.c, customers.c
    if found.discriminator == "sanctions":
        return select(s.list_name, s.entry_id, s.customer_id, s.match_status, s.as_of).where(
            s.customer_id == found.subject_id, s.as_of < literal(scope.period.end)
        )
    return select(c.customer_id, c.kyc_status, c.kyc_verified_at, c.valid_from, c.valid_to).where(
        c.customer_id == found.subject_id, c.valid_from < literal(scope.period.end)
    )


def _customers(scope: Scope) -> Subquery:
    """Customers at the end of the period, each under its highest tier and with since when it has it."""
    a, c = scope.accounts().c, customers.c
    newest = func.row_number().over(partition_by=c.customer_id, order_by=c.valid_from.desc()).label("newest")
    record = (
        select(c.customer_id, c.kyc_status, c.kyc_verified_at, newest)
        .where(c.valid_from < literal(scope.period.end))
        .subquery("record")
    ).c
    limits = ("verification_required", "unverified_medium_days", "unverified_high_days", "verification_max_age_days")
    first = (
        func.row_number().over(partition_by=a.customer_id, order_by=(a.tier_rank.desc(), a.valid_from)).label("first")
    )
    held = select(
        a.customer_id, a.tier, a.valid_from.label("since"), first, *(a[f"limit_{name}"] for name in limits)
    ).subquery("held").c  # fmt: skip
    return (
        select(
            held.customer_id, held.tier, held.since, record.kyc_status, record.kyc_verified_at,
            *(held[f"limit_{name}"] for name in limits),
        )
        .where(held.first == 1, record.customer_id == held.customer_id, record.newest == 1)
        .subquery("people")
    )  # fmt: skip


def _matches(scope: Scope) -> Subquery:
    """Customers with matches that stand: of each list's entry the newest word counts, so that a cleared one is gone."""
    s = sanctions.c
    newest = (
        func.row_number()
        .over(partition_by=(s.list_name, s.entry_id, s.customer_id), order_by=s.as_of.desc())
        .label("newest")
    )
    word = (
        select(s.customer_id, s.match_status, newest)
        .where(s.as_of < literal(scope.period.end), s.customer_id.is_not(None))
        .subquery("word")
    ).c
    return (
        select(
            word.customer_id,
            func.count().filter(word.match_status == "confirmed").label("confirmed"),
            func.count().filter(word.match_status == "candidate").label("candidates"),
        )
        .where(and_(word.newest == 1, word.match_status.in_(("confirmed", "candidate"))))
        .group_by(word.customer_id)
        .subquery("matches")
    )
