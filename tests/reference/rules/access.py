"""R14 territory, R18 resale, R20 entitlement, R21 model lifecycle: what is used, and from where."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from tests.reference.answers import Answer, not_applicable, not_evaluated, together, violating
from tests.reference.counting import touching, without_breakdowns
from tests.reference.facts import Facts, day_of
from tests.reference.rules.keys import ON_SITE
from tests.reference.usage import (
    about_requests,
    at_least,
    by_day,
    fill,
    filled,
    from_buckets,
    is_ok,
    last_limits,
    not_asked,
    share,
)
from tests.reference.validity import Row, covers
from tests.reference.vocabulary import UNKNOWN, WORDS

NOWHERE = "nowhere"  # stands for a country that is not recorded: at worst one in which the service is not offered


def r14(facts: Facts, account: str, tier: str) -> Answer:
    """Use from a territory that was not supported at the time; through hosting or a VPN it is medium."""
    limits = last_limits(facts, "R14", tier) if facts.applies("R14", account, tier) else {}

    def breach(events: list[Row], against: tuple[bool | None, ...] = (False,)) -> Answer | None:
        known = [e for e in events if is_ok(e) and e.get("ip_country") is not None]
        inside = [e for e in known if _is_supported(facts, e) in against]
        direct = [e for e in inside if e.get("ip_type") in ON_SITE]
        for severity, found in (("high", direct), ("medium", inside)):
            if len(found) >= limits["requests_min"] and at_least(limits["share_min"], len(found), len(known)):
                return violating(
                    severity, requests=len(inside), share=share(len(inside), len(known)), direct_requests=len(direct),
                    countries=", ".join(sorted({e["ip_country"] for e in inside})),
                )  # fmt: skip
        return None

    at_worst = partial(breach, against=(False, None))
    return about_requests(facts, "R14", account, tier, breach, filled(ip_country=NOWHERE), at_worst=at_worst)


def _is_supported(facts: Facts, event: Row) -> bool | None:
    return event["ip_country"] != NOWHERE and facts.is_supported(event["ip_country"], event["event_ts"])


# ---------------------------------------------------------------- R18


def r18(facts: Facts, account: str, tier: str) -> Answer:
    """Three of five signs of resale, at times when the contract did not permit it.

    A sign is there, or not, or nobody knows: then it would be there if what is not recorded counted for it.
    """
    if early := not_asked(facts, "R18", account, tier):
        return early
    buckets = touching(facts, account, {tier}, facts.start, facts.end)
    everything = [*facts.events_of(account, tier), *from_buckets(without_breakdowns(buckets))]
    clauses = {e["event_id"]: _resale_clause(facts, account, e["event_ts"]) for e in everything}
    counted = [e for e in everything if clauses[e["event_id"]] is not True]
    used = [*(event["event_ts"] for event in facts.events_of(account, tier)), *(bucket["within"] for bucket in buckets)]
    if used and all(_resale_clause(facts, account, at) for at in used):
        return not_applicable("resale is permitted")
    limits = last_limits(facts, "R18", tier)
    signs = [
        True if judge(known) else None if judge(at_worst) else False
        for judge, known, at_worst in _signs(facts, account, tier, limits, counted)
    ]
    forbidden = {clauses[e["event_id"]] for e in counted}
    signs.append(True if False in forbidden else None if None in forbidden else False)
    there, still_open = signs.count(True), signs.count(None)

    def breach(_events: list[Row]) -> Answer | None:
        return violating("medium", signs=there) if there >= limits["signs_min"] else None

    answer = about_requests(facts, "R18", account, tier, breach, lambda _events: ())
    if answer.verdict == "compliant" and there + still_open >= limits["signs_min"]:
        return not_evaluated("signs not recorded")
    return answer


Sign = tuple[Callable[[list[Row]], bool], list[Row], list[Row]]
"""How to tell a sign, from what is known, and from that with all that is not recorded counted for it."""


def _signs(facts: Facts, account: str, tier: str, limits: dict, events: list[Row]) -> Iterable[Sign]:
    def own(event: Row) -> str:
        return f"own {event['event_id']}"

    def recorded_by_source(column: str) -> set[str]:
        """The sources that record a column of anybody's requests: where it is empty there, there was nothing."""
        return {e["source_system"] for e in facts.events if e.get(column) and e["event_ts"] >= facts.start}

    def perhaps(column: str) -> list[Row]:
        silent = [e for e in events if e.get("in_bucket") or e["source_system"] not in recorded_by_source(column)]
        return [*fill(silent, {column: own}), *(e for e in events if e not in silent)]

    known = [e for e in events if not e.get("in_bucket")]
    telling = recorded_by_source("end_user_hash")
    yield (
        lambda found: any(_hides_users(day, limits) for day in by_day(found).values()),
        [e for e in known if e["source_system"] in telling],
        perhaps("session_id"),
    )
    yield (
        lambda found: _speaks_and_roams(facts, account, tier, limits, found),
        known,
        fill(events, {"lang": own, "topic_id": own}),
    )
    yield (
        lambda found: len({e.get("system_prompt_hash") for e in found} - {None}) >= limits["system_prompts_min"],
        known,
        perhaps("system_prompt_hash"),
    )
    yield (
        lambda found: _is_foreign(facts, account, found, limits["foreign_share_min"]),
        known,
        fill(events, {"ip_country": NOWHERE, "ip_type": ON_SITE[0]})
        if _homes(facts, account)
        else [event | {"ip_country": NOWHERE, "ip_type": event.get("ip_type") or ON_SITE[0]} for event in events],
    )


