"""R16 impossible travel and R17 key sharing: one key, whichever accounts it is booked on."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tests.reference.answers import Answer, violating
from tests.reference.facts import Facts
from tests.reference.usage import WEEK_BEFORE, about_requests, by_day, fill, last_limits, sevens, within_days
from tests.reference.validity import Row, covers

ON_SITE = ("residential", "mobile", "corporate")

OfKey = Callable[[Facts, dict, list[Row]], Answer | None]


def is_serverless(facts: Facts, key: str, event: Row) -> bool:
    """Whether the key's registration in force at the request declares it serverless."""
    held = [
        row for row in facts.rows["api_keys"]
        if row["api_key_hash"] == key
        and covers({"valid_from": row["created_at"], "valid_to": row.get("revoked_at")}, event["event_ts"])
    ]  # fmt: skip
    return bool(held and max(held, key=lambda row: row["created_at"]).get("serverless"))


def key_events(facts: Facts) -> dict[str, list[Row]]:
    """The requests of each key as presented, whichever accounts they are booked on, from six days before the period."""
    found: dict[str, list[Row]] = defaultdict(list)
    for event in facts.events:
        key = event.get("api_key_hash")
        in_time = facts.start - WEEK_BEFORE <= event["event_ts"] < facts.end
        known = facts.tier_at(event["account_id"], event["event_ts"]) in facts.ranks
        if key and in_time and known and not is_serverless(facts, key, event):
            found[key].append(event)
    return found


def holders(facts: Facts, events: list[Row]) -> set[tuple[str, str]]:
    """The accounts that used a key in the period, each with the tiers under which it did."""
    return {
        (event["account_id"], facts.tier_at(event["account_id"], event["event_ts"]))
        for event in events
        if event["event_ts"] >= facts.start
    }


def of_holder(facts: Facts, events: list[Row], account: str, tier: str) -> list[Row]:
    """What a key did on all other accounts, and on this one under the tier."""
    return [e for e in events if e["account_id"] != account or facts.tier_at(account, e["event_ts"]) == tier]


def journeys(events: list[Row]) -> list[Row]:
    """Requests from another country than the key's request before, sooner than anybody could have travelled.

    Worlds of these tests have countries that lie half a day or more apart by air, and gaps of an hour or of days. A
    network that is placed now here and now there has not moved; one that is not recorded excuses nothing.
    """
    there = [e for e in events if e.get("ip_type") in ON_SITE and e.get("ip_country") is not None]
    return [
        after
        for before, after in itertools.pairwise(there)
        if before["ip_country"] != after["ip_country"]
        and (before.get("client_net_hash") is None or before.get("client_net_hash") != after.get("client_net_hash"))
        and after["event_ts"] - before["event_ts"] < timedelta(hours=4)
    ]


def r16(facts: Facts, limits: dict, events: list[Row]) -> Answer | None:
    found = journeys(events)
    peak = max(len(within_days(found, first, last)) for first, last in sevens(facts))
    if peak < limits["journeys_a_week_min"]:
        return None
    in_period = sum(event["event_ts"] >= facts.start for event in found)
    return violating("medium", peak_journeys_a_week=peak, journeys=in_period)


def r17(facts: Facts, limits: dict, events: list[Row]) -> Answer | None:
    over = []
    for day, found in by_day(events).items():
        seen = [
            len({e[name] for e in found if e.get(name) is not None})
            for name in ("client_net_hash", "ip_asn", "user_agent_family")
        ]
        least = [limits["networks_min"], limits["asns_min"], limits["agents_min"]]
        if day >= facts.period.first_day and all(n >= limit for n, limit in zip(seen, least, strict=True)):
            over.append(seen)
    if len(over) < limits["days_min"]:
        return None
    networks, asns, agents = (max(seen) for seen in zip(*over, strict=True))
    return violating(
        "medium", peak_networks_a_day=networks, peak_asns_a_day=asns, peak_agents_a_day=agents, days_over=len(over)
    )


JUDGES: dict[str, OfKey] = {"R16": r16, "R17": r17}
COLUMNS = {
    "R16": ("ip_country", "ip_type", "client_net_hash"),
    "R17": ("client_net_hash", "ip_asn", "user_agent_family"),
}


def of_account_keys(
    facts: Facts,
    rule: str,
    account: str,
    tier: str,
    found: dict[tuple[str, str, str], Answer],
    by_key: dict[str, list[Row]],
) -> Answer:
    """The answer for an account: that of any key that it used in the period.

    At worst every request that lacks a key was made with the same one, and each one that lacks a place or a client came
    from one of its own.
    """
    limits = last_limits(facts, rule, tier) if facts.applies(rule, account, tier) else {}

    def breach(events: list[Row]) -> Answer | None:
        keys = {e["api_key_hash"] for e in events if e.get("api_key_hash")}
        return next((found[key, account, tier] for key in sorted(keys) if (key, account, tier) in found), None)

    def at_worst(events: list[Row]) -> Answer | None:
        keyless = [e for e in events if e.get("api_key_hash") is None]
        for key in sorted({e["api_key_hash"] for e in events if e.get("api_key_hash")}) or [""]:
            known = of_holder(facts, by_key.get(key, []), account, tier)
            theirs = sorted([*known, *keyless], key=lambda e: (e["event_ts"], e["event_id"]))
            own = {name: (lambda e: f"own {e['event_id']}") for name in COLUMNS[rule]}
            if rule == "R16":
                own["ip_type"] = lambda _event: ON_SITE[0]
            if answer := JUDGES[rule](facts, limits, fill(theirs, own)):
                return answer
        return None

    lookback = WEEK_BEFORE if rule == "R16" else timedelta(0)
    answer = about_requests(facts, rule, account, tier, breach, lookback=lookback, at_worst=at_worst)
    used = facts.events_of(account, tier)
    if answer.verdict == "compliant" and used and all(_is_declared(facts, event) for event in used):
        return replace(answer, or_else=(*answer.or_else, "not_applicable"))
    return answer


def _is_declared(facts: Facts, event: Row) -> bool:
    key = event.get("api_key_hash")
    return key is not None and is_serverless(facts, key, event)
