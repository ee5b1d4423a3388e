"""Evidence for rules that buckets suffice for: single requests and, beside them, what only buckets tell of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.quality.quarantine import is_impossible
from audits.rollups.buckets import SHARED, SUMS, TOKENS, beyond_requests, distinct_buckets, lasts, openings, used_from
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import usage_buckets, usage_events

Sound = Callable[[ColumnElement[str], ColumnElement[date]], ColumnElement[bool]]
"""Whether a day of a source may be read."""
_SHOWN = ("input_tokens", "output_tokens", "cost_usd")


def usage_of(
    accounts: Sequence[str] | Select[Any],
    start: datetime,
    end: datetime,
    sound: Sound,
    only: Iterable[ColumnElement[bool]] = (),
) -> Select[Any]:
    """The requests and buckets of some accounts in [start, end), in order of time: see :meth:`.scope.Scope.usage_of`.

    As in ``account_day``, only days that are ``sound`` are read, and a row of buckets tells what they count beyond the
    requests that may be in them. One that lasts beyond its day tells no number, and is left out where another one of
    its source may count the same. ``at`` is when a request was made and when a bucket begins, ``until`` when it ends.
    """
    e = usage_events.c
    in_time = (*_within(e.event_ts, start, end), sound(e.source_system, utc_day(e.event_ts)))
    counts = (e.account_id.in_(accounts), *in_time, ~is_impossible(usage_events))
    requests = select(
        e.source_system, e.event_ts.label("at"), e.event_ts.label("until"), e.event_id, e.account_id, e.api_key_hash,
        e.model_requested.label("model"), literal(1, BigInteger).label("n_requests"),
        cast(case((e.status_code < 400, 1), else_=0), BigInteger).label("n_ok"), *(e[name] for name in _SHOWN),
    ).where(*counts, *only).distinct()  # fmt: skip
    read = ("event_id", "event_ts", "account_id", "api_key_hash", "model_requested", "model_served", "status_code")
    known = select(*(e[name] for name in (*read, *SUMS))).where(*counts).distinct().subquery("known")
    b = beyond_requests(_buckets(accounts, start, end, sound), known, ("at",), days=True).c
    number = cast(b.n_requests, BigInteger)
    some = or_(*(b[name] > 0 for name in ("n_requests", *TOKENS)))
    shared: dict[str, ColumnElement[Any]] = {name: b[f"shared_{name}"] for name in SHARED}
    shared["n_requests"] = case((b.n_requests.is_not(None), shared["n_requests"]))
    alone = and_(*(func.coalesce(more, 0) == 0 for more in shared.values()))
    buckets = select(
        b.source_system, b.at, b.bucket_end, cast(null(), String), b.account_id, b.api_key_hash, b.model,
        number, number, *(b[name] for name in _SHOWN),
    ).where(or_(some, alone))  # fmt: skip
    rows = union_all(requests, buckets).subquery("usage")
    return select(*rows.c).order_by(rows.c.at, rows.c.event_id, rows.c.api_key_hash, rows.c.model)


def _within(at: ColumnElement[Any], start: datetime, end: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return at >= literal(start), at < literal(end)


def _buckets(accounts: Sequence[str] | Select[Any], start: datetime, end: datetime, sound: Sound) -> CTE:
    """The accounts' buckets, each once, with ``at`` and ``number``."""
    u = usage_buckets.c
    in_time = (*_within(u.bucket_start, start, end), sound(u.source_system, utc_day(u.bucket_start)))
    told, opened = distinct_buckets(u.account_id.in_(accounts), *in_time), openings()
    b = told.c
    at = used_from(b, opened.c.opened_at).label("at")
    buckets = select(*b, at).outerjoin_from(told, opened, opened.c.account_id == b.account_id).cte("told_of")
    one, other = buckets.c, buckets.alias("another").c
    another_time = or_(other.bucket_start != one.bucket_start, other.bucket_end != one.bucket_end)
    of_source = and_(other.account_id == one.account_id, other.source_system == one.source_system)
    beside = and_(of_source, another_time, other.bucket_start < one.bucket_end, other.bucket_end > one.bucket_start)
    return (
        select(*one, case((~lasts(one), one.n_requests)).label("number"))
        .where(or_(~lasts(one), ~exists(select(other.account_id).where(beside))))
        .cte("bucket")
    )