def _resale_clause(facts: Facts, account: str, at: datetime) -> bool | None:
    """Whether a contract in force permitted resale at an instant; None where the contract does not say."""
    held = [facts.contract_at(customer, at) for customer in facts.customers_of(account)]
    said = [contract.get("resale_permitted") if contract else False for contract in held]
    return True if True in said else None if None in said else False


def _hides_users(events: list[Row], limits: dict) -> bool:
    """A day with sessions enough, and no id of an end user on nearly all requests."""
    without = [e for e in events if e.get("end_user_hash") is None]
    sessions = {e["session_id"] for e in events if e.get("session_id") is not None}
    return at_least(limits["no_end_user_share_min"], len(without), len(events)) and (
        len(sessions) >= limits["sessions_a_day_min"]
    )


def _speaks_and_roams(facts: Facts, account: str, tier: str, limits: dict, events: list[Row]) -> bool:
    """So many languages, and topics spread more evenly than with nearly all peers of the tier."""
    languages = {e["lang"] for e in events if e.get("lang")}
    if len(languages) < limits["languages_min"]:
        return False
    others = [_entropy(facts.events_of(one, tier)) for one in facts.accounts_seen if one != account]
    mine, peers = _entropy(events), [one for one in others if one is not None]
    return mine is not None and sum(one < mine for one in peers) >= limits["topic_entropy_quantile"] * (len(peers) + 1)


def _entropy(events: list[Row]) -> float | None:
    topics = Counter(e["topic_id"] for e in events if e.get("topic_id") is not None)
    n = topics.total()
    return round(-sum(uses / n * math.log(uses / n) for uses in topics.values()), 9) if n else None


def _homes(facts: Facts, account: str) -> set[str]:
    """The countries on record of the account's customers."""
    rows = [row for customer in facts.customers_of(account) for row in facts.customer_rows(customer)]
    return {row["country"] for row in rows if row.get("country") is not None}


def _is_foreign(facts: Facts, account: str, events: list[Row], share_min: float) -> bool:
    """So large a share of requests from elsewhere; where no home is on record, what may be from anywhere is."""
    homes = _homes(facts, account)
    # As rule.yaml says: an address of unknown kind is taken for a person's.
    known = [e for e in events if e.get("ip_country") is not None and e.get("ip_type") in (*ON_SITE, None)]
    abroad = [e for e in known if (e["ip_country"] not in homes if homes else e["ip_country"] == NOWHERE)]
    return len(known) > 0 and at_least(share_min, len(abroad), len(known))


