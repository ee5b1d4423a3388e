"""R02 own baseline, R11 round the clock, R27 dormancy and ramp: when an account or a group is used."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

from tests.reference.answers import Answer, no, not_applicable, together, violating
from tests.reference.counting import UNCOUNTED, is_uncounted, is_used, on_day
from tests.reference.facts import Facts, day_of, midnight
from tests.reference.groups import about_group
from tests.reference.rules.volume import DOUBTFUL
from tests.reference.usage import (
    about_requests,
    at_of,
    in_order,
    is_ok,
    last_limits,
    not_asked,
    sevens,
    share,
    shown,
)
from tests.reference.validity import Row

BASELINE = timedelta(days=28)

# ---------------------------------------------------------------- R02


def _departs(facts: Facts, level: str, limits: dict, rows: list[Row]) -> Answer | None:
    """At least two days far above the own median of the 28 days before the period."""
    requests = Counter(day_of(row["event_ts"]) for row in rows if is_ok(row))
    before = [n for day, n in requests.items() if day < facts.period.first_day]
    if len(before) < limits["baseline_days_min"]:
        return None
    logs = [math.log1p(n) for n in before]
    middle, usual = statistics.median(logs), statistics.median(before)
    spread = max(statistics.median(abs(value - middle) for value in logs), limits["mad_floor"])
    over = {
        day: n for day, n in requests.items()
        if day >= facts.period.first_day and n >= limits["requests_min"] and n >= limits["factor_min"] * usual
        and round((math.log1p(n) - middle) / spread, 9) >= limits["z_min"]
    }  # fmt: skip
    if len(over) < limits["days_min"]:
        return None
    peak = max(over.values())
    return violating(
        "medium", level=level, peak_requests_a_day=peak, peak_factor=peak / usual, usual_requests_a_day=usual,
        peak_z=(math.log1p(peak) - middle) / spread, days_over=len(over),
    )  # fmt: skip


def _without_a_past(facts: Facts, limits: dict, rows: list[Row]) -> Answer | None:
    """With too few days of use before the period: whether there is so much use on so many days in it."""
    requests = Counter(day_of(row["event_ts"]) for row in rows if is_ok(row))
    before = sum(day < facts.period.first_day for day in requests)
    much = sum(day >= facts.period.first_day and n >= limits["requests_min"] for day, n in requests.items())
    return violating("medium") if before < limits["baseline_days_min"] and much >= limits["days_min"] else None


def _departs_at_worst(facts: Facts, level: str, limits: dict, rows: list[Row]) -> Answer | None:
    """With all that buckets may count in the period, and all of it or nothing before."""
    fewer = [row for row in rows if row["event_ts"] >= facts.start or not row.get("in_bucket")]
    for some in (rows, fewer):
        if answer := _without_a_past(facts, limits, some) or _departs(facts, level, limits, some):
            return answer
    return None


def r02_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R02", tier) if facts.applies("R02", account, tier) else {}
    answer = about_requests(
        facts, "R02", account, tier, lambda rows: _departs(facts, tier, limits, _with_past(facts, account, rows)),
        lookback=BASELINE, buckets_count=True,
        at_worst=lambda rows: _departs_at_worst(facts, tier, limits, _with_past(facts, account, rows)),
    )  # fmt: skip
    few = len({day_of(e["event_ts"]) for e in _with_past(facts, account, [])}) < 14
    return replace(answer, or_else=("not_evaluated",)) if answer.verdict == "compliant" and few else answer


def _with_past(facts: Facts, account: str, rows: list[Row]) -> list[Row]:
    """The rows, and what the account did before the period under its other tiers: whoever goes down is no newcomer."""
    there = {row["event_id"] for row in rows}
    before = (e for e in facts.events_by_account[account] if facts.start - BASELINE <= e["event_ts"] < facts.start)
    held = (e for e in before if facts.applies("R02", account, facts.tier_at(account, e["event_ts"])))
    return in_order([*rows, *(event for event in held if event["event_id"] not in there)])


def r02_group(facts: Facts, group: str) -> Answer:
    return about_group(
        facts, "R02", group, lambda level, limits, rows: _departs(facts, level, limits, rows), lookback=BASELINE,
        buckets_count=True, at_worst=lambda level, limits, rows: _departs_at_worst(facts, level, limits, rows),
    )  # fmt: skip


# ---------------------------------------------------------------- R11


def r11_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R11", tier) if facts.applies("R11", account, tier) else {}
    return about_requests(
        facts, "R11", account, tier, lambda events: _never_rests(facts, tier, limits, events),
        at_worst=lambda events: _might_never_rest(facts, limits, events),
    )  # fmt: skip


def r11_group(facts: Facts, group: str) -> Answer:
    return about_group(
        facts, "R11", group, lambda level, limits, events: _never_rests(facts, level, limits, events),
        at_worst=lambda _level, limits, events: _might_never_rest(facts, limits, events),
    )  # fmt: skip


def _never_rests(facts: Facts, level: str, limits: dict, events: list[Row]) -> Answer | None:
    """All hours active on six of seven days, nights like days, and every hour of the day alike."""
    hours = Counter((day_of(event["event_ts"]), event["event_ts"].hour) for event in events)
    active = Counter(day for day, _ in hours)
    whole = [day for day, n in active.items() if n >= limits["active_hours_min"]]
    in_seven = max(sum(first <= day <= last for day in whole) for first, last in sevens(facts))
    by_hour = sorted(sum(n for (_, at), n in hours.items() if at == hour) for hour in range(24))
    ratio = share(sum(by_hour[:8]), sum(by_hour[16:])) or 0
    variation = statistics.pstdev(by_hour) / statistics.mean(by_hour) if events else 0
    if (
        len(events) >= limits["requests_min"]
        and in_seven >= limits["days_min"]
        and round(ratio, 9) >= limits["night_day_ratio_min"]
        and round(variation, 9) <= limits["hourly_variation_max"]
    ):
        return violating(
            "low", level=level, requests=len(events), full_days=len(whole), full_days_in_seven=in_seven,
            night_day_ratio=ratio, hourly_variation=variation,
        )  # fmt: skip
    return None


def _might_never_rest(facts: Facts, limits: dict, events: list[Row]) -> Answer | None:
    """With requests of which the hour is not known: whether they could fill the hours of six days of seven."""
    timed = [event for event in events if not event.get("in_bucket")]
    untimed = len(events) - len(timed)
    hours = {(day_of(event["event_ts"]), event["event_ts"].hour) for event in timed}
    active = Counter(day for day, _ in hours)
    for first, _ in sevens(facts):
        days = [first + timedelta(days=n) for n in range(7)]
        missing = sorted(max(0, limits["active_hours_min"] - active[day]) for day in days)
        if untimed and sum(missing[: limits["days_min"]]) <= untimed and len(events) >= limits["requests_min"]:
            return violating("low")
    return None


# ---------------------------------------------------------------- R27


def r27(facts: Facts, account: str, tier: str) -> Answer:
    """Thirty idle days and then a burst on two days, or a new account near its limits on three days."""
    if early := not_asked(facts, "R27", account, tier):
        return early
    limits = last_limits(facts, "R27", tier)
    if not is_used(facts, account, {tier}) and not facts.missing_days("R27", account, tier):
        return not_applicable("no usage")
    missing = facts.missing_days("R27", account, tier, facts.start - timedelta(days=limits["idle_days"]))
    row = facts.account_row(account)
    uses = {day: on_day(facts, account, {tier}, day) for day in facts.period.days}
    ramps, bursts = [], []
    for bound in ("least", "most"):
        requests = {day: getattr(use, bound) for day, use in uses.items()}
        ramps.append(_ramp(requests, row, limits))
        bursts.append(_burst(facts, account, tier, requests, row, limits, bound))
    burst, perhaps = bursts
    doubts = _doubts_of_idleness(facts, account, limits) if burst or perhaps else []
    if answer := together([ramps[0], None if doubts else burst]):
        return answer
    missing += [UNCOUNTED] if is_uncounted(facts, account, {tier}) else []
    if perhaps or ramps[1]:
        missing += [*doubts, *([] if burst else [DOUBTFUL])]
    return no(missing)


def _ramp(requests: dict[date, int], row: Row | None, limits: dict) -> Answer | None:
    """A new account near its daily limit on so many days that begin while it is new."""
    if row is None:
        return None
    until = row["opened_at"] + timedelta(days=limits["new_age_days"])
    near = round(limits["new_share_min"] * limits["quota_requests_a_day"], 9)
    days = {day: n for day, n in requests.items() if n >= near and midnight(day) <= until}
    if len(days) < limits["new_days_min"]:
        return None
    return violating("medium", peak_requests_a_day=max(days.values()), days=len(days), on_days=shown(days))


def _burst(
    facts: Facts, account: str, tier: str, requests: dict[date, int], row: Row | None, limits: dict, bound: str
) -> Answer | None:
    """So many days of many times the tier's median, the first use of the period after so many days without any.

    At least a bucket of several days was used on all of them; at most it was used on none that matters.
    """
    usual = _median_of_tier(facts, tier)
    days = {day: n for day, n in requests.items() if n and n >= limits["burst_factor_min"] * usual}
    if len(days) < limits["burst_days_min"] or row is None:
        return None
    used = _days_used(facts, account, bound)
    first = min((day for day in used if day >= facts.period.first_day), default=min(days))
    since = first - timedelta(days=limits["idle_days"])
    begun = min(day_of(row["opened_at"]), *used)  # who was used is there, whatever is on record
    if begun > since or any(since <= day < first for day in used):
        return None
    return violating(
        "medium", peak_requests_a_day=max(days.values()), days=len(days), on_days=shown(days),
        usual_requests_a_day=usual,
    )  # fmt: skip


def _days_used(facts: Facts, account: str, bound: str) -> set[date]:
    """The days on which an account was used, or may have been."""
    used = {day_of(event["event_ts"]) for event in facts.events_by_account[account]}
    for bucket in facts.distinct_buckets[account]:
        last = day_of(bucket["bucket_end"] - timedelta(microseconds=1))
        days = [bucket_day for n in range(62) if (bucket_day := day_of(bucket["from"]) + timedelta(days=n)) <= last]
        used |= set(days) if bound == "least" or len(days) == 1 else set()
    return used


def _doubts_of_idleness(facts: Facts, account: str, limits: dict) -> list[str]:
    """Why nobody knows whether the days before the first use of the period were idle: blocked, or before all usage."""
    days = _days_used(facts, account, "least")
    first = min(day for day in days if day >= facts.period.first_day)
    since = first - timedelta(days=limits["idle_days"])
    sources = {row["source_system"] for row in facts.events_by_account[account] + facts.distinct_buckets[account]}
    behind = any(since <= day < first and source in sources for day, source in facts.blocked)
    earliest = min(day_of(at_of(row)) for table in ("usage_events", "usage_buckets") for row in facts.rows[table])
    short = (first - earliest).days < limits["idle_days"]
    return ["blocked data before the burst"] * behind + ["the history is too short"] * short


@lru_cache(maxsize=32)
def _median_of_tier(facts: Facts, tier: str) -> float:
    """The median requests of a day over the days on which accounts of the tier were used, as far as it is known."""
    days: list[int] = []
    for account in facts.accounts_seen:
        days += [n for day in facts.period.days if (n := on_day(facts, account, {tier}, day).least)]
    return statistics.median(days) if days else 0.0
