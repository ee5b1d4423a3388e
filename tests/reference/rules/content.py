"""R05 repetition, R06 coverage, R07 hidden reasoning: what prompts are like."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache

from tests.reference.answers import Answer, violating
from tests.reference.facts import Facts
from tests.reference.groups import about_group
from tests.reference.usage import about_requests, at_least, fill, filled, is_ok, last_limits, share
from tests.reference.validity import Row


def score(event: Row, name: str) -> float | None:
    """A score as the printed limit is: REAL holds 0.8 a hair off, so it is compared in seven digits."""
    return None if event.get(name) is None else round(event[name], 6)


def singles(events: list[Row]) -> list[Row]:
    """The requests that stand alone in their session, of those whose session is recorded."""
    turns = Counter((e["account_id"], e["session_id"]) for e in events if e.get("session_id") is not None)
    return [e for e in events if turns[e["account_id"], e.get("session_id")] == 1]


# ---------------------------------------------------------------- R05


def common_templates(facts: Facts, limits: dict) -> frozenset[str]:
    """Templates that more than a share of all parties, and at least so many, use so many times each."""
    return _common(facts, *(limits[name] for name in ("common_entities_min", "common_share_max", "common_uses_min")))


@lru_cache(maxsize=32)
def _common(facts: Facts, entities_min: int, share_max: float, uses_min: int) -> frozenset[str]:
    uses: dict[str, Counter[str]] = defaultdict(Counter)
    for event in facts.events:
        if event["event_ts"] >= facts.start and event.get("prompt_template_hash"):
            uses[event["prompt_template_hash"]][_party(facts, event["account_id"])] += 1
    parties = {_party(facts, account) for account in facts.accounts_seen}
    least = max(entities_min, share_max * len(parties))
    found = set()
    for template, by_party in uses.items():
        users = sum(n >= uses_min for n in by_party.values())
        if users >= least and users > share_max * len(parties):
            found.add(template)
    return frozenset(found)


def _party(facts: Facts, account: str) -> str:
    return facts.group_of.get(account) or facts.customers_of(account)[0]


def with_one_template(facts: Facts, limits: dict, events: list[Row], **others: object) -> Iterable[list[Row]]:
    """The requests with every unknown template taken for one that is not common: each known one, or a new one."""
    common = common_templates(facts, limits)
    known = {e["prompt_template_hash"] for e in events if e.get("prompt_template_hash")}
    for template in [*sorted(known - common), "new"]:
        yield fill(events, {"prompt_template_hash": template} | others)


def r05_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R05", tier) if facts.applies("R05", account, tier) else {}

    def breach(events: list[Row]) -> Answer | None:
        uses = Counter(e["prompt_template_hash"] for e in events if e.get("prompt_template_hash"))
        common = common_templates(facts, limits)
        top = max((n for template, n in uses.items() if template not in common), default=0)
        if top >= limits["requests_min"] and at_least(limits["share_min"], top, uses.total()):
            return violating("medium", level=tier, uses=top, share=share(top, uses.total()), accounts=None)
        return None

    return about_requests(facts, "R05", account, tier, breach, lambda events: with_one_template(facts, limits, events))


def r05_group(facts: Facts, group: str) -> Answer:
    limits_of_any = last_limits(facts, "R05", "free")

    def breach(level: str, limits: dict, events: list[Row]) -> Answer | None:
        uses: dict[str, Counter[str]] = defaultdict(Counter)
        for event in events:
            if event.get("prompt_template_hash"):
                uses[event["prompt_template_hash"]][event["account_id"]] += 1
        found = []
        for template in uses.keys() - common_templates(facts, limits):
            accounts = uses[template]
            customers = {facts.customers_of(account)[0] for account in accounts}
            if len(customers) >= limits["group_accounts_min"] and accounts.total() >= limits["group_uses_min"]:
                found.append((accounts.total(), len(accounts), len(customers), template))
        if not found:
            return None
        n, users, owners, template = max(found)
        return violating("high", level=level, template=template, uses=n, share=None, accounts=users, customers=owners)

    return about_group(
        facts, "R05", group, breach, lambda events: with_one_template(facts, limits_of_any, events),
        smallest=limits_of_any["group_accounts_min"],
    )  # fmt: skip


# ---------------------------------------------------------------- R06


def _covers(facts: Facts, level: str, limits: dict, events: list[Row]) -> Answer | None:
    answered = [e for e in events if is_ok(e)]
    topics = Counter(e["topic_id"] for e in answered if e.get("topic_id") is not None)
    inputs = [e["prompt_simhash"] for e in answered if e.get("prompt_simhash") is not None]
    in_sessions = [e for e in answered if e.get("session_id") is not None]
    n, unique, single = topics.total(), len(set(inputs)), len(singles(in_sessions))
    taxonomy = set(topics) | _taxonomy(facts, limits)
    entropy = -sum(uses / n * math.log(uses / n) for uses in topics.values())
    evenness = entropy / math.log(len(taxonomy)) if len(taxonomy) > 1 else 0.0
    if (
        min(n, len(inputs), len(in_sessions)) >= limits["prompts_min"]
        and round(evenness, 9) >= limits["topic_entropy_min"]
        and at_least(limits["unique_share_min"], unique, len(inputs))
        and at_least(limits["single_turn_share_min"], single, len(in_sessions))
    ):
        return violating(
            "medium", level=level, prompts=n, topic_entropy=min(evenness, 1), unique_share=share(unique, len(inputs)),
            single_turn_share=share(single, len(in_sessions)),
        )  # fmt: skip
    return None


def _taxonomy(facts: Facts, limits: dict) -> frozenset[int]:
    """The topics in use: those on which at least two parties have so many successful requests in the period."""
    uses: dict[int, Counter[str]] = defaultdict(Counter)
    for event in facts.events:
        if event["event_ts"] >= facts.start and is_ok(event) and event.get("topic_id") is not None:
            uses[event["topic_id"]][_party(facts, event["account_id"])] += 1
    least = limits["topic_uses_min"]
    return frozenset(topic for topic, of in uses.items() if sum(n >= least for n in of.values()) > 1)


def _spread_over_topics(facts: Facts, limits: dict, events: list[Row]) -> Iterable[list[Row]]:
    """Each unknown topic taken for the one that is rarest so far, each unknown input and session for a new one."""
    uses = Counter(dict.fromkeys(_taxonomy(facts, limits), 0))
    uses.update(e["topic_id"] for e in events if is_ok(e) and e.get("topic_id") is not None)
    uses.update(dict.fromkeys([-1, -2][len(uses) :], 0))  # no fewer than two, whichever they are

    def rarest(event: Row) -> int:
        topic = min(uses, key=lambda one: (uses[one], one))
        uses[topic] += is_ok(event)
        return topic

    def own(event: Row) -> str:
        return f"own {event['event_id']}"

    yield fill(events, {"topic_id": rarest, "prompt_simhash": own, "session_id": own})


def r06_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R06", tier) if facts.applies("R06", account, tier) else {}
    return about_requests(
        facts, "R06", account, tier, lambda events: _covers(facts, tier, limits, events),
        lambda events: _spread_over_topics(facts, limits, events),
    )  # fmt: skip


def r06_group(facts: Facts, group: str) -> Answer:
    limits_of_any = last_limits(facts, "R06", "free")
    return about_group(
        facts, "R06", group, lambda level, limits, events: _covers(facts, level, limits, events),
        lambda events: _spread_over_topics(facts, limits_of_any, events),
    )  # fmt: skip


# ---------------------------------------------------------------- R07


def replays_from_elsewhere(facts: Facts, events: list[Row]) -> list[Row]:
    """Requests that replay a reasoning signature which no earlier request of their own session can have made.

    An earlier request of which nobody knows what it showed can have made it.
    """
    shown_first: dict[tuple[str, str], Row] = {}
    for account in {event["account_id"] for event in events}:
        for event in facts.events_by_account[account]:
            if (
                is_ok(event)
                and event.get("reasoning_visibility") in {"summary", "full", None}
                and event.get("session_id")
            ):
                shown_first.setdefault((account, event["session_id"]), event)
    found = []
    for event in events:
        if is_ok(event) and event.get("reasoning_visibility") == "signature_replay" and event.get("session_id"):
            first = shown_first.get((event["account_id"], event["session_id"]))
            if first is None or first["event_ts"] >= event["event_ts"]:
                found.append(event)
    return found


def _elicits(facts: Facts, level: str, limits: dict, least: int, events: list[Row]) -> Answer | None:
    scored = [e for e in events if is_ok(e) and e.get("cot_elicit_score") is not None]
    high = [e for e in scored if score(e, "cot_elicit_score") >= limits["score_min"]]
    replays = replays_from_elsewhere(facts, events)
    asks = len(high) >= least and at_least(limits["share_min"], len(high), len(scored))
    again = len(replays) >= limits["replays_min"]
    if not asks and not again:
        return None
    return violating(
        "high", level=level, requests=len(high) if asks else None, replays=len(replays) if again else None,
        share=share(len(high), len(scored)) if asks else None,
    )  # fmt: skip


ELICITS_AT_WORST = filled(
    cot_elicit_score=1.0, reasoning_visibility="signature_replay", session_id=lambda e: f"own {e['event_id']}"
)


def r07_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R07", tier) if facts.applies("R07", account, tier) else {}
    return about_requests(
        facts, "R07", account, tier,
        lambda events: _elicits(facts, tier, limits, limits["requests_min"], events), ELICITS_AT_WORST,
    )  # fmt: skip


def r07_group(facts: Facts, group: str) -> Answer:
    return about_group(
        facts, "R07", group,
        lambda level, limits, events: _elicits(facts, level, limits, limits["group_requests_min"], events),
        ELICITS_AT_WORST,
    )  # fmt: skip
