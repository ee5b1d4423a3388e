"""R15: a customer whose ultimate parent is in a territory in which the service is not offered. A fact on record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, or_, select

from audits.rules.engine.base import Found
from audits.rules.engine.customers import gaps_in_records, owned_accounts, together
from audits.rules.engine.population import account_owners
from audits.rules.engine.scope import Scope
from audits.warehouse.dimensions import customers_in_force

NOT_OFFERED = ("unsupported", "sanctioned")
STRANGE = "the status of a territory is none of supported, unsupported and sanctioned"


def violations(scope: Scope) -> Select[Any]:
    """Customers owned from where the service is not offered: by majority, by a large part, or to an unknown part.

    Owner, territory, tier and limits are those that held together at some time of the period. Of several such times the
    most severe is reported, of those the one under the highest tier, as for groups, and then the latest.
    """
    p, r, t = owned_accounts(scope).c, customers_in_force().c, scope.territories().c
    owned = r.parent_ownership_pct
    begin = func.greatest(p.valid_from, r.valid_from, t.valid_from)
    until = func.least(p.valid_to, r.valid_to, t.valid_to)
    severity = case((owned > p.limit_critical_over_percent, "critical"), else_="medium")
    worst = func.row_number().over(
        partition_by=p.customer_id, order_by=(severity, p.tier_rank.desc(), until.desc(), begin, t.status)
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
    """Accounts of customers whose parent was not on record at some time, which is not to say that they had none, or was
    where the status of the territory is none of the words agreed on.

    What one account's time in the period leaves open, it leaves open for all accounts of the customer.
    """
    o, gap = account_owners.c, gaps_in_records(scope, lambda record: record.parent_country.is_not(None)).c
    unknown = o.customer_id.in_(select(gap.customer_id))
    strange = o.customer_id.in_(_owned_from_strange(scope))
    reason = case((unknown, "not recorded: parent_country"), else_=STRANGE).label("reason")
    return select(o.account_id, o.customer_id, reason).where(or_(unknown, strange))


def _owned_from_strange(scope: Scope) -> Select[Any]:
    """``customer_id`` of those whose parent, with a part that counts, was at some time where such a word is said."""
    p, r, t = owned_accounts(scope).c, customers_in_force().c, scope.territories().c
    begin = func.greatest(p.valid_from, r.valid_from, t.valid_from)
    same_time = begin < func.least(p.valid_to, r.valid_to, t.valid_to)
    owned = r.parent_ownership_pct
    counts = or_(owned.is_(None), owned >= p.limit_medium_from_percent)
    strange = and_(t.country == r.parent_country, t.status.is_(None))
    return select(p.customer_id).where(together(p, r), strange, same_time, counts)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The customer's record of ownership in force in the period that the finding states."""
    c, percent = customers_in_force([found.subject_id]).c, found.observed["ownership_percent"]
    owned = c.parent_ownership_pct.is_(None) if percent is None else c.parent_ownership_pct == Decimal(str(percent))
    return (
        select(c.customer_id, c.country, c.parent_country, c.parent_ownership_pct, c.valid_from, c.valid_to)
        .where(c.valid_from < literal(scope.period.end), c.valid_to > literal(scope.period.start))
        .where(c.parent_country == found.observed["parent_country"], owned)
        .order_by(c.valid_from)
    )
