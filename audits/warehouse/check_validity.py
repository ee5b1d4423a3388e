"""What an audit can work with, but not as it was meant: intervals that never hold, accounts of several customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, func, select

from audits.warehouse.fit import Problem
from audits.warehouse.tables import (
    account_payments,
    account_tiers,
    accounts,
    api_keys,
    contracts,
    customers,
    territories,
)

_INTERVALS: tuple[tuple[Column[Any], Column[Any]], ...] = (
    *(
        (table.c.valid_from, table.c.valid_to)
        for table in (customers, account_tiers, account_payments, contracts, territories)
    ),
    (api_keys.c.created_at, api_keys.c.revoked_at),
)


def validity_problems(connection: Connection, faulty: frozenset[str]) -> Iterator[Problem]:
    """Advice on rows of the dimensions; tables and columns that are ``faulty`` are not read."""
    for begins, ends in _INTERVALS:
        if not _names(begins, ends) & faulty:
            never = connection.scalar(select(func.count()).select_from(begins.table).where(ends <= begins))
            if never:
                yield _never_in_force(begins, ends, never)
    if not _names(accounts.c.account_id, accounts.c.customer_id) & faulty:
        several = (
            select(accounts.c.account_id)
            .group_by(accounts.c.account_id)
            .having(func.count(accounts.c.customer_id.distinct()) > 1)
            .subquery("several")
        )
        if n := connection.scalar(select(func.count()).select_from(several)):
            yield Problem(
                "advice",
                "accounts.customer_id",
                f"{n:,} {'account belongs' if n == 1 else 'accounts belong'} to more than one customer, and {_are(n)} "
                "audited under each of them.",
                "Keep the right one: SELECT account_id FROM accounts GROUP BY account_id "
                "HAVING COUNT(DISTINCT customer_id) > 1;",
            )


def _never_in_force(begins: Column[Any], ends: Column[Any], n: int) -> Problem:
    table = begins.table.name
    return Problem(
        "advice",
        f"{table}.{ends.name}",
        f"{n:,} {'row ends when or before it begins' if n == 1 else 'rows end when or before they begin'}, "
        f"and {_are(n)} never in force.",
        f"Correct the rows of {table} WHERE {ends.name} <= {begins.name}.",
    )


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _names(*columns: Column[Any]) -> set[str]:
    return {columns[0].table.name, *(f"{column.table.name}.{column.name}" for column in columns)}
