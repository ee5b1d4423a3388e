"""Steps that rules about an account's requests have in common: is there usage, and could what is missing matter?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tests.reference.answers import Answer, no, not_applicable, not_evaluated
from tests.reference.counting import is_used, touching, without_breakdowns
from tests.reference.facts import UNASSIGNED, Facts, day_of
from tests.reference.validity import Row

WEEK_BEFORE = timedelta(days=6)
"""How far before the period the first seven consecutive days begin that end in it."""

Breach = Callable[[list[Row]], Answer | None]
"""What requests break, if anything."""

Worst = Callable[[list[Row]], Iterable[list[Row]]]
"""The same requests with whatever is not recorded counted against the account; in several ways, if need be."""


def is_ok(event: Row) -> bool:
    return bool(event["status_code"] < 400)


def as_they_are(events: list[Row]) -> Iterable[list[Row]]:
    """For a rule that needs no column which a source may leave out."""
    yield events


def filled(**values: Any) -> Worst:
    """Each value that a request lacks replaced by this one, or by what a function says of the request."""
    return lambda events: [fill(events, values)]


def fill(events: Iterable[Row], values: Mapping[str, Any]) -> list[Row]:
    return [
        event
        | {
            name: value(event) if callable(value) else value
            for name, value in values.items()
            if event.get(name) is None
        }
        for event in events
    ]


def about_requests(
    facts: Facts,
    rule: str,
    account: str,
    tier: str,
    breach: Breach,
    worst: Worst = as_they_are,
    *,
    lookback: timedelta = timedelta(0),
    buckets_count: bool = False,
    at_worst: Breach | None = None,
) -> Answer:
    """Judge an account by its requests under a tier, from so long before the period on.

    What the known requests break is broken. Otherwise the answer is *not evaluated* where days are blocked or degraded,
    or where the account would violate if every request that lacks a column counted against it. A request that is known
    from a bucket alone lacks all columns; ``buckets_count`` says that the rule asks for none. ``at_worst`` judges what
    ``worst`` yields, where that takes more than the account's own requests.
    """
    if early := not_asked(facts, rule, account, tier):
        return early
    since = facts.start - lookback
    if not is_used(facts, account, {tier}) and not facts.missing_days(rule, account, tier):
        return not_applicable("no usage")
    missing = facts.missing_days(rule, account, tier, since)
    events, buckets = facts.events_of(account, tier, since), touching(facts, account, {tier}, since, facts.end)
    beyond = from_buckets(facts.buckets_of(account, tier, since)) if buckets_count else []
    counted = in_order([*events, *beyond])
    return breach(counted) or no([*missing, *unknown(events, buckets, at_worst or breach, worst)])


def unknown(events: list[Row], buckets: list[Row], breach: Breach, worst: Worst) -> list[str]:
    """Why nobody can say whether these requests break anything: a count or a column that is not recorded.

    The buckets may count any number of these requests, or none.
    """
    buckets = without_breakdowns(buckets)
    if any(bucket["n_requests"] is None for bucket in buckets):
        return ["n_requests not recorded"]
    everything = in_order([*events, *from_buckets(buckets)])
    return ["not recorded"] if any(breach(one) for one in worst(everything)) else []


def in_order(events: Iterable[Row]) -> list[Row]:
    return sorted(events, key=lambda row: (row["event_ts"], row["event_id"]))


def from_buckets(buckets: Iterable[Row]) -> list[Row]:
    """The requests that buckets count, of which nothing is known but the account, the model and the day."""
    return [
        {
            "event_id": f"{number}-{bucket_number}-{bucket['account_id']}-{bucket['bucket_start']}",
            "status_code": 200, "account_id": bucket["account_id"], "api_key_hash": bucket.get("api_key_hash"),
            "source_system": bucket["source_system"], "event_ts": bucket.get("within", bucket["bucket_start"]),
            "operation": "chat", "model_requested": bucket.get("model"), "input_tokens": 0, "output_tokens": 0,
            "in_bucket": True,
        }
        for bucket_number, bucket in enumerate(buckets)
        for number in range(bucket["n_requests"] or 0)
    ]  # fmt: skip


def at_of(row: Row) -> datetime:
    """When a request or a bucket began."""
    at: datetime = row["event_ts"] if "event_ts" in row else row["bucket_start"]
    return at


def not_asked(facts: Facts, rule: str, account: str, tier: str) -> Answer | None:
    """Where the tier settles the answer: no tier, a tier that the book lacks, or one of which the rule is silent."""
    if tier == UNASSIGNED:
        return not_evaluated("no tier on record")
    if tier not in facts.ranks:
        return not_evaluated("tier not in the policy book")
    if not facts.applies(rule, account, tier):
        return not_applicable("the rule does not speak of the tier")
    return None


def by_day(events: Sequence[Row]) -> dict[date, list[Row]]:
    found: dict[date, list[Row]] = {}
    for event in events:
        found.setdefault(day_of(event["event_ts"]), []).append(event)
    return found


def last_limits(facts: Facts, rule: str, tier: str) -> dict:
    """The limits for figures of a whole period: those of its last day on which the rule has any for the tier."""
    for day in reversed(list(facts.period.days)):
        if (found := facts.limits(rule, tier, day)) is not None:
            return found
    raise LookupError(f"{rule} has no limits for {tier}")


def strictest(facts: Facts, rule: str, tier: str) -> dict:
    """The limits for what is compared over the whole period: of each the highest in force on any of its days."""
    found = [limits for day in facts.period.days if (limits := facts.limits(rule, tier, day)) is not None]
    return {name: max(limits[name] for limits in found) for name in found[0]}


def sevens(facts: Facts) -> Iterable[tuple[date, date]]:
    """Every seven consecutive days that end in the period, by their first and last."""
    for last in facts.period.days:
        yield last - timedelta(days=6), last


def within_days(events: Iterable[Row], first: date, last: date) -> list[Row]:
    return [event for event in events if first <= day_of(event["event_ts"]) <= last]


def share(part: float, whole: float) -> float | None:
    """A share, or None of nothing."""
    return part / whole if whole else None


def at_least(least: float, part: float, whole: float) -> bool:
    """Whether a part is at least a share of the whole, to the last request."""
    return whole > 0 and part >= round(least * whole, 9)


def shown(days: Iterable[date]) -> str:
    """Days as a figure tells them."""
    return ", ".join(day.isoformat() for day in sorted(days))
