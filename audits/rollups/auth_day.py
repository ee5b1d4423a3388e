"""``auth_day``: attempts to authenticate, by network, key, account and outcome."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Column, Date, Select, String, Table, func, select

from audits.warehouse.days import within
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import Instant, audit_metadata, auth_events
from audits.warehouse.vocabulary import word

auth_day = Table(
    "auth_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("client_net_hash", String),
    Column("account_id", String),
    Column("api_key_hash", String),
    Column("outcome", String),
    Column("n_attempts", BigInteger, nullable=False),
    Column("first_ts", Instant, nullable=False),
    Column("last_ts", Instant, nullable=False),
)


def from_auth_events(first: date, last: date) -> Select[Any]:
    """One row for each day, network, account, key and outcome of the days first..last; each event id counts once."""
    a = auth_events.c
    day = utc_day(a.event_ts).label("day")
    once = (
        select(day, a.client_net_hash, a.account_id, a.api_key_hash, word(a.outcome), a.auth_event_id, a.event_ts)
        .where(within(a.event_ts, first, last))
        .distinct()
        .subquery("once")
    ).c
    grain = (once.day, once.client_net_hash, once.account_id, once.api_key_hash, once.outcome)
    return select(
        *grain,
        func.count().label("n_attempts"),
        func.min(once.event_ts).label("first_ts"),
        func.max(once.event_ts).label("last_ts"),
    ).group_by(*grain)
