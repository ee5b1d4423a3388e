"""When a customer's accounts were open, for rules about who a customer is.

What holds at any time of the period counts, not what is left at its end: the law decides that was in force at the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, case, exists, func, literal, select, union_all

from audits.rules.engine.population import account_owners, audited_accounts, first_owners
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import midnight
from audits.warehouse.dimensions import customers_in_force
from audits.warehouse.tables import Instant
from audits.warehouse.validity import holds, overlap


def open_accounts(scope: Scope, *, closed: bool = False) -> Subquery:
    """When in the period an account was open under one tier and one set of limits; or, with ``closed``, had been.

    Columns: ``account_id``, ``customer_id``, ``tier``, ``tier_rank``, ``valid_from``, ``valid_to``, ``limit_...``.
    """
    a, o, limits = audited_accounts.c, first_owners().c, scope.limit_rows()
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


def owned_accounts(scope: Scope) -> Subquery:
    """:func:`open_accounts` of every customer: an account that belongs to several appears once for each."""
    opened, o = open_accounts(scope), account_owners.c
    others = [column for column in opened.c if column.name != "customer_id"]
    return select(o.customer_id, *others).where(o.account_id == opened.c.account_id).subquery("owned_accounts")


def together(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two intervals of a customer, by their columns, have an instant in common."""
    return and_(one.customer_id == other.customer_id, overlap(one, other))


def told_apart(account_id: ColumnElement[str], customer_id: ColumnElement[str]) -> ColumnElement[str]:
    """The discriminator of what holds for one customer of an account: empty, unless the account has several."""
    o = account_owners.c
    owners = select(func.count()).where(o.account_id == account_id).scalar_subquery()
    return case((owners > 1, customer_id), else_="")


def gaps_in_records(scope: Scope, is_known: Callable[[Any], ColumnElement[bool]]) -> Subquery:
    """Accounts and customers that at some time of the period had no record in force that is known: what was then?

    ``is_known`` says it of a record's columns. Such a time begins with the account's, or where a known record ends.
    """
    p, r = owned_accounts(scope).c, customers_in_force().c
    known = select(r.customer_id, r.valid_from, r.valid_to).where(is_known(r)).cte("known_records")
    k, other = known.c, known.alias("other_record").c
    ends = and_(k.customer_id == p.customer_id, k.valid_to > p.valid_from, k.valid_to < p.valid_to)
    begun = union_all(
        select(p.account_id, p.customer_id, p.valid_from.label("at")),
        select(p.account_id, p.customer_id, k.valid_to).where(ends),
    ).subquery("begun").c  # fmt: skip
    covered = exists(select(other.customer_id).where(other.customer_id == begun.customer_id, holds(other, begun.at)))
    return select(begun.account_id, begun.customer_id).where(~covered).distinct().subquery("gaps_in_records")
