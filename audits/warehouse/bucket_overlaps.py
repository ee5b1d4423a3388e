"""Usage buckets of one source that tell of the same use, such as exports by model beside exports by the day alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal, or_, select

from audits.warehouse.dialects import seconds_between, utc_day
from audits.warehouse.fit import Problem
from audits.warehouse.tables import usage_buckets

WHAT_COUNTS = "Of buckets that overlap on a day only the largest counts, which may be less than what was used"
WHAT_TO_DO = (
    "Export every day once, in one grouping and one length, and delete the others from usage_buckets (and from "
    "bucket_parts, where it is there); until then rules about volume are not evaluated on these days"
)
_LONGEST = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Days of a source on which buckets overlap, and how the buckets concerned are broken down."""

    source_system: str
    first: date
    last: date
    days: int
    groupings: tuple[str, ...]

    def __str__(self) -> str:
        span = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        return f"buckets overlap on {self.days:,} {'day' if self.days == 1 else 'days'} ({span}), exported " + (
            " and ".join(self.groupings) if len(self.groupings) > 1 else f"{self.groupings[0]} several times"
        )


def bucket_overlaps(connection: Connection, *where: ColumnElement[bool]) -> list[Overlap]:
    """What overlaps, a row a source; ``where`` narrows the buckets that are looked at."""
    other = usage_buckets.alias("other")
    b, o = usage_buckets.c, other.c
    dimensions = ("api_key_hash", "model")
    overlapping = exists(
        select(o.account_id).where(
            o.source_system == b.source_system,
            o.account_id == b.account_id,
            o.bucket_start < b.bucket_end,
            o.bucket_end > b.bucket_start,
            o.bucket_start >= b.bucket_start - literal(_LONGEST),
            *(or_(o[name] == b[name], o[name].is_(None), b[name].is_(None)) for name in dimensions),
            or_(
                o.bucket_start != b.bucket_start,
                o.bucket_end != b.bucket_end,
                *(func.coalesce(o[name], "") != func.coalesce(b[name], "") for name in dimensions),
            ),
        )
    )
    seconds = seconds_between(b.bucket_start, b.bucket_end)
    grouping = (seconds.label("seconds"), b.api_key_hash.is_not(None).label("keyed"), b.model.is_not(None).label("of"))
    rows = select(b.source_system, utc_day(b.bucket_start).label("day"), *grouping).where(and_(overlapping, *where))
    days: dict[str, set[date]] = {}
    groupings: dict[str, set[tuple[float, str]]] = {}
    for row in connection.execute(rows.distinct()):
        days.setdefault(row.source_system, set()).add(row.day)
        groupings.setdefault(row.source_system, set()).add((row.seconds, _grouping(row.seconds, row.keyed, row.of)))
    return [
        Overlap(source, min(held), max(held), len(held), tuple(said for _, said in sorted(groupings[source])))
        for source, held in sorted(days.items())
    ]


def overlap_problems(connection: Connection, faulty: frozenset[str]) -> Iterator[Problem]:
    """Advice on them; nothing is read where the table or a column of it is ``faulty``."""
    table = usage_buckets.name
    if not {table, *(f"{table}.{column.name}" for column in usage_buckets.c)} & faulty:
        for one in bucket_overlaps(connection):
            yield Problem("advice", f"{table}, source {one.source_system}", f"{one}. {WHAT_COUNTS}.", f"{WHAT_TO_DO}.")


def _grouping(seconds: float, keyed: bool, of_model: bool) -> str:
    lengths = {3_600: "by the hour", 86_400: "by the day"}
    length = lengths.get(round(seconds), f"by {round(seconds / 60):,} minutes")
    by = " and ".join(name for name, there in (("key", keyed), ("model", of_model)) if there)
    return f"{length}{f', {by}' if by else ', not broken down'}"