# ---------------------------------------------------------------- R20 and R21


def _uses(event: Row) -> set[tuple[str, str]]:
    """What a request used that a tier may lack."""
    used = {("operation", event["operation"]), ("model", event["model_requested"])}
    if event.get("access_path"):
        used.add(("access_path", event["access_path"]))
    if (event.get("top_logprobs") or 0) > 0:
        used.add(("capability", "logprobs"))
    if (event.get("logit_bias_n") or 0) > 0:
        used.add(("capability", "logit_bias"))
    if (event.get("n_choices") or 0) > 1:
        used.add(("capability", "several_choices"))
    if event.get("reasoning_visibility") in {"full", "summary", "signature_replay"}:
        kind = event["reasoning_visibility"]
        used.add(("capability", kind if kind == "signature_replay" else f"reasoning_{kind}"))
    return used


def _may_use(event: Row) -> set[tuple[str, str]]:
    """What a request may have used besides, as far as its columns do not tell."""
    maybe = {
        "access_path": [("access_path", one) for one in ("native", "azure", "bedrock", "vertex", "aggregator")],
        "logit_bias_n": [("capability", "logit_bias")],
        "n_choices": [("capability", "several_choices")],
        "reasoning_visibility": [
            ("capability", one) for one in ("reasoning_full", "reasoning_summary", "signature_replay")
        ],
    }  # fmt: skip
    if event["operation"] == UNKNOWN:
        maybe["none"] = [("operation", one) for one in WORDS["usage_events"]["operation"]]
    if event.get("in_bucket"):
        maybe["top_logprobs"] = [("capability", "logprobs")]
    return {one for name, several in maybe.items() if event.get(name) is None for one in several}


def r20(facts: Facts, account: str, tier: str) -> Answer:
    """Successful requests that used anything which the tier did not include at the time."""
    limits = last_limits(facts, "R20", tier) if facts.applies("R20", account, tier) else {}

    def denied(event: Row) -> set[tuple[str, str]]:
        day = day_of(event["event_ts"])
        rows = facts.book.entitlements(day, day)
        return {(row.kind, row.value) for row in rows if row.tier == tier and not row.allowed}

    def breach(events: list[Row], uses: Callable[[Row], set[tuple[str, str]]] = _uses) -> Answer | None:
        outside = sum(bool(denied(event) & uses(event)) for event in events if is_ok(event))
        return violating("medium", requests=outside) if outside >= limits["requests_min"] else None

    return about_requests(
        facts, "R20", account, tier, breach,
        at_worst=lambda events: breach(events, lambda event: _uses(event) | _may_use(event)),
    )  # fmt: skip


def r21(facts: Facts, account: str, tier: str) -> Answer:
    """Successful requests to a model outside its dates, or answered by a model of another family."""
    limits = last_limits(facts, "R21", tier) if facts.applies("R21", account, tier) else {}

    def breach(events: list[Row]) -> Answer | None:
        answered = [e for e in events if is_ok(e)]
        outside = sum(not _is_offered(facts, e) for e in answered)
        other = sum(e.get("model_served") is not None and not _is_alias(facts, e) for e in answered)
        return together([
            violating("low", requests=outside) if outside >= limits["retired_requests_min"] else None,
            violating("low", requests=other) if other >= limits["substituted_requests_min"] else None,
        ])  # fmt: skip

    return about_requests(facts, "R21", account, tier, breach, filled(model_served=NOWHERE))


def _is_offered(facts: Facts, event: Row) -> bool:
    model = facts.models.get(event["model_requested"])
    return model is None or covers(
        {"valid_from": model["released_at"], "valid_to": model.get("retired_at")}, event["event_ts"]
    )


def _is_alias(facts: Facts, event: Row) -> bool:
    asked, served = (facts.models.get(event[name]) for name in ("model_requested", "model_served"))
    return event["model_requested"] == event["model_served"] or (
        asked is not None and served is not None and asked["family"] == served["family"]
    )
