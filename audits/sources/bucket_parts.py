"""Buckets of one key from several endpoints: kept apart, added up in ``usage_buckets``.

A provider has an endpoint for each kind of use, and a bucket of each may have the same key: completions and embeddings
of a project that are not broken down by model. ``usage_buckets`` has one row a key, the sum; the table
``bucket_parts`` keeps what each endpoint said, so that an endpoint may be loaded again, alone, and in any order.

A bucket grows until its time is over, so of two exports of it the one with more use is the later one.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Numeric,
    String,
    Table,
    and_,
    case,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy import table as lightweight_table

from audits.sources.base import BUCKET_KEY
from audits.warehouse.loading import replace_changed
from audits.warehouse.staging import arrow_type, stage
from audits.warehouse.tables import SOURCE_SCHEMA, Instant, usage_buckets

WITH_CACHE = ("completions", "messages")
"""Endpoints whose input may come from a cache; the others have no cached input to record."""

bucket_parts = Table(
    "bucket_parts",
    MetaData(schema=SOURCE_SCHEMA),
    Column("source_system", String, nullable=False),
    Column("bucket_start", Instant, nullable=False),
    Column("bucket_end", Instant, nullable=False),
    Column("ingested_ts", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("api_key_hash", String),
    Column("model", String),
    Column("part", String, nullable=False),  # the endpoint
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger),
    Column("output_tokens", BigInteger, nullable=False),
    Column("n_requests", BigInteger),
    Column("cost_usd", Numeric(18, 8)),
)
_PART_KEY = (*BUCKET_KEY, "part")
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "n_requests")


def write_buckets(connection: Connection, rows: pa.Table) -> tuple[int, int]:
    """Write what the endpoints said, and the sums of their keys.

    Returns how many rows were new or changed, and how many were less than what is there, which was kept.
    """
    if not rows.num_rows:
        return 0, 0
    rows = _latest_of_each(rows)
    stage(connection, "staged_parts", bucket_parts, rows)
    staged = lightweight_table("staged_parts", *(column(name) for name in rows.column_names))
    there = bucket_parts.alias("there")
    same = [there.c[name].is_not_distinct_from(staged.c[name] if name in staged.c else null()) for name in _PART_KEY]
    less = (
        select(func.count())
        .select_from(staged)
        .where(select(literal(1)).select_from(there).where(*same, _more(there.c, staged.c)).correlate(staged).exists())
    )
    outdated = connection.scalar(less) or 0
    same_part = [
        bucket_parts.c[name].is_not_distinct_from(staged.c[name] if name in staged.c else null()) for name in _PART_KEY
    ]
    more = select(literal(1)).select_from(staged).where(*same_part, _more(staged.c, bucket_parts.c))
    connection.execute(delete(bucket_parts).where(more.correlate(bucket_parts).exists()))
    here = select(literal(1)).select_from(bucket_parts).where(*same_part).correlate(staged).exists()
    new = insert(bucket_parts).from_select(rows.column_names, select(*staged.c).where(~here))
    written = connection.execute(new, execution_options={"preserve_rowcount": True}).rowcount
    if written:
        replace_changed(connection, usage_buckets, BUCKET_KEY, _sums(connection, staged), "ingested_ts")
    return written, outdated


def _more(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether one version of a bucket shows more use than another."""
    pairs = [
        (one.input_tokens + one.output_tokens, other.input_tokens + other.output_tokens),
        *((_count(one, name), _count(other, name)) for name in ("n_requests", "cached_input_tokens")),
    ]
    alike: list[ColumnElement[bool]] = []
    greater: list[ColumnElement[bool]] = []
    for left, right in pairs:
        greater.append(and_(*alike, left > right))
        alike.append(left == right)
    return or_(*greater)


def _count(row: Any, name: str) -> ColumnElement[int]:
    return func.coalesce(row[name], -1) if name in row else literal(-1)


def _sums(connection: Connection, staged: Any) -> pa.Table:
    """The rows of usage_buckets for the staged keys."""
    p = bucket_parts.c
    same = [p[name].is_not_distinct_from(staged.c[name] if name in staged.c else null()) for name in BUCKET_KEY]
    touched = select(literal(1)).select_from(staged).where(*same).correlate(bucket_parts).exists()
    no_cache = func.sum(case((and_(p.part.in_(WITH_CACHE), p.cached_input_tokens.is_(None)), 1), else_=0))
    no_number = func.sum(case((p.n_requests.is_(None), 1), else_=0))
    keys = [p[name] for name in BUCKET_KEY]
    found = (
        connection.execute(
            select(
                *keys,
                func.max(p.ingested_ts).label("ingested_ts"),
                cast(func.sum(p.input_tokens), BigInteger).label("input_tokens"),
                case((no_cache == 0, cast(func.sum(p.cached_input_tokens), BigInteger))).label("cached_input_tokens"),
                cast(func.sum(p.output_tokens), BigInteger).label("output_tokens"),
                case((no_number == 0, cast(func.sum(p.n_requests), BigInteger))).label("n_requests"),
            )
            .where(touched)
            .group_by(*keys)
        )
        .mappings()
        .all()
    )
    return pa.table(
        {
            name: pa.array([row[name] for row in found], arrow_type(usage_buckets.c[name].type))
            for name in (*BUCKET_KEY, "ingested_ts", *_COUNTS)
        }
    )


def _latest_of_each(rows: pa.Table) -> pa.Table:
    """Of the rows with one key, the one with the most use."""
    latest: dict[tuple[Any, ...], tuple[tuple[int, ...], int]] = {}
    for number, row in enumerate(rows.to_pylist()):
        use = (
            row["input_tokens"] + row["output_tokens"],
            *(-1 if row.get(name) is None else row[name] for name in ("n_requests", "cached_input_tokens")),
        )
        key = tuple(row.get(name) for name in _PART_KEY)
        if key not in latest or use > latest[key][0]:
            latest[key] = use, number
    return rows.take(sorted(number for _, number in latest.values()))
