"""Contracts with when they held, for rules that hold use against what was agreed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, func, select

from audits.rules.population import FAR
from audits.warehouse.tables import contracts


def held_contracts() -> Subquery:
    """``customer_id``, ``contract_id``, ``valid_from``, ``valid_to`` (exclusive, never NULL) and the terms.

    A contract says one thing at a time: a version that nobody closed ends where the next version of the same contract
    begins, and of rows that begin together each term is the one in the customer's favour. Contracts with different ids
    hold beside each other. To commit to zero is to commit to nothing: NULL.
    """
    c = contracts.c
    version = (c.customer_id, c.contract_id, c.valid_from)
    v = (
        select(
            *version,
            func.max(func.coalesce(c.valid_to, FAR)).label("ends"),
            func.min(c.retention_days_max).label("retention_days_max"),
            func.nullif(func.max(c.commit_tokens), 0).label("commit_tokens"),
            func.nullif(func.max(c.commit_usd), 0).label("commit_usd"),
        )
        .group_by(*version)
        .subquery("version")
    ).c
    after = func.lead(v.valid_from).over(partition_by=(v.customer_id, v.contract_id), order_by=v.valid_from)
    valid_to = func.least(v.ends, func.coalesce(after, FAR)).label("valid_to")
    return select(
        v.customer_id, v.contract_id, v.valid_from, valid_to, v.retention_days_max, v.commit_tokens, v.commit_usd
    ).subquery("contract")


def in_force(contract: Any, customer: ColumnElement[str], at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a contract, by its columns, is one of the customer's and holds at an instant."""
    return and_(contract.customer_id == customer, at >= contract.valid_from, at < contract.valid_to)
