"""What each day's rollups were made from, and therefore which days are missing or stale."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import BigInteger, Column, Connection, Date, String, Table, delete, func, select

from audits.warehouse.days import Arrived, days_between
from audits.warehouse.tables import Instant, audit_metadata

VERSION = "17"
"""Raised by hand whenever a rollup's columns or meaning change: every day made by another version is built again."""

NOT_YET = "not rolled up yet"

rollup_days = Table(
    "rollup_days",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("version", String, nullable=False),
    Column("n_rows", BigInteger, nullable=False),  # source rows of the day: events, buckets, authentications
    Column("watermark", Instant),  # the newest ingested_ts among them
    Column("blocked", String, nullable=False),  # sources whose rows of the day were left out, comma-separated
    Column("digest", String, nullable=False),  # of the day's rows in every rollup; empty where there are none
    Column("duplicates", String, nullable=False),  # digest of the ids that were set aside as repeated
)


def data_watermark(connection: Connection, first: date, last: date) -> datetime | None:
    """The newest arrival among the rows that the rollups of these days were made from."""
    newest = select(func.max(rollup_days.c.watermark)).where(rollup_days.c.day.between(first, last))
    found: datetime | None = connection.scalar(newest)
    return found


def days_not_rolled_up(connection: Connection, first: date, last: date) -> list[date]:
    """The days of first..last that this version has made no rollups of; the source is not asked."""
    d = rollup_days.c
    there = set(connection.scalars(select(d.day).where(d.day.between(first, last), d.version == VERSION)))
    return [day for day in days_between(first, last) if day not in there]


def forget(connection: Connection, first: date, last: date) -> None:
    """Have the next refresh build these days whatever it finds, as if nothing had been made of them yet."""
    connection.execute(delete(rollup_days).where(rollup_days.c.day.between(first, last)))


def newest_day(connection: Connection) -> date | None:
    """The last day that this version has rolled up."""
    newest = select(func.max(rollup_days.c.day)).where(rollup_days.c.version == VERSION)
    found: date | None = connection.scalar(newest)
    return found


def stale_days(
    connection: Connection,
    arrived: Mapping[date, Arrived],
    blocked: Mapping[date, tuple[str, ...]],
    repeated: Mapping[date, str],
) -> dict[date, str]:
    """The days whose rollups must be built for what has arrived for them, each with the reason in words, in order."""
    built = {row.day: row for row in connection.execute(select(rollup_days).where(rollup_days.c.day.in_(arrived)))}
    reasons: dict[date, str] = {}
    for day, now in arrived.items():
        was = built.get(day)
        if was is None:
            reasons[day] = NOT_YET
        elif was.version != VERSION:
            reasons[day] = f"made by rollups version {was.version}, now {VERSION}"
        elif was.n_rows < now.n_rows:
            reasons[day] = f"{now.n_rows - was.n_rows} late rows"
        elif was.n_rows > now.n_rows:
            reasons[day] = f"{was.n_rows - now.n_rows} rows are gone from the source"
        elif was.watermark != now.watermark:
            reasons[day] = "rows were replaced in the source"
        elif was.blocked != ",".join(blocked.get(day, ())):
            reasons[day] = "another verdict on the quality of its data"
        elif was.duplicates != repeated.get(day, ""):
            reasons[day] = "other rows of it repeat those of days before"
    return reasons
