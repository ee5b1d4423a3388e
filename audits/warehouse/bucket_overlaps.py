"""Usage buckets of one source that tell of the same use, such as exports by model beside exports by the day alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, func, literal, or_, select

from audits.warehouse.dialects import seconds_between, utc_day
from audits.warehouse.fit import Problem
from audits.warehouse.tables import usage_buckets

WHAT_COUNTS = "Of buckets that overlap on a day only the largest counts, which may be less than what was used"
WHAT_TO_DO = (
    "Export every day once, in one grouping and one length, and delete the others from usage_buckets (and from "
    "bucket_parts, where it is there); until then rules about volume are not evaluated on these days"
)
WHAT_TO_KEEP = (
    "Load every export under one source name, and delete the buckets of the other from usage_buckets (and from "
    "bucket_parts, where it is there)"
)
_LONGEST = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Overlap:
    """Days of a source on which buckets overlap, and how the buckets concerned are broken down."""

    source_system: str
    days: tuple[date, ...]
    groupings: tuple[str, ...]

    def __str__(self) -> str:
        return f"buckets overlap on {span(self.days)}, exported " + (
            " and ".join(self.groupings) if len(self.groupings) > 1 else f"{self.groupings[0]} several times"
        )


@dataclass(frozen=True, slots=True)
class Shared:
    """Days of a source with buckets that another source, whose name comes first, has as well."""

    source_system: str
    other: str
    days: tuple[date, ...]
    buckets: int

    @property
    def pair(self) -> tuple[str, str]:
        """Both sources."""
        return self.source_system, self.other

    def __str__(self) -> str:
        many = "bucket is" if self.buckets == 1 else "buckets are"
        return (
            f"{self.buckets:,} {many} told by source {self.other} too, on {span(self.days)}: each counts once, under "
            f"{self.other}, and on a day with many of them {self.source_system} is not evaluated"
        )


def span(days: Collection[date]) -> str:
    """Days in words: their number, and the first and the last of them."""
    first, last = min(days), max(days)
    held = f"{first}" if first == last else f"{first} to {last}"
    return f"{len(days):,} {'day' if len(days) == 1 else 'days'} ({held})"


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
        Overlap(source, tuple(sorted(held)), tuple(said for _, said in sorted(groupings[source])))
        for source, held in sorted(days.items())
    ]


def is_same_bucket(bucket: FromClause, other: FromClause) -> ColumnElement[bool]:
    """Whether another source, earlier by name, has the very same bucket: that one is counted."""
    b, o = bucket.c, other.c
    same = ("bucket_start", "bucket_end", "account_id", "input_tokens", "output_tokens")
    return and_(
        o.source_system < b.source_system,
        *(o[name] == b[name] for name in same),
        *(func.coalesce(o[name], "") == func.coalesce(b[name], "") for name in ("api_key_hash", "model")),
    )


def shared_buckets(connection: Connection, *where: ColumnElement[bool]) -> list[Shared]:
    """Buckets that two sources have, by both; ``where`` narrows the buckets that are looked at."""
    other = usage_buckets.alias("other")
    b, o = usage_buckets.c, other.c
    pair = (b.source_system, o.source_system.label("other"))
    content = (b.bucket_start, b.bucket_end, b.account_id, b.api_key_hash, b.model, b.input_tokens, b.output_tokens)
    each = (
        select(*pair, *content)
        .select_from(usage_buckets.join(other, is_same_bucket(usage_buckets, other)))
        .where(*where)
        .distinct()
        .subquery("each")
    ).c
    day = utc_day(each.bucket_start).label("day")
    by_day = select(each.source_system, each.other, day, func.count().label("n"))
    days: dict[tuple[str, str], dict[date, int]] = {}
    for row in connection.execute(by_day.group_by(each.source_system, each.other, day)):
        days.setdefault((row.source_system, row.other), {})[row.day] = row.n
    return [Shared(*pair, tuple(sorted(held)), sum(held.values())) for pair, held in sorted(days.items())]


def overlap_problems(connection: Connection, faulty: frozenset[str]) -> Iterator[Problem]:
    """Advice on them; nothing is read where the table or a column of it is ``faulty``."""
    table = usage_buckets.name
    if not {table, *(f"{table}.{column.name}" for column in usage_buckets.c)} & faulty:
        for one in bucket_overlaps(connection):
            yield Problem("advice", f"{table}, source {one.source_system}", f"{one}. {WHAT_COUNTS}.", f"{WHAT_TO_DO}.")
        for shared in shared_buckets(connection):
            yield Problem("advice", f"{table}, source {shared.source_system}", f"{shared}.", f"{WHAT_TO_KEEP}.")


def _grouping(seconds: float, keyed: bool, of_model: bool) -> str:
    lengths = {3_600: "by the hour", 86_400: "by the day"}
    length = lengths.get(round(seconds), f"by {round(seconds / 60):,} minutes")
    by = " and ".join(name for name, there in (("key", keyed), ("model", of_model)) if there)
    return f"{length}{f', {by}' if by else ', not broken down'}"
