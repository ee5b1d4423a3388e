"""``account_prompt_day``: which prompt templates and system prompts an account used, as digests.

NULL where a request does not carry one, so that the rows of a day add up to all of its requests.
"""

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
    Column("n_ok", BigInteger, nullable=False),
    Column("n_refused", BigInteger, nullable=False),  # finish reason refusal or content_filter
    Column("n_perhaps_refused", BigInteger, nullable=False),  # answered, and why that ended is not recorded
    Column("n_perhaps_several", BigInteger, nullable=False),  # answered, n_choices above 1 or not recorded
    Column("output_tokens", BigInteger, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account, system prompt and template of the events."""
    e: Any = events.c
    grain = (e.slice_start, e.account_id, e.system_prompt_hash, e.prompt_template_hash)
    return select(
        day_of(events),
        *grain,
        func.count().label("n_requests"),
        func.count().filter(e.status_code < 400).label("n_ok"),
        func.count().filter(e.finish_reason.in_(("refusal", "content_filter"))).label("n_refused"),
        func.count().filter(e.status_code < 400, e.finish_reason.is_(None)).label("n_perhaps_refused"),
        func.count()
        .filter(e.status_code < 400, or_(e.n_choices > 1, e.n_choices.is_(None)))
        .label("n_perhaps_several"),
        func.sum(e.output_tokens).label("output_tokens"),
    ).group_by(*grain)
