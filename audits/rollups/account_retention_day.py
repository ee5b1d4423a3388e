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
    Column("retention_days", Integer),  # NULL: for how long content was kept is not recorded
    Column("n_stored", BigInteger, nullable=False),
    Column("n_perhaps_stored", BigInteger, nullable=False),  # whether content was kept is not recorded
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account and length of retention of the events whose content was or may be kept."""
    e: Any = events.c
    grain = (e.slice_start, e.account_id, e.retention_days)
    return (
        select(
            day_of(events),
            *grain,
            func.count().filter(e.content_stored).label("n_stored"),
            func.count().filter(e.content_stored.is_(None)).label("n_perhaps_stored"),
        )
        .where(e.content_stored.is_not(False))
        .group_by(*grain)
    )
