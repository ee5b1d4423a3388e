"""Contracts with when they held, for rules that hold use against what was agreed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Subquery, and_, func, literal, select

from audits.warehouse.tables import Instant, contracts

_FAR = datetime.fromisoformat("9999-12-31T00:00:00+00:00")


def held_contracts() -> Subquery:
    """``customer_id``, ``contract_id``, ``valid_from``, ``valid_to`` (exclusive, never NULL) and the terms.

    A contract says one thing at a time: a version that nobody closed ends where the next version of the same contract
    begins, and of rows that begin together each term is the one in the customer's favour. Contracts with different ids
    hold beside each other.
    """
    c, far = contracts.c, literal(_FAR, Instant)
    version = (c.customer_id, c.contract_id, c.valid_from)
    v = (
        select(
            *version,
            func.max(func.coalesce(c.valid_to, far)).label("ends"),
            func.min(c.retention_days_max).label("retention_days_max"),
            func.max(c.commit_tokens).label("commit_tokens"),
            func.max(c.commit_usd).label("commit_usd"),
        )
        .group_by(*version)
        .subquery("version")
    ).c
    after = func.lead(v.valid_from).over(partition_by=(v.customer_id, v.contract_id), order_by=v.valid_from)
    valid_to = func.least(v.ends, func.coalesce(after, far)).label("valid_to")
    return select(
        v.customer_id, v.contract_id, v.valid_from, valid_to, v.retention_days_max, v.commit_tokens, v.commit_usd
    ).subquery("contract")


def in_force(contract: Any, customer: ColumnElement[str], at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a contract, by its columns, is one of the customer's and holds at an instant."""
    return and_(contract.customer_id == customer, at >= contract.valid_from, at < contract.valid_to)
