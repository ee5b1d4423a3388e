"""Evidence for rules that buckets suffice for: single requests and, beside them, what only buckets tell of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
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
from audits.rollups.buckets import SUMS, beyond_requests, distinct_buckets
from audits.warehouse.dialects import midnight, seconds_between, utc_day
from audits.warehouse.tables import Instant, usage_buckets, usage_events

A_DAY = 86_400.0  # seconds
Sound = Callable[[ColumnElement[str], ColumnElement[date]], ColumnElement[bool]]
"""Whether a day of a source may be read."""
_SHOWN = ("input_tokens", "output_tokens", "cost_usd")


def usage_of(
    accounts: Sequence[str] | Select[Any],
    tiers: FromClause,
    start: datetime,
    end: datetime,
    sound: Sound,
    only: Iterable[ColumnElement[bool]] = (),
) -> Select[Any]:
    """The requests and buckets of some accounts in [start, end), in order of time: see :meth:`.scope.Scope.usage_of`.

    As in ``account_day``, only days that are ``sound`` are read, and a row of buckets tells what they count beyond the
    requests that may be in them; one that reaches into the next day or another of the account's ``tiers`` tells no
    number. ``at`` is when a request was made, and from when on a bucket counts.
    """
    e = usage_events.c
    in_time = (*_within(e.event_ts, start, end), sound(e.source_system, utc_day(e.event_ts)))
    counts = (e.account_id.in_(accounts), *in_time, ~is_impossible(usage_events))
    requests = select(
        e.source_system, e.event_ts.label("at"), e.event_id, e.account_id, e.api_key_hash,
        e.model_requested.label("model"), literal(1, BigInteger).label("n_requests"),
        cast(case((e.status_code < 400, 1), else_=0), BigInteger).label("n_ok"), *(e[name] for name in _SHOWN),
    ).where(*counts, *only).distinct()  # fmt: skip
    read = ("event_id", "event_ts", "account_id", "api_key_hash", "model_requested", "model_served", "status_code")
    known = select(*(e[name] for name in (*read, *SUMS))).where(*counts).distinct()
    b = beyond_requests(_buckets(accounts, tiers, start, end, sound), known.subquery("known"), ("at",)).c
    number = cast(b.n_requests, BigInteger)
    buckets = select(
        b.source_system, b.at, cast(null(), String), b.account_id, b.api_key_hash, b.model, number, number,
        *(b[name] for name in _SHOWN),
    )  # fmt: skip
    rows = union_all(requests, buckets).subquery("usage")
    return select(*rows.c).order_by(rows.c.at, rows.c.event_id, rows.c.api_key_hash, rows.c.model)


def _within(at: ColumnElement[Any], start: datetime, end: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return at >= literal(start), at < literal(end)


def _buckets(
    accounts: Sequence[str] | Select[Any], tiers: FromClause, start: datetime, end: datetime, sound: Sound
) -> CTE:
    """The accounts' buckets, each once, with ``at`` and ``number``."""
    u, t = usage_buckets.c, tiers.c
    in_time = (*_within(u.bucket_start, start, end), sound(u.source_system, utc_day(u.bucket_start)))
    told = distinct_buckets(u.account_id.in_(accounts), *in_time)
    b = told.c
    day = utc_day(b.bucket_start)
    overlapping = and_(t.valid_from < b.bucket_end, utc_day(t.valid_from) <= day, t.valid_to > b.bucket_start)
    then = and_(t.account_id == b.account_id, overlapping)
    tier_begins = func.min(t.valid_from)
    belongs = and_(
        seconds_between(midnight(day), b.bucket_end) <= A_DAY,
        or_(func.count(t.tier) == 0, func.min(t.tier) == func.max(t.tier)),
    )
    return (
        select(
            *b,
            cast(func.greatest(b.bucket_start, tier_begins), Instant).label("at"),
            case((belongs, b.n_requests)).label("number"),
        )
        .select_from(told.outerjoin(tiers, then))
        .group_by(*b)
        .cte("bucket")
    )
