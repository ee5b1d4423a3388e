"""R22 safeguard probing and R24 authentication probing: what is tried and refused."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.reference.answers import Answer, not_evaluated, together, violating
from tests.reference.facts import Facts
from tests.reference.groups import about_group
from tests.reference.usage import about_requests, by_day, fill, is_ok, last_limits, not_asked, share, shown
from tests.reference.validity import Row
from tests.reference.vocabulary import UNKNOWN

REFUSED = ("refusal", "content_filter")


def wilson_lower_bound(hits: int, n: int, z: float) -> float:
    """The lower bound of the Wilson score interval of a share."""
    p = hits / n
    return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def _probes(level: str, limits: dict, events: list[Row]) -> Answer | None:
    found: list[Answer | None] = []
    by_skeleton: dict[str, list[Row]] = defaultdict(list)
    for event in events:
        if event.get("prompt_template_hash"):
            by_skeleton[event["prompt_template_hash"]].append(event)
    searches = []
    for skeleton, made in by_skeleton.items():
        variants = {event["prompt_simhash"] for event in made if event.get("prompt_simhash") is not None}
        refused = sum(event.get("finish_reason") in REFUSED for event in made) / len(made)
        within = limits["refused_share_min"] <= round(refused, 9) <= limits["refused_share_max"]
        if len(variants) >= limits["variants_min"] and within:
            searches.append((len(variants), len(made), refused, skeleton))
    if searches:
        n, requests, refused, skeleton = max(searches)
        found.append(violating("high", level=level, variants=n, requests=requests, share=refused, skeleton=skeleton))
    known = [event for event in events if event.get("moderation_flagged") is not None]
    flagged = sum(event["moderation_flagged"] for event in known)
    if len(known) >= limits["requests_min"]:
        bound = wilson_lower_bound(flagged, len(known), limits["confidence_z"])
        if bound > limits["flagged_share_min"]:
            found.append(
                violating(
                    "medium", level=level, requests=len(known), share=share(flagged, len(known)), share_at_least=bound
                )
            )
    return together(found)


def _probes_at_worst(events: list[Row]) -> Iterable[list[Row]]:
    """What is not recorded taken for flagged, for a wording of its own of each skeleton, and for refused in part."""
    own = {"moderation_flagged": True, "prompt_simhash": lambda e: f"own {e['event_id']}"}
    silent = [e["event_id"] for e in events if is_ok(e) and e.get("finish_reason") is None]
    skeletons = {e["prompt_template_hash"] for e in events if e.get("prompt_template_hash")} | {"new"}
    for skeleton in sorted(skeletons):
        theirs = fill(events, own | {"prompt_template_hash": skeleton})
        for n in range(len(silent) + 1):
            refused = set(silent[:n])
            yield [e | {"finish_reason": "refusal"} if e["event_id"] in refused else e for e in theirs]


def r22_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R22", tier) if facts.applies("R22", account, tier) else {}
    return about_requests(facts, "R22", account, tier, lambda events: _probes(tier, limits, events), _probes_at_worst)


def r22_group(facts: Facts, group: str) -> Answer:
    return about_group(facts, "R22", group, _probes, _probes_at_worst)


# ---------------------------------------------------------------- R24


@dataclass(frozen=True)
class Probing:
    """A network that tries out keys: what proves it, and the accounts that it got into, under which tier."""

    answer: Answer
    entered: frozenset[tuple[str, str]]


def r24_networks(facts: Facts, limits: dict, unknown: str | None = None) -> dict[str, Probing]:
    """The networks that try out keys: many invalid ones or failures on a day, or a success after many failures.

    Attempts of which the outcome is not known are left out, or taken for the outcome that is given.
    """
    attempts: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in sorted(facts.rows["auth_events"], key=lambda row: row["ingested_ts"]):
        outcome = row["outcome"] if row["outcome"] != UNKNOWN else unknown
        if row.get("client_net_hash") is not None and outcome:
            attempts[row["client_net_hash"]].setdefault(row["auth_event_id"], row | {"outcome": outcome})
    found = {}
    for network, by_id in attempts.items():
        rows = sorted(by_id.values(), key=lambda row: row["event_ts"])
        entries = {row["account_id"]: (row, answer) for row, answer in _entries(rows, facts, limits)}
        tried = _tries_keys([row for row in rows if facts.start <= row["event_ts"] < facts.end], limits)
        if answer := together([tried, *(entered for _, entered in entries.values())]):
            found[network] = Probing(answer, frozenset(_entered(facts, row) for row, _ in entries.values()))
    return found


def _entered(facts: Facts, success: Row) -> tuple[str, str]:
    """The account that was entered, with the tier that it had then, if any."""
    return success["account_id"], facts.tier_at(success["account_id"], success["event_ts"])


def _failures(rows: Iterable[Row]) -> list[Row]:
    """The attempts that failed, without those of one expired key: somebody has not changed a setting."""
    failed = [row for row in rows if row["outcome"] != "ok"]
    expired = {row["api_key_hash"] for row in failed if row["outcome"] == "expired_key"}
    return [row for row in failed if row["outcome"] != "expired_key" or len(expired) > 1]


def _tries_keys(rows: list[Row], limits: dict) -> Answer | None:
    """Days with so many keys that do not exist, or so many failures; figures of what was kept are not given."""
    over = set()
    peaks = {"invalid_keys_a_day": 0, "failures_a_day": 0}
    for day, tried in by_day(rows).items():
        failed = _failures(tried)
        keys = {row["api_key_hash"] for row in failed if row["outcome"] == "invalid_key" and row.get("api_key_hash")}
        for name, n in (("invalid_keys_a_day", len(keys)), ("failures_a_day", len(failed))):
            if n >= limits[name]:
                over.add(day)
                peaks[name] = max(n, peaks[name])
    if not over:
        return None
    figures = {f"peak_{name}": n or None for name, n in peaks.items()}
    return violating("high", **figures, days_over=len(over), on_days=shown(over))


def _entries(rows: list[Row], facts: Facts, limits: dict) -> Iterator[tuple[Row, Answer]]:
    """The first success in the period after so many failures, from a network that is new to the account."""
    for number, row in enumerate(rows):
        before = rows[:number]
        since = row["event_ts"] - timedelta(hours=limits["hours_before_success"])
        failed = _failures(r for r in before if r["event_ts"] >= since)
        new = not any(r["outcome"] == "ok" and r["account_id"] == row["account_id"] for r in before)
        in_period = row["outcome"] == "ok" and facts.start <= row["event_ts"] < facts.end
        if in_period and new and len(failed) >= limits["failures_before_success"]:
            at = row["event_ts"].isoformat()
            yield row, violating("high", entered_at=at, failures_before_entry=len(failed))


def r24(facts: Facts, account: str, tier: str, found: dict[str, Probing], perhaps: list[Probing]) -> Answer:
    """The answer for an account: whether a network that tries out keys got into it."""
    if early := not_asked(facts, "R24", account, tier):
        return early
    entered = [one.answer for one in found.values() if (account, tier) in one.entered]
    if entered:
        return entered[0]
    if not facts.rows["auth_events"]:
        return not_evaluated("no attempts to authenticate on record")
    if any((account, tier) in one.entered for one in perhaps):
        return not_evaluated("outcomes of attempts not known")
    unplaced = any(row.get("client_net_hash") is None for row in facts.rows["auth_events"])
    return Answer("compliant", "", ("not_applicable", "not_evaluated") if unplaced else ("not_applicable",))
