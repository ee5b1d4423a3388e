"""R15: a customer whose ultimate parent is in a territory in which the service is not offered. A fact on record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, case, func, literal, or_, select

from audits.rules.base import Found
from audits.rules.customers import held_records, open_accounts, together
from audits.rules.scope import Scope
from audits.warehouse.tables import customers

NOT_OFFERED = ("unsupported", "sanctioned")


def violations(scope: Scope) -> Select[Any]:
    """Customers owned from where the service is not offered: by majority, by a large part, or to an unknown part.

    Owner, territory, tier and limits are those that held together at some time of the period; of several such times the
    gravest is reported, of those alike the latest.
    """
    p, r, t = open_accounts(scope).c, held_records().c, scope.territories().c
    owned = r.parent_ownership_pct
    begin = func.greatest(p.valid_from, r.valid_from, t.valid_from)
    until = func.least(p.valid_to, r.valid_to, t.valid_to)
    severity = case((owned > p.limit_critical_over_percent, "critical"), else_="medium")
    worst = func.row_number().over(
        partition_by=p.customer_id, order_by=(severity, until.desc(), p.tier_rank.desc(), begin, t.status)
    )
    found = (
        select(
            p.customer_id, p.tier, severity.label("severity"), r.parent_country, owned.label("owned"),
            p.limit_critical_over_percent, p.limit_medium_from_percent, worst.label("place"),
        )
        .where(together(p, r), t.country == r.parent_country, t.status.in_(NOT_OFFERED), begin < until)
        .where(or_(owned.is_(None), owned >= p.limit_medium_from_percent))
        .subquery("found")
    ).c  # fmt: skip
    return select(
        found.customer_id.label("subject_id"),
        found.tier,
        found.severity,
        found.parent_country.label("observed_parent_country"),
        found.owned.label("observed_ownership_percent"),
        found.limit_critical_over_percent,
        found.limit_medium_from_percent,
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of customers whose parent is not on record: that is not to say that they have none."""
    p, r = open_accounts(scope), held_records()
    return (
        select(p.c.account_id, literal("not recorded: parent_country").label("reason"))
        .select_from(p.outerjoin(r, together(p.c, r.c)))
        .where(r.c.parent_country.is_(None))
        .distinct()
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The customer's record of ownership."""
    c = customers.c
    return (
        select(c.customer_id, c.country, c.parent_country, c.parent_ownership_pct, c.valid_from, c.valid_to)
        .where(c.customer_id == found.subject_id, c.valid_from < literal(scope.period.end))
        .order_by(c.valid_from)
    )
