"""Evidence for rules that buckets suffice for: single requests and, beside them, what only buckets tell of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.quality.quarantine import is_impossible
from audits.warehouse.dialects import midnight, seconds_between, utc_day
from audits.warehouse.tables import usage_buckets, usage_events

A_DAY = 86_400.0  # seconds
SUMS = ("input_tokens", "output_tokens", "cost_usd")


def usage_of(
    accounts: Iterable[str] | Select[Any], start: datetime, end: datetime, only: Iterable[ColumnElement[bool]] = ()
) -> Select[Any]:
    """The requests and buckets of some accounts in [start, end), in order of time: see :meth:`.scope.Scope.usage_of`.

    As in ``account_day``, a bucket counts where no single request of its account and day is known; where some are, a
    row tells what the buckets of its source count beyond all of them. One that reaches into the next day tells of
    neither day how many requests it had.
    """
    of = accounts if isinstance(accounts, Select) else sorted(accounts)

    def within(at: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(at >= literal(start), at < literal(end))

    e = usage_events.c
    requests = select(
        e.source_system, e.event_ts.label("at"), e.event_id, e.account_id, e.api_key_hash,
        e.model_requested.label("model"), literal(1, BigInteger).label("n_requests"),
        cast(case((e.status_code < 400, 1), else_=0), BigInteger).label("n_ok"), e.input_tokens, e.output_tokens,
        e.cost_usd,
    ).where(e.account_id.in_(of), within(e.event_ts), ~is_impossible(usage_events), *only).distinct()  # fmt: skip
    buckets = (
        select(*(column for column in usage_buckets.c if column.name != "ingested_ts"))
        .where(usage_buckets.c.account_id.in_(of), within(usage_buckets.c.bucket_start), ~is_impossible(usage_buckets))
        .distinct()
        .subquery("bucket")
    )
    known = (
        select(e.event_id, e.account_id, utc_day(e.event_ts).label("day"), *(e[name] for name in SUMS))
        .where(e.account_id.in_(of), within(e.event_ts), ~is_impossible(usage_events))
        .distinct()
        .subquery("known")
    ).c
    days = (
        select(
            known.account_id, known.day, func.count().label("n_requests"),
            *(func.coalesce(func.sum(known[name]), 0).label(name) for name in SUMS),
        )
        .group_by(known.account_id, known.day)
        .subquery("days")
    )  # fmt: skip
    b, d, nothing = buckets.c, days.c, cast(null(), String)
    same_day = and_(d.account_id == b.account_id, d.day == utc_day(b.bucket_start))
    number = case((seconds_between(midnight(utc_day(b.bucket_start)), b.bucket_end) <= A_DAY, b.n_requests))
    alone = (
        select(
            b.source_system, b.bucket_start, nothing, b.account_id, b.api_key_hash, b.model, number, number,
            *(b[name] for name in SUMS),
        )
        .select_from(buckets.outerjoin(days, same_day))
        .where(d.day.is_(None))
    )  # fmt: skip
    beyond = cast(func.sum(number) - func.min(d.n_requests), BigInteger)
    sums = {name: func.greatest(func.sum(b[name]) - func.min(d[name]), 0) for name in SUMS}
    more = or_(beyond > 0, and_(beyond.is_(None), or_(sums["input_tokens"] > 0, sums["output_tokens"] > 0)))
    beside = (
        select(
            b.source_system, func.min(b.bucket_start), nothing, b.account_id, nothing, nothing, beyond, beyond,
            *sums.values(),
        )
        .where(same_day)
        .group_by(b.source_system, b.account_id, d.day, number.is_(None))
        .having(more)
    )  # fmt: skip
    rows = union_all(requests, alone, beside).subquery("usage")
    return select(*rows.c).order_by(rows.c.at, rows.c.event_id, rows.c.api_key_hash, rows.c.model)
