"""Lists in a finding: which countries, which days. A text, so that reports, exports and evidence all read the same."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, literal
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.functions import Function

from audits.rules.engine.base import Found
from audits.warehouse.collation import by_bytes
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import usage_events

ON_DAYS = "on_days"
"""The observed figure that lists a finding's days: a rule returns it as ``observed_on_days``."""


def listed(column: ColumnElement[Any]) -> Function[str]:
    """The distinct values of a group in order: ``CN, KP`` or ``2026-10-05, 2026-10-06``; NULL where there is none."""
    text = by_bytes(cast(column, Text))  # as the function takes it: what is ordered by must be its argument
    joined: Function[str] = func.string_agg(text.distinct(), aggregate_order_by(literal(", "), text))
    return joined


def on_listed_days(found: Found, at: ColumnElement[Any] = usage_events.c.event_ts) -> ColumnElement[bool]:
    """Evidence: whether an instant lies on one of the days that a finding lists."""
    return utc_day(at).in_([date.fromisoformat(day) for day in str(found.observed[ON_DAYS]).split(", ")])


def listed_accounts(found: Found, name: str) -> list[str]:
    """Evidence: the accounts of a finding that one of its figures lists. An id may itself hold a comma."""
    text = f", {found.observed[name] or ''}, "
    return [account for account in found.account_ids if f", {account}, " in text]
