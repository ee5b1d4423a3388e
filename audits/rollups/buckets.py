"""Bucketed usage as rows of ``account_day``, for accounts and days of which no single request is known."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Select, cast, exists, func, literal, select
from sqlalchemy import String as Text

from audits.rollups.account_day import account_day
from audits.warehouse.days import within
from audits.warehouse.dialects import midnight, utc_day
from audits.warehouse.tables import Instant, usage_buckets


def from_buckets(first: date, last: date) -> Select[Any]:
    """One row for each day, account and source of the buckets that begin on the days first..last.

    A bucket counts on the day in which it begins; rows are distinct first, because exporters repeat buckets. Where
    single requests of the account are known for the day, buckets would count them twice and are left out.
    """
    b = usage_buckets
    day = utc_day(b.c.bucket_start)
    distinct = (
        select(
            day.label("day"), b.c.account_id, b.c.source_system, b.c.bucket_start, b.c.bucket_end, b.c.api_key_hash,
            b.c.model, b.c.input_tokens, b.c.cached_input_tokens, b.c.output_tokens, b.c.n_requests, b.c.cost_usd,
        )
        .where(within(b.c.bucket_start, first, last), b.c.input_tokens >= 0, b.c.output_tokens >= 0)
        .distinct()
        .subquery("bucket")
    )  # fmt: skip
    d: Any = distinct.c
    known = exists().where(
        account_day.c.day == d.day, account_day.c.account_id == d.account_id, account_day.c.grain == "event"
    )
    return (
        select(
            d.day,
            cast(midnight(d.day), Instant).label("slice_start"),
            d.account_id,
            d.source_system,
            cast(literal("bucket"), Text).label("grain"),
            func.sum(d.n_requests).label("n_requests"),
            func.sum(d.input_tokens).label("input_tokens"),
            func.sum(d.cached_input_tokens).label("cached_input_tokens"),
            func.sum(d.output_tokens).label("output_tokens"),
            func.sum(d.cost_usd).label("cost_usd"),
            func.min(d.bucket_start).label("first_event_ts"),
            func.max(d.bucket_start).label("last_event_ts"),
        )
        .where(~known)
        .group_by(d.day, d.account_id, d.source_system)
    )
