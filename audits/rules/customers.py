"""What is on record of customers, with when it held, for rules about who they are.

What holds at any time of the period counts, not what is left at its end: the law decides that was in force at the time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, func, literal, select

from audits.rules.population import FAR, audited_accounts, owners
from audits.rules.scope import Scope
from audits.warehouse.dialects import midnight
from audits.warehouse.tables import Instant, customers


def held_records() -> Subquery:
    """The versions of a customer's record: ``customer_id``, what they say, ``valid_from`` and ``valid_to``.

    ``valid_to`` is exclusive and never NULL: a version that nobody closed ends where the next one begins.
    """
    c = customers.c
    said = (c.country, c.parent_country, c.parent_ownership_pct, c.kyc_status, c.kyc_verified_at)
    after = func.lead(c.valid_from).over(partition_by=c.customer_id, order_by=(c.valid_from, *said))
    valid_to = func.least(func.coalesce(c.valid_to, FAR), func.coalesce(after, FAR)).label("valid_to")
    return select(c.customer_id, *said, c.valid_from, valid_to).subquery("record")


def open_accounts(scope: Scope, *, closed: bool = False) -> Subquery:
    """When in the period an account was open under one tier and one set of limits; or, with ``closed``, had been.

    Columns: ``account_id``, ``customer_id``, ``tier``, ``tier_rank``, ``valid_from``, ``valid_to``, ``limit_...``.
    """
    a, o, limits = audited_accounts.c, owners().c, scope.limit_rows()
    start = func.greatest(a.valid_from, midnight(limits.c.from_day), literal(scope.period.start, Instant))
    ends = (a.valid_to, midnight(limits.c.to_day), literal(scope.period.end, Instant))
    end = func.least(*ends) if closed else func.least(*ends, o.closed_at)  # NULL counts for nothing: not closed
    return (
        select(
            a.account_id, a.customer_id, a.tier, a.tier_rank, start.label("valid_from"), end.label("valid_to"),
            *(c for c in limits.c if c.name.startswith("limit_")),
        )
        .where(limits.c.tier == a.tier, o.account_id == a.account_id, start < end)
        .subquery("open_accounts")
    )  # fmt: skip


def together(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two spans of a customer, by their columns, have a moment in common."""
    same = one.customer_id == other.customer_id
    return and_(same, one.valid_from < other.valid_to, one.valid_to > other.valid_from)
