"""The aggregates of which a profile consists: each one statement over a stretch of days."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    String,
    Subquery,
    and_,
    cast,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.types import BigInteger

from audits.quality.quarantine import is_impossible, kept_events, marked_copies
from audits.quality.row_checks import Checked, Known, Parameters, checked_events
from audits.quality.tables import COUNTS, quality_accounts
from audits.warehouse.bucket_overlaps import is_same_bucket
from audits.warehouse.collation import by_bytes
from audits.warehouse.days import days_between, within
from audits.warehouse.dialects import midnight, row_digest, seconds_between, utc_day, utc_hour
from audits.warehouse.raw_text import form_of
from audits.warehouse.raw_text_sql import is_raw
from audits.warehouse.tables import usage_buckets, usage_events

QUARTER = 900  # seconds
LONGEST_DELAY = 200  # quarter hours that are told apart, some two days either way
A_DAY = timedelta(days=1)
LONGEST_BUCKET = 31  # days; an overlap with an earlier bucket is looked for that far back


def hours_of_events(
    first: date, last: date, parameters: Parameters, known: Known, *, raw: Collection[str], duplicates: bool
) -> Select[Any]:
    """The rows of ``quality_hours`` for events: one aggregate over the days, with a row an hour and source.

    A row that was delivered again counts as such and among what raw text is found in, and one that conflicts with the
    row that is kept also among the rows; whatever else is wrong with them is wrong with the kept row.
    """
    e: Any = usage_events.c
    checked = checked_events(parameters, known, raw)
    day, hour = utc_day(e.event_ts).label("day"), utc_hour(e.event_ts).label("hour")
    counted = (
        select(
            day,
            hour,
            e.source_system,
            func.count().label("n_rows"),
            func.count(e.account_id.distinct()).label("n_accounts"),
            *(func.count().filter(condition).label(name) for name, condition in checked.conditions.items()),
        )
        .select_from(checked.rows)
        .where(within(e.event_ts, first, last))
        .group_by(day, hour, e.source_system)
        .subquery("counted")
    )
    given: dict[str, Any] = {column.name: column for column in counted.c} | {"n_overlapping": _zero()}
    rows: Any = counted
    if duplicates:
        surplus = _surplus(first, last, checked)
        same = [surplus.c[name] == counted.c[name] for name in ("day", "hour", "source_system")]
        rows = counted.outerjoin(surplus, and_(*same))
        for name in ("n_repeated", "n_conflicting"):
            given[name] = func.coalesce(surplus.c[name], 0)
        given["n_rows"] = counted.c.n_rows - given["n_repeated"]
        for name in checked.conditions.keys() - {"n_raw"}:
            given[name] = counted.c[name] - func.coalesce(surplus.c[name], 0)
    else:
        given |= {"n_repeated": _zero(), "n_conflicting": _zero()}
    return _as_hours(given, "event").select_from(rows)


def hours_of_buckets(first: date, last: date, *, raw: Collection[str]) -> Select[Any]:
    """The rows of ``quality_hours`` for usage that is known by bucket only."""
    bucket = _distinct_buckets(date.fromordinal(first.toordinal() - LONGEST_BUCKET), last)
    other = _distinct_buckets(date.fromordinal(first.toordinal() - LONGEST_BUCKET), last).alias("other")
    b, o = bucket.c, other.c
    identity = ("bucket_start", "bucket_end", "input_tokens", "output_tokens")
    also_counted = exists().where(
        o.source_system == b.source_system,
        o.account_id == b.account_id,
        o.bucket_start < b.bucket_end,
        o.bucket_end > b.bucket_start,
        # Of two days the later one tells of it, so that a day's count does not depend on what is profiled with it.
        o.bucket_start < midnight(utc_day(b.bucket_start)) + literal(A_DAY),
        o.bucket_start >= midnight(utc_day(b.bucket_start)) - literal(LONGEST_BUCKET * A_DAY),
        # A dimension that one of them is not broken down by holds what the other one is broken down into.
        *(or_(o[name] == b[name], o[name].is_(None), b[name].is_(None)) for name in ("api_key_hash", "model")),
        or_(
            *(o[name] != b[name] for name in identity),
            *(func.coalesce(o[name], "") != func.coalesce(b[name], "") for name in ("api_key_hash", "model")),
        ),
    )
    day, hour = utc_day(b.bucket_start).label("day"), utc_hour(b.bucket_start).label("hour")
    of_hour = (day, hour, b.source_system)
    held = within(b.bucket_start, first, last)
    each = (
        select(
            *of_hour,
            func.count().label("n_rows"),
            func.count(b.account_id.distinct()).label("n_accounts"),
            func.count().filter(is_impossible(bucket)).label("n_negative"),
            func.count().filter(b.cached_input_tokens > b.input_tokens).label("n_cached_above_input"),
            func.count().filter(is_impossible(bucket) | (b.cached_input_tokens > b.input_tokens)).label("n_impossible"),
            func.count().filter(b.account_id.in_(("UNMAPPED", ""))).label("n_unmapped"),
            func.count().filter(or_(false(), *(is_raw(b[name], form_of(name)) for name in raw))).label("n_raw"),
            _zero().label("n_repeated"),
            _zero().label("n_elsewhere"),
            _zero().label("n_overlapping"),
        )
        .where(held)
        .group_by(*of_hour)
    )
    names = [column.name for column in each.selected_columns if column.name.startswith("n_")]
    # Conditions and not filters of a count: PostgreSQL answers the former by a join, the latter bucket by bucket.
    conditions = {"n_overlapping": also_counted, "n_elsewhere": exists().where(is_same_bucket(bucket, other))}
    others = [
        select(*of_hour, *(func.count() if name == counted else _zero() for name in names))
        .where(held, condition)
        .group_by(*of_hour)
        for counted, condition in conditions.items()
    ]
    again = _repeated_buckets(first, last).c
    repeated = select(
        again.day,
        again.hour,
        again.source_system,
        *(func.sum(again.n_repeated) if name == "n_repeated" else _zero() for name in names),
    ).group_by(again.day, again.hour, again.source_system)
    r = union_all(each, *others, repeated).subquery("counts").c
    counted = (
        select(r.day, r.hour, r.source_system, *(func.sum(r[name]).label(name) for name in names))
        .group_by(r.day, r.hour, r.source_system)
        .subquery("counted")
    )
    return _as_hours({column.name: column for column in counted.c}, "bucket").select_from(counted)


def reaching_buckets(connection: Connection, first: date, last: date) -> dict[date, str]:
    """Day -> a digest of the buckets that begin on another day and reach into it; days without any are left out."""
    b = usage_buckets.c
    day, until = utc_day(b.bucket_start), utc_day(b.bucket_end)
    content = [column for column in b if column.name != "ingested_ts"]
    rows = connection.execute(
        select(day.label("day"), until.label("until"), row_digest(*content).label("digest"))
        .where(within(b.bucket_start, first - LONGEST_BUCKET * A_DAY, last), until > day)
        .group_by(day, until)
        .order_by(day, until)
    )
    found: dict[date, list[str]] = {}
    for row in rows:
        for reached in days_between(row.day + A_DAY, min(row.until, row.day + LONGEST_BUCKET * A_DAY)):
            found.setdefault(reached, []).append(row.digest)
    return {reached: hashlib.sha256(" ".join(of).encode()).hexdigest() for reached, of in found.items()}


def clients(first: date, last: date, *, duplicates: bool) -> Select[Any]:
    """The rows of ``quality_clients``: the busiest address of each day and source that records addresses."""
    k: Any = kept_events(first, last, deduplicate=duplicates).c
    addresses = (
        select(
            k.day,
            k.source_system,
            k.client_ip_hash,
            func.count().label("n_rows"),
            func.count(k.account_id.distinct()).label("n_accounts"),
        )
        .where(k.client_ip_hash != "")
        .group_by(k.day, k.source_system, k.client_ip_hash)
        .subquery("addresses")
    ).c
    group = (addresses.day, addresses.source_system)
    ranked = select(
        *group,
        func.sum(addresses.n_rows).over(partition_by=group).label("n_addressed"),
        addresses.n_rows.label("n_busiest"),
        addresses.n_accounts,
        func.row_number()
        .over(partition_by=group, order_by=(addresses.n_rows.desc(), by_bytes(addresses.client_ip_hash)))
        .label("place"),
    ).subquery("ranked")
    return select(*(column for column in ranked.c if column.name != "place")).where(ranked.c.place == 1)


def delays(first: date, last: date, *, duplicates: bool) -> Select[Any]:
    """The rows of ``quality_delays``: how long after their requests the rows of each day and source first arrived."""
    k: Any = kept_events(first, last, deduplicate=duplicates).c
    quarters = func.floor(seconds_between(k.event_ts, k.ingested_ts) / QUARTER)
    bounded = cast(func.greatest(func.least(quarters, LONGEST_DELAY), -LONGEST_DELAY), BigInteger)
    rows = select(k.day, k.source_system, bounded.label("quarters")).subquery("delays").c
    group = (rows.day, rows.source_system, rows.quarters)
    return select(*group, func.count().label("n_rows")).group_by(*group)


def sums_of_accounts(first: date, last: date, *, duplicates: bool) -> Select[Any]:
    """The rows of ``quality_accounts`` from events: each request once, impossible ones left out."""
    k: Any = kept_events(first, last, deduplicate=duplicates).c
    return select(
        k.day,
        k.source_system,
        k.account_id,
        func.count().label("n_rows"),
        func.count().filter(k.status_code >= 400).label("n_failed"),
        func.count(k.cost_usd).label("n_costed"),
        func.sum(k.input_tokens + k.output_tokens).label("tokens"),
        func.sum(k.cost_usd).label("cost_usd"),
    ).group_by(k.day, k.source_system, k.account_id)


def sums_of_buckets(first: date, last: date) -> Select[Any]:
    """The rows of ``quality_accounts`` from buckets, for accounts and days of which no event is known."""
    bucket = _distinct_buckets(first, last)
    b, other = bucket.c, _distinct_buckets(first, last).alias("other")
    a = quality_accounts.c
    day = utc_day(b.bucket_start).label("day")
    return (
        select(
            day,
            b.source_system,
            b.account_id,
            func.count().label("n_rows"),
            cast(null(), BigInteger).label("n_failed"),
            func.count(b.cost_usd).label("n_costed"),
            func.sum(b.input_tokens + b.output_tokens).label("tokens"),
            func.sum(b.cost_usd).label("cost_usd"),
        )
        .where(
            within(b.bucket_start, first, last), ~is_impossible(bucket), ~exists().where(is_same_bucket(bucket, other))
        )
        .where(~exists().where(a.day == utc_day(b.bucket_start), a.account_id == b.account_id))
        .group_by(day, b.source_system, b.account_id)
    )


def _surplus(first: date, last: date, checked: Checked) -> Subquery:
    """(day, hour, source_system, n_repeated, n_conflicting): rows of an event id beyond the one that is kept.

    Of these rows it also tells how many meet each condition.
    """
    e: Any = usage_events.c
    day, hour = utc_day(e.event_ts).label("day"), utc_hour(e.event_ts).label("hour")
    conditions = [condition.label(name) for name, condition in checked.conditions.items()]
    copies: Any = marked_copies(first, last, day, hour, e.source_system, *conditions, rows=checked.rows).c
    return (
        select(
            copies.day,
            copies.hour,
            copies.source_system,
            func.count().filter(copies.repeated).label("n_repeated"),
            func.count().filter(copies.conflicting).label("n_conflicting"),
            *(func.count().filter(copies[name]).label(name) for name in checked.conditions),
        )
        .where(or_(copies.repeated, copies.conflicting))
        .group_by(copies.day, copies.hour, copies.source_system)
        .subquery("surplus")
    )


def _distinct_buckets(first: date, last: date) -> Subquery:
    """Each bucket once, because exporters repeat them; rollups count them so too."""
    b = usage_buckets.c
    return (
        select(*(column for column in b if column.name != "ingested_ts"))
        .where(within(b.bucket_start, first, last))
        .distinct()
        .subquery("bucket")
    )


def _repeated_buckets(first: date, last: date) -> Subquery:
    """(day, hour, source_system, n_repeated): rows of each bucket beyond the first."""
    b = usage_buckets.c
    return (
        select(
            utc_day(b.bucket_start).label("day"),
            utc_hour(b.bucket_start).label("hour"),
            b.source_system,
            (func.count() - 1).label("n_repeated"),
        )
        .where(within(b.bucket_start, first, last))
        .group_by(*(column for column in b if column is not b.ingested_ts))
        .having(func.count() > 1)
        .subquery("again")
    )


def _as_hours(given: Mapping[str, Any], grain: str) -> Select[Any]:
    columns = [given[name].label(name) for name in ("day", "hour", "source_system")]
    counts = [given.get(name, _zero()).label(name) for name in ("n_rows", "n_accounts", *COUNTS)]
    return select(*columns, cast(literal(grain), String).label("grain"), *counts)


def _zero() -> Any:
    return cast(literal(0), BigInteger)
