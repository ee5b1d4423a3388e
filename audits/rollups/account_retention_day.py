"""``account_retention_day``: for how long the provider kept the content of an account's requests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, FromClause, Integer, Select, String, Table, func, select

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

account_retention_day = Table(
    "account_retention_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("retention_days", Integer),  # NULL: content was kept, for how long is not recorded
    Column("n_stored", BigInteger, nullable=False),
    Column("first_event_ts", Instant, nullable=False),
    Column("last_event_ts", Instant, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account and length of retention of the events whose content was kept."""
    e: Any = events.c
    grain = (e.slice_start, e.account_id, e.retention_days)
    return (
        select(
            day_of(events),
            *grain,
            func.count().label("n_stored"),
            func.min(e.event_ts).label("first_event_ts"),
            func.max(e.event_ts).label("last_event_ts"),
        )
        .where(e.content_stored)
        .group_by(*grain)
    )
