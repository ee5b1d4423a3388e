"""``account_client_day``: the clients that used an account's keys: network, country, kind of address and agent."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, FromClause, Integer, Select, String, Table, func, select

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

FOR_HIRE = ("hosting", "vpn", "tor")
"""Kinds of address that anybody may rent: no place in which people are together."""

account_client_day = Table(
    "account_client_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("api_key_hash", String),
    Column("client_net_hash", String),
    Column("ip_country", String),
    Column("ip_asn", Integer),
    Column("ip_type", String),
    Column("user_agent_family", String),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_ok", BigInteger, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account, key and client of the events."""
    e: Any = events.c
    grain = (
        e.slice_start, e.account_id, e.api_key_hash, e.client_net_hash, e.ip_country, e.ip_asn, e.ip_type,
        e.user_agent_family,
    )  # fmt: skip
    return select(
        day_of(events), *grain, func.count().label("n_requests"), func.count().filter(e.status_code < 400).label("n_ok")
    ).group_by(*grain)
