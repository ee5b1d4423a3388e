"""The least and the most that was used: a bucket may or may not count what is known from elsewhere as well."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import combinations

from tests.reference.facts import Facts, day_of, may_be_in, midnight
from tests.reference.validity import Row

Count = Callable[[Row], int | None]
"""How much of something a request or a bucket is; None where a bucket does not say."""


def requests(row: Row) -> int | None:
    """Successful requests; on what days those of a bucket of several days were made nobody knows."""
    if "event_ts" in row:
        return int(row["status_code"] < 400)
    return None if lasts(row) else row["n_requests"]


def output_tokens(row: Row) -> int:
    n: int = row["output_tokens"]
    return n


def input_tokens(row: Row) -> int:
    n: int = row["input_tokens"]
    return n


@dataclass(frozen=True)
class Use:
    """The bounds between which the true use lies."""

    least: int = 0
    most: float = 0

    def __add__(self, other: Use) -> Use:
        return Use(self.least + other.least, self.most + other.most)


def total(uses: Iterable[Use]) -> Use:
    return sum(uses, Use())


def on_day(facts: Facts, account: str, tiers: Collection[str], day: date, count: Count = requests) -> Use:
    return between(facts, account, tiers, midnight(day), midnight(day + timedelta(days=1)), count)


def between(
    facts: Facts, account: str, tiers: Collection[str], start: datetime, end: datetime, count: Count = requests
) -> Use:
    """What an account used in [start, end) while it had one of these tiers.

    A bucket that lies in it in part may have been used in it as a whole, or not at all.
    """
    events = [
        event
        for event in facts.events_by_account[account]
        if start <= event["event_ts"] < end and facts.tier_at(account, event["event_ts"]) in tiers
    ]
    within = touching(facts, account, tiers, start, end)
    whole = [
        bucket
        for bucket in within
        if start <= bucket["from"]
        and bucket["bucket_end"] <= end
        and facts.tiers_during(account, bucket["from"], bucket["bucket_end"]) <= set(tiers)
    ]
    known = sum(count(event) or 0 for event in events)
    own, every = facts.events_by_account[account], facts.distinct_buckets[account]
    beyond = _beyond([one for one in whole if not lasts(one)], own, count) + _of_days(whole, own, every, count)
    most = partial(_requests_at_most, facts) if count is requests else count
    return Use(known + beyond, known + max(_at_most(within, most), beyond))


def touching(facts: Facts, account: str, tiers: Collection[str], start: datetime, end: datetime) -> list[Row]:
    """The account's buckets of which something may have been used in [start, end) under one of these tiers.

    Each says from when on, as ``within``.
    """
    found = []
    for bucket in facts.distinct_buckets[account]:
        since, until = max(start, bucket["from"]), min(end, bucket["bucket_end"])
        if since < until:
            instants = facts.tier_changes(account, since, until)
            within = [at for at in instants if facts.tier_at(account, at) in tiers]
            found += [bucket | {"within": within[0]}] if within else []
    return found


def is_uncounted(facts: Facts, account: str, tiers: Collection[str]) -> bool:
    """Whether the account has a bucket in the period of which nobody knows how many requests it counts."""
    return any(
        _requests_at_most(facts, bucket) is None for bucket in touching(facts, account, tiers, facts.start, facts.end)
    )


def _requests_at_most(facts: Facts, bucket: Row) -> int | None:
    """The requests of a bucket on a day: all that it counts may have been made on any one of its days.

    None where it does not say, and where one of several days reaches beyond the period or a tier.
    """
    start, end = bucket["from"], bucket["bucket_end"]
    beyond = start < facts.start or end > facts.end or len(facts.tiers_during(bucket["account_id"], start, end)) > 1
    n: int | None = bucket["n_requests"]
    return None if lasts(bucket) and beyond else n


UNCOUNTED = "number of requests not known"


def is_used(facts: Facts, account: str, tiers: Collection[str]) -> bool:
    """Whether anything is known that an account may have used in the period under one of these tiers."""
    alone = any(facts.events_of(account, tier) for tier in tiers)
    return alone or bool(touching(facts, account, tiers, facts.start, facts.end))


def without_breakdowns(buckets: list[Row]) -> list[Row]:
    """Each bucket but the breakdown of another."""
    return [one for one in buckets if not any(is_breakdown(one, other) for other in buckets)]


def _beyond(buckets: list[Row], events: list[Row], count: Count) -> int:
    """What buckets count at least beyond the requests: nothing that any of those may be.

    Of overlapping buckets of one source the one with most tokens counts, or the latest of those as large. A request is
    in one bucket of a source at most.
    """
    by_source: dict[str, list[Row]] = defaultdict(list)

    def size(one: Row) -> tuple[int, int, datetime]:
        return one["input_tokens"] + one["output_tokens"], one["n_requests"] or -1, one["bucket_start"]

    for bucket in sorted(buckets, key=size, reverse=True):
        if count(bucket) and not any(overlap(bucket, larger) for larger in by_source[bucket["source_system"]]):
            by_source[bucket["source_system"]].append(bucket)
    return sum(
        max(sum(count(bucket) or 0 for bucket in some) - _shared(some, events, count) for some in _subsets(together))
        for apart in by_source.values()
        for together in _sharing_requests(apart, events)
    )


def lasts(bucket: Row) -> bool:
    """Whether a bucket reaches beyond the day on which it begins."""
    end: datetime = bucket["bucket_end"]
    return end > midnight(day_of(bucket["bucket_start"]) + timedelta(days=1))


def _of_days(buckets: list[Row], events: list[Row], every: list[Row], count: Count) -> int:
    """What buckets of several days count at least beyond all else.

    Whatever the account used on the days after the first may be in them, with whatever key and model, and so may all
    that another bucket of the source counts, where it is of another time that overlaps.
    """
    by_time: dict[tuple[str, datetime, datetime], list[Row]] = defaultdict(list)
    for bucket in buckets:
        if lasts(bucket):
            by_time[bucket["source_system"], bucket["from"], bucket["bucket_end"]].append(bucket)
    least = 0
    for (source, start, end), some in by_time.items():
        others = (
            one for one in every if one["source_system"] == source and (one["from"], one["bucket_end"]) != (start, end)
        )
        if any(one["from"] < end and one["bucket_end"] > start for one in others):
            continue
        first_day = day_of(start)
        at_once = [event for event in events if day_of(event["event_ts"]) == first_day]
        later = sum(count(e) or 0 for e in events if day_of(e["event_ts"]) > first_day and e["event_ts"] < end)
        least += max(0, _beyond(some, at_once, count) - later)
    return least


def _shared(buckets: Iterable[Row], events: list[Row], count: Count) -> int:
    """How much the requests are that may be in any of the buckets."""
    return sum(count(event) or 0 for event in events if any(may_be_in(event, bucket) for bucket in buckets))


def _subsets(buckets: list[Row]) -> Iterator[tuple[Row, ...]]:
    for n in range(len(buckets) + 1):
        yield from combinations(buckets, n)


def _sharing_requests(buckets: list[Row], events: list[Row]) -> list[list[Row]]:
    """The buckets, put together where one request may be in either."""
    found: list[list[Row]] = []
    for bucket in buckets:
        mine = [event for event in events if may_be_in(event, bucket)]
        linked = [many for many in found if any(may_be_in(event, one) for one in many for event in mine)]
        found = [many for many in found if many not in linked] + [[bucket, *(one for many in linked for one in many)]]
    return found


def _at_most(buckets: list[Row], count: Count) -> float:
    """What the buckets count together: each of them but the breakdown of another."""
    counts = [count(one) for one in without_breakdowns(buckets)]
    return math.inf if None in counts else sum(n for n in counts if n is not None)


def overlap(bucket: Row, other: Row) -> bool:
    """Whether two buckets of a source may count the same requests."""
    return (
        bucket["bucket_start"] < other["bucket_end"]
        and other["bucket_start"] < bucket["bucket_end"]
        and all(None in (bucket.get(name), other.get(name)) or bucket[name] == other[name] for name in DIMENSIONS)
    )


DIMENSIONS = ("api_key_hash", "model")


def is_breakdown(part: Row, whole: Row) -> bool:
    """Whether a bucket is plainly a part of another of its account and source: of less time or broken down further."""
    frame = ("bucket_start", "bucket_end", *DIMENSIONS)
    return (
        part["account_id"] == whole["account_id"]
        and part["source_system"] == whole["source_system"]
        and whole["bucket_start"] <= part["bucket_start"]
        and part["bucket_end"] <= whole["bucket_end"]
        and all(whole.get(name) in (None, part.get(name)) for name in DIMENSIONS)
        and any(part.get(name) != whole.get(name) for name in frame)
        and all(part[name] <= whole[name] for name in ("input_tokens", "output_tokens"))
        and (None in (part["n_requests"], whole["n_requests"]) or part["n_requests"] <= whole["n_requests"])
    )
