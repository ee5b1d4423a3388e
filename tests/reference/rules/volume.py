"""R01 extraction volume, R03 departure from peers, R04 group volume, R25 commitment: how much was used."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tests.reference.answers import Answer, no, not_applicable, not_evaluated, violating
from tests.reference.facts import UNASSIGNED, Facts, day_of, lasts, midnight
from tests.reference.groups import about_group, members_at, up_to
from tests.reference.usage import (
    WEEK_BEFORE,
    about_requests,
    at_of,
    is_ok,
    last_limits,
    not_asked,
    share,
    shown,
    within_days,
)
from tests.reference.validity import Row


def r01(facts: Facts, account: str, tier: str) -> Answer:
    """More successful requests on a day, or output tokens in seven days, than the limit that held then."""
    if early := not_asked(facts, "R01", account, tier):
        return early
    since = facts.start - WEEK_BEFORE
    events, buckets = facts.events_of(account, tier, since), facts.buckets_of(account, tier, since)
    missing = facts.missing_days("R01", account, tier, since)
    used = any(at_of(row) >= facts.start for row in [*events, *buckets])
    if not used and not facts.missing_days("R01", account, tier):
        return not_applicable("no usage")
    requests, tokens = per_day(events, [bucket for bucket in buckets if not lasts(bucket)])
    lasting = [bucket for bucket in buckets if lasts(bucket) and bucket["alone"]]
    over: dict[str, dict[date, int]] = {"requests_a_day": {}, "output_tokens_a_week": {}}
    for day in facts.period.days:
        limits = facts.limits("R01", tier, day)
        week = sum(n for at, n in tokens.items() if 0 <= (day - at).days < 7)
        begun, ended = midnight(day) - WEEK_BEFORE, midnight(day) + timedelta(days=1)
        inside = (one for one in lasting if begun <= one["bucket_start"] and one["bucket_end"] <= ended)
        week += sum(one["output_tokens"] for one in inside)
        for name, value in (("requests_a_day", requests[day]), ("output_tokens_a_week", week)):
            if limits is not None and value > limits[name]:
                over[name][day] = value
    if any(over.values()):
        peaks = {f"peak_{name}": max(values.values(), default=None) for name, values in over.items()}
        return violating("medium", **peaks, days_over=len(over["requests_a_day"]))
    if any(bucket["n_requests"] is None for bucket in buckets if bucket["bucket_start"] >= facts.start):
        missing.append("n_requests not recorded")
    return no(missing)


def per_day(events: list[Row], buckets: list[Row]) -> tuple[Counter[date], Counter[date]]:
    """Successful requests and output tokens, by day."""
    requests: Counter[date] = Counter()
    tokens: Counter[date] = Counter()
    for event in events:
        requests[day_of(event["event_ts"])] += is_ok(event)
        tokens[day_of(event["event_ts"])] += event["output_tokens"]
    for bucket in buckets:
        requests[day_of(bucket["bucket_start"])] += bucket["n_requests"] or 0
        tokens[day_of(bucket["bucket_start"])] += bucket["output_tokens"]
    return requests, tokens


# ---------------------------------------------------------------- R03


SHAPES = {
    "output_per_input_token": "share_of_peers_below_in_output",
    "templates": "share_of_peers_below_in_templates",
}
"""The figures of a shape, each with the share of the peers that have less."""


def r03(facts: Facts, account: str, tier: str) -> Answer:
    """More requests than nearly all peers of the tier, and more output for an input token or more templates."""
    limits = last_limits(facts, "R03", tier) if facts.applies("R03", account, tier) else {}

    def breach(events: list[Row], extra_templates: int = 0) -> Answer | None:
        mine = _volume_and_shape(events, extra_templates)
        others = [_volume_and_shape(facts.events_of(a, tier)) for a in facts.accounts_seen if a != account]
        peers = [one for one in others if one["requests"]]
        below = {name: _below(peers, mine, name) or 0 for name in mine}
        few = not mine["requests"] or len(peers) + 1 < limits["peers_min"]
        told = {name: 1 + sum(one[name] is not None for one in peers) for name in SHAPES}
        odd = {n for n in SHAPES if told[n] >= limits["peers_min"] and below[n] > limits["shape_quantile"]}
        if few or below["requests"] <= limits["volume_quantile"] or not odd:
            return None
        figures = {name: mine[name] if name in odd else None for name in SHAPES}
        figures |= {share_of: below[name] if name in odd else None for name, share_of in SHAPES.items()}
        return violating(
            "low", requests=mine["requests"], share_of_peers_below=below["requests"], peers=len(peers) + 1, **figures
        )

    def at_worst(events: list[Row]) -> Answer | None:
        return breach(events, sum(is_ok(e) and e.get("prompt_template_hash") is None for e in events))

    answer = about_requests(facts, "R03", account, tier, breach, at_worst=at_worst)
    active = sum(any(map(is_ok, facts.events_of(a, tier))) for a in facts.accounts_seen) if limits else 0
    if answer.verdict == "compliant" and active < limits["peers_min"]:
        idle = not any(map(is_ok, facts.events_of(account, tier)))
        return replace(not_evaluated("too few peers"), or_else=("compliant",) if idle else ())
    return answer


def _volume_and_shape(events: list[Row], extra_templates: int = 0) -> dict[str, Any]:
    """Successful requests and their distinct templates, and the output for an input token, of all requests."""
    answered = [e for e in events if is_ok(e)]
    templates = {e["prompt_template_hash"] for e in answered if e.get("prompt_template_hash")}
    output, given = (sum(e[name] for e in events) for name in ("output_tokens", "input_tokens"))
    return {
        "requests": len(answered),
        "output_per_input_token": share(output, given),
        "templates": len(templates) + extra_templates or None,
    }


def _below(peers: list[dict[str, Any]], mine: dict[str, Any], name: str) -> float | None:
    """The share of the peers of which the figure is known that have less; all of none."""
    known = [one[name] for one in peers if one[name] is not None]
    if mine[name] is None:
        return None
    return sum(other < mine[name] for other in known) / len(known) if known else 1.0


# ---------------------------------------------------------------- R04


def r04(facts: Facts, group: str) -> Answer:
    """Five accounts in use or more that together pass the group's daily limit while nearly none passes R01's."""

    def breach(level: str, limits: dict, rows: list[Row]) -> Answer | None:
        used = sum(bool(_rows_of(facts, account, level)) for account in members_at(facts, group, level))
        over: dict[date, Counter[str]] = {}
        for day in facts.period.days:
            mine = Counter(row["account_id"] for row in within_days(rows, day, day) if is_ok(row))
            own_law = facts.limits("R04", level, day)
            under = sum(_is_under(facts, account, level, day) for account in mine)
            spread = under >= limits["members_under_share"] * len(mine)
            if own_law and used >= own_law["accounts_min"] and mine.total() > own_law["requests_a_day"] and spread:
                over[day] = mine
        if not over:
            return None
        return violating(
            "high", accounts=used, level=level, peak_requests_a_day=max(one.total() for one in over.values()),
            peak_requests_of_one_account=max(max(one.values()) for one in over.values()), days_over=len(over),
            on_days=shown(over),
        )  # fmt: skip

    least = min(last_limits(facts, "R04", tier)["accounts_min"] for tier in facts.ranks)
    return about_group(facts, "R04", group, breach, smallest=least, buckets_count=True)


def _rows_of(facts: Facts, account: str, level: str) -> list[Row]:
    return [
        row
        for tier in up_to(facts, level)
        for row in [*facts.events_of(account, tier), *facts.buckets_of(account, tier)]
    ]


def _is_under(facts: Facts, account: str, level: str, day: date) -> bool:
    """Whether a member stays within R01's limit of a day under every tier that it has on it."""
    for tier in up_to(facts, level):
        requests, _ = per_day(facts.events_of(account, tier), facts.buckets_of(account, tier))
        law = facts.limits("R01", tier, day)
        if law is not None and requests[day] > law["requests_a_day"]:
            return False
    return True


