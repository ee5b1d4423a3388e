"""What each day's rollups were made from, and therefore which days are missing or stale."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import BigInteger, Column, Connection, Date, String, Subquery, Table, func, select, union_all

from audits.rollups.events import within
from audits.warehouse.dialects import utc_day
from audits.warehouse.tables import Instant, audit_metadata, auth_events, usage_buckets, usage_events

VERSION = "1"
"""Raised by hand whenever a rollup's columns or meaning change: every day made by another version is built again."""

rollup_days = Table(
    "rollup_days",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("version", String, nullable=False),
    Column("n_rows", BigInteger, nullable=False),  # source rows of the day: events, buckets, authentications
    Column("watermark", Instant),  # the newest ingested_ts among them
    Column("blocked", String, nullable=False),  # sources whose rows of the day were left out, comma-separated
)


def source_days(first: date, last: date) -> Subquery:
    """(day, n_rows, watermark) of the source's rows as they are now.

    Two columns of each fact table are read and nothing else; an index on (event_ts, ingested_ts) answers it on
    PostgreSQL without touching the rows.
    """
    facts = union_all(
        *(
            select(utc_day(at).label("day"), table.c.ingested_ts).where(within(at, first, last))
            for table, at in (
                (usage_events, usage_events.c.event_ts),
                (usage_buckets, usage_buckets.c.bucket_start),
                (auth_events, auth_events.c.event_ts),
            )
        )
    ).subquery("facts")
    return (
        select(facts.c.day, func.count().label("n_rows"), func.max(facts.c.ingested_ts).label("watermark"))
        .group_by(facts.c.day)
        .subquery("source_days")
    )


def data_watermark(connection: Connection, first: date, last: date) -> datetime | None:
    """The newest arrival among the rows that the rollups of these days were made from."""
    return connection.scalar(select(func.max(rollup_days.c.watermark)).where(rollup_days.c.day.between(first, last)))


def stale_days(
    connection: Connection, first: date, last: date, blocked: Mapping[date, tuple[str, ...]]
) -> dict[date, str]:
    """The days of first..last whose rollups must be built, each with the reason in words, in order of day."""
    now = source_days(first, last)
    current = {row.day: row for row in connection.execute(select(now))}
    built = {
        row.day: row for row in connection.execute(select(rollup_days).where(rollup_days.c.day.between(first, last)))
    }
    reasons: dict[date, str] = {}
    for number in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number)
        was, is_now = built.get(day), current.get(day)
        rows, watermark = (is_now.n_rows, is_now.watermark) if is_now else (0, None)
        if was is None:
            reasons[day] = "not rolled up yet"
        elif was.version != VERSION:
            reasons[day] = f"made by rollups version {was.version}, now {VERSION}"
        elif was.n_rows < rows:
            reasons[day] = f"{rows - was.n_rows} late rows"
        elif was.n_rows > rows:
            reasons[day] = f"{was.n_rows - rows} rows are gone from the source"
        elif was.watermark != watermark:
            reasons[day] = "rows were replaced in the source"
        elif was.blocked != ",".join(blocked.get(day, ())):
            reasons[day] = "another verdict on the quality of its data"
    return reasons
