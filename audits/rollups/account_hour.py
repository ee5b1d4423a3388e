"""``account_hour``: requests and output of an account in each UTC hour in which it was active."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, FromClause, Select, SmallInteger, String, Table, func, select

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

account_hour = Table(
    "account_hour",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("hour", SmallInteger, nullable=False),  # 0 to 23
    Column("account_id", String, nullable=False),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_ok", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, hour and account of the events."""
    e: Any = events.c
    return select(
        day_of(events),
        e.slice_start,
        e.hour,
        e.account_id,
        func.count().label("n_requests"),
        func.count().filter(e.status_code < 400).label("n_ok"),
        func.sum(e.output_tokens).label("output_tokens"),
    ).group_by(e.slice_start, e.hour, e.account_id)