# ---------------------------------------------------------------- R25


def belongs_whole(facts: Facts, customer: str, bucket: Row) -> bool:
    """Whether all of a bucket is of the month and of one contract, and nothing else may count the same."""
    if not bucket["alone"] or bucket["bucket_end"] > facts.end:
        return False
    held = facts.contracts_during(customer, bucket["bucket_start"], bucket["bucket_end"])
    return len(held) == 1 or not any(one.get("commit_tokens") for one in held)


def r25(facts: Facts, customer: str, accounts: list[str]) -> Answer:
    """The customer's tokens of a calendar month against its commitment, in the period in which the month ends."""
    if facts.period.kind != "month":
        return not_applicable("no month ends in the period")
    if not facts.rows["contracts"]:
        return not_evaluated("no contracts on record")
    committed = [row for row in facts.contracts_in_period(customer) if row.get("commit_tokens")]
    if not committed:
        return not_applicable("no commitment")
    limits = next(iter(filter(None, (facts.limits("R25", tier, facts.period.last_day) for tier in facts.ranks))))
    tokens, reasons, used = 0, [], False
    for account in accounts:
        for tier in {*facts.tiers_in_period(account), UNASSIGNED}:
            reasons += facts.missing_days("R25", account, tier)
        rows = [*facts.events_by_account[account], *facts.buckets_by_account[account]]
        for row in (row for row in rows if facts.start <= at_of(row) < facts.end):
            used = True
            contract = facts.contract_at(customer, at_of(row))
            if "bucket_end" in row and not belongs_whole(facts, customer, row):
                reasons.append("a bucket belongs in part")
            elif contract and contract.get("commit_tokens"):
                tokens += row["input_tokens"] + row["output_tokens"]
    if not used and not reasons:
        return not_applicable("no usage")
    factor = tokens / committed[-1]["commit_tokens"]
    for severity in ("high", "medium", "low"):
        if factor > limits[f"{severity}_over_factor"]:
            return violating(severity, factor=factor, tokens=tokens, month=facts.period.first_day.isoformat())
    return no(reasons) if tokens or reasons else replace(no([]), or_else=("not_applicable",))
