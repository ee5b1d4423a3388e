"""``account_prompt_day``: which prompt templates and system prompts an account used, as digests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, FromClause, Select, String, Table, func, or_, select

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

account_prompt_day = Table(
    "account_prompt_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("system_prompt_hash", String),
    Column("prompt_template_hash", String),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_refused", BigInteger, nullable=False),  # finish reason refusal or content_filter
    Column("output_tokens", BigInteger, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account, system prompt and template of the events that carry either."""
    e: Any = events.c
    grain = (e.slice_start, e.account_id, e.system_prompt_hash, e.prompt_template_hash)
    return (
        select(
            day_of(events),
            *grain,
            func.count().label("n_requests"),
            func.count().filter(e.finish_reason.in_(("refusal", "content_filter"))).label("n_refused"),
            func.sum(e.output_tokens).label("output_tokens"),
        )
        .where(or_(e.system_prompt_hash.is_not(None), e.prompt_template_hash.is_not(None)))
        .group_by(*grain)
    )
