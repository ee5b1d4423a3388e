"""``account_topic_day``: the topics and languages of an account's requests.

NULL where a request does not carry one, so that the rows of a day add up to all of its requests.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, FromClause, Integer, Select, String, Table, func, select

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

account_topic_day = Table(
    "account_topic_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("topic_id", Integer),
    Column("lang", String),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_ok", BigInteger, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account, topic and language of the events."""
    e: Any = events.c
    grain = (e.slice_start, e.account_id, e.topic_id, e.lang)
    return select(
        day_of(events), *grain, func.count().label("n_requests"), func.count().filter(e.status_code < 400).label("n_ok")
    ).group_by(*grain)
