"""R29: customers on a sanctions list, and customers whose identity is not verified, or not recently.

Facts on record: what screening and verification say is taken over, never inferred.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Float,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.rules.base import SEVERITIES, Found
from audits.rules.customers import held_records, open_accounts, together
from audits.rules.population import held_tiers, owners
from audits.rules.scope import Scope
from audits.warehouse.dialects import seconds_between
from audits.warehouse.tables import customers, sanctions

A_DAY = 86_400.0  # seconds


def violations(scope: Scope) -> Select[Any]:
    """Customers with a confirmed or candidate match; with identity unverified for too long, or verified too long ago.

    Identity is judged through the whole period, not at its end alone: of what was wrong with a customer at any time of
    it, the gravest is reported, under the tier held then.
    """
    every = union_all(_matched(scope), _unverified(scope), _outdated(scope)).subquery("every").c
    gravity = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=every.severity)
    worst = func.row_number().over(
        partition_by=(every.subject_id, every.discriminator),
        order_by=(gravity.desc(), every.tier_rank.desc(), every.observed_days.desc()),
    )
    found = select(*every, worst.label("place")).subquery("found").c
    return select(*(c for c in found if c.name not in ("place", "tier_rank"))).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of customers of which too little is recorded: no screening, no status of identity, or no date of it."""
    p, r = open_accounts(scope), held_records()
    screened = literal("sanctions" not in scope.unrecorded)
    undated = and_(r.c.kyc_status == "verified", r.c.kyc_verified_at.is_(None))
    unknown = and_(p.c.limit_verification_required, r.c.kyc_status.is_(None))
    reason = case(
        (~screened, "not recorded: table sanctions"),
        (undated, "not recorded: kyc_verified_at"),
        else_="not recorded: kyc_status",
    )
    return (
        select(p.c.account_id, func.min(reason).label("reason"))
        .select_from(p.outerjoin(r, together(p.c, r.c)))
        .where(or_(~screened, undated, unknown))
        .group_by(p.c.account_id)
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The customer's entries on sanctions lists, or its record of identity."""
    s, c = sanctions.c, customers.c
    if found.discriminator == "sanctions":
        return (
            select(s.list_name, s.entry_id, s.customer_id, s.match_status, s.as_of)
            .where(s.customer_id == found.subject_id, s.as_of < literal(scope.period.end))
            .order_by(s.as_of, s.list_name, s.entry_id)
        )
    return (
        select(c.customer_id, c.kyc_status, c.kyc_verified_at, c.valid_from, c.valid_to)
        .where(c.customer_id == found.subject_id, c.valid_from < literal(scope.period.end))
        .order_by(c.valid_from)
    )


def _matched(scope: Scope) -> Select[Any]:
    """Customers with a match that stands, under the highest tier of the period."""
    p, m = open_accounts(scope).c, _matches(scope).c
    confirmed = m.confirmed > 0
    highest = func.row_number().over(partition_by=p.customer_id, order_by=p.tier_rank.desc()).label("place")
    held = select(p.customer_id, p.tier, p.tier_rank, highest).subquery("held").c
    return select(
        held.customer_id.label("subject_id"),
        held.tier,
        held.tier_rank,
        literal("sanctions").label("discriminator"),
        case((confirmed, "critical"), else_="medium").label("severity"),
        case((confirmed, "confirmed sanctions match"), else_="candidate sanctions match").label("observed_state"),
        m.entries.label("observed_matches"),
        cast(null(), Float(53)).label("observed_days"),
        cast(null(), Float(53)).label("limit_days"),
    ).where(m.customer_id == held.customer_id, held.place == 1)


def _unverified(scope: Scope) -> Select[Any]:
    """Customers whose status was another than verified for too long in tiers that ask for identity."""
    p, r = open_accounts(scope).c, held_records().c
    unverified = select(r.customer_id, r.valid_from, r.valid_to).where(r.kyc_status != "verified")
    u, t = _runs(unverified, "unverified").c, _runs(_asked(scope), "asked").c
    days = seconds_between(func.greatest(u.valid_from, t.valid_from), func.least(p.valid_to, u.valid_to)) / A_DAY
    grave = days > p.limit_unverified_high_days
    return select(
        p.customer_id, p.tier, p.tier_rank, literal("identity"), case((grave, "high"), else_="medium"),
        literal("identity not verified"), literal(0), days,
        case((grave, p.limit_unverified_high_days), else_=p.limit_unverified_medium_days),
    ).where(
        p.limit_verification_required, together(p, u), together(p, t), days > p.limit_unverified_medium_days
    )  # fmt: skip


def _outdated(scope: Scope) -> Select[Any]:
    """Customers whose verification was too long ago: a note where the tier asks for none."""
    p, r = open_accounts(scope).c, held_records().c
    days = seconds_between(r.kyc_verified_at, func.least(p.valid_to, r.valid_to)) / A_DAY
    return select(
        p.customer_id, p.tier, p.tier_rank, literal("identity"),
        case((p.limit_verification_required, "medium"), else_="low"),
        literal("identity verified long ago"), literal(0), days, p.limit_verification_max_age_days,
    ).where(together(p, r), r.kyc_status == "verified", days > p.limit_verification_max_age_days)  # fmt: skip


def _asked(scope: Scope) -> Select[Any]:
    """When a customer had an open account in a tier that asks for identity, however long before the period."""
    first, last = scope.period.first_day, scope.period.last_day
    asking = {r.tier for r in scope.book.limits(scope.spec.id, first, last) if r.values["verification_required"]}
    h, o = held_tiers([tier.id for tier in scope.book.tiers]).c, owners().c
    end = func.least(h.ends, o.closed_at).label("valid_to")  # of what is known: NULL counts for nothing
    begun = h.valid_from < end  # adequacy: equivalent, because a span without length has no moment in common with any
    return select(o.customer_id, h.valid_from, end).where(
        h.account_id == o.account_id, h.tier.in_(sorted(asking)), begun
    )


def _runs(spans: Select[Any], name: str) -> Subquery:
    """Spans of a customer, those as one that overlap or follow upon each other."""
    s = spans.subquery("spans").c
    order = (s.valid_from, s.valid_to)
    reached = func.max(s.valid_to).over(partition_by=s.customer_id, order_by=order, rows=(None, -1))
    begins = case((reached >= s.valid_from, 0), else_=1)  # adequacy: equivalent, because numbers only tell runs apart
    b = select(*s, begins.label("begins")).subquery("begun").c
    number = func.sum(b.begins).over(partition_by=b.customer_id, order_by=(b.valid_from, b.valid_to), rows=(None, 0))
    n = select(*b, number.label("run")).subquery("numbered").c
    return (
        select(n.customer_id, func.min(n.valid_from).label("valid_from"), func.max(n.valid_to).label("valid_to"))
        .group_by(n.customer_id, n.run)
        .subquery(name)
    )


def _matches(scope: Scope) -> Subquery:
    """Customers with matches that stand: of each list's entry the newest word counts, so that a cleared one is gone."""
    s = sanctions.c
    gravity = {"confirmed": 0, "candidate": 1}  # adequacy: equivalent, because only their order counts
    graver = case(gravity, value=s.match_status, else_=2)  # adequacy: equivalent, as above
    newest = func.row_number().over(
        partition_by=(s.list_name, s.entry_id, s.customer_id), order_by=(s.as_of.desc(), graver)
    )
    word = (
        select(s.customer_id, s.match_status, newest.label("place"))
        .where(s.as_of < literal(scope.period.end), s.customer_id.is_not(None))
        .subquery("word")
    ).c
    return (
        select(
            word.customer_id,
            func.count().label("entries"),
            func.count().filter(word.match_status == "confirmed").label("confirmed"),
        )
        .where(word.place == 1, word.match_status.in_(("confirmed", "candidate")))
        .group_by(word.customer_id)
        .subquery("matches")
    )
