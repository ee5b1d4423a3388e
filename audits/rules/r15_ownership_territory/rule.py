"""R15: a customer whose ultimate parent is in an unsupported territory."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select

from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import customers


def violations(scope: Scope) -> Select[Any]:
    """Customers owned from unsupported territory: by majority, by a large part, or to an unknown part."""
    c, t = _owned(scope)
    owned = c.parent_ownership_pct
    return select(
        c.customer_id.label("subject_id"),
        c.tier,
        case((owned > c.limit_critical_over_percent, "critical"), else_="medium").label("severity"),
        c.parent_country.label("observed_parent_country"),
        owned.label("observed_ownership_percent"),
        c.limit_critical_over_percent,
        c.limit_medium_from_percent,
    ).where(
        t.c.country == c.parent_country,
        t.c.status.in_(("unsupported", "sanctioned")),
        and_(t.c.valid_from < literal(scope.period.end), t.c.valid_to >= literal(scope.period.end)),
        or_(owned.is_(None), owned >= c.limit_medium_from_percent),
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts of customers that have no parent on record but are themselves registered."""
    a, c = scope.accounts().c, customers.c
    alone = select(c.customer_id).where(c.parent_country.is_(None), c.country.is_not(None))
    return select(a.account_id, literal("no parent company is on record").label("reason")).where(
        a.customer_id.in_(alone)
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The customer's record of ownership."""
    c = customers.c
    return select(c.customer_id, c.country, c.parent_country, c.parent_ownership_pct, c.valid_from, c.valid_to).where(
        c.customer_id == found.subject_id, c.valid_from < literal(scope.period.end)
    )


def _owned(scope: Scope) -> tuple[Any, Any]:
    a, c = scope.accounts().c, customers.c
    newest = func.row_number().over(partition_by=c.customer_id, order_by=c.valid_from.desc()).label("newest")
    record = (
        select(c.customer_id, c.parent_country, c.parent_ownership_pct, newest)
        .where(c.valid_from < literal(scope.period.end))
        .subquery("record")
    ).c
    first = func.row_number().over(partition_by=a.customer_id, order_by=(a.tier_rank.desc(), a.valid_from))
    held = select(
        a.customer_id, a.tier, a.limit_critical_over_percent, a.limit_medium_from_percent, first.label("first")
    ).subquery("held").c  # fmt: skip
    people = (
        select(*held, record.parent_country, record.parent_ownership_pct)
        .where(held.first == 1, record.customer_id == held.customer_id, record.newest == 1)
        .subquery("people")
    )
    return people.c, scope.territories()
