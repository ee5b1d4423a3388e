"""What an audit is made from, as digests: a re-audit of unchanged inputs is recognised before any rule is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, Table, case, func, select

from audits.ledger.record import digest
from audits.periods import Period
from audits.policy import Book
from audits.quality.tables import quality_days
from audits.rollups.state import VERSION, rollup_days
from audits.rules.base import Rule
from audits.warehouse.dialects import row_digest
from audits.warehouse.tables import (
    account_payments,
    account_tiers,
    accounts,
    api_keys,
    billed_usage,
    contracts,
    customers,
    models,
    payment_events,
    sanctions,
    territories,
)

_BEGINS: tuple[tuple[Table, str], ...] = (
    (customers, "valid_from"),
    (accounts, "opened_at"),
    (account_tiers, "valid_from"),
    (api_keys, "created_at"),
    (account_payments, "valid_from"),
    (payment_events, "event_ts"),
    (contracts, "valid_from"),
    (models, "released_at"),
    (territories, "valid_from"),
    (sanctions, "as_of"),
    (billed_usage, "usage_day"),
)
"""Reference tables and the column from which a row exists."""

_ENDS = {"valid_to", "closed_at", "banned_at", "revoked_at", "retired_at"}
"""Columns that say until when: an end after the period was not known in it and does not count as a change."""


def fingerprint(
    connection: Connection, period: Period, baseline_from: date, book: Book, rules: Mapping[str, Rule], tiers: list[str]
) -> dict[str, str]:
    """Part of the inputs -> digest, for all that may change the outcome of the period."""
    days = connection.execute(
        select(rollup_days).where(rollup_days.c.day.between(baseline_from, period.last_day)).order_by(rollup_days.c.day)
    )
    verdicts = select(*(quality_days.c[name] for name in ("day", "source_system", "verdict", "reasons")))
    held = verdicts.where(quality_days.c.day.between(period.first_day, period.last_day))
    judged = connection.execute(held.order_by(quality_days.c.day, quality_days.c.source_system))
    return {
        "data": digest([[list(row) for row in days], [list(row) for row in judged]]),
        "dimensions": digest([_table_digest(connection, table, begins, period) for table, begins in _BEGINS]),
        "policy": digest(book.in_force(baseline_from, period.last_day)),
        "rules": digest({rule_id: rule.version for rule_id, rule in rules.items()}),
        "code": digest([version("usage-audits"), VERSION]),
        "tiers": digest(tiers),
    }


def _table_digest(connection: Connection, table: Table, begins: str, period: Period) -> list[Any]:
    at = table.c[begins]
    columns = [
        case((column < period.end, column), else_=None).label(column.name) if column.name in _ENDS else column
        for column in table.c
    ]
    end = period.end_day if begins == "usage_day" else period.end
    rows = select(*columns).where(at < end).subquery("known")
    return [table.name, *connection.execute(select(func.count(), row_digest(*rows.c)).select_from(rows)).one()]
