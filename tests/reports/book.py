"""A small policy book and rules of its own, so that golden reports do not change with the shipped ones."""

from __future__ import annotations

from typing import Any

from audits.policy import Book
from audits.rules.engine.base import RuleSpec

SINCE = {"effective_from": "2020-01-01", "why": "For the test."}
TIERS = ("free", "build", "scale", "enterprise")
FAMILIES = {
    "COMPETE": "Outputs may not be used to train, or to help to train, a model that competes with the service.",
    "EXTRACT": "Data may be taken out of the service only in the ways that it offers for that purpose.",
    "KEYS": "Keys and accounts belong to one customer and may not be shared with, sold or handed on to others.",
    "LIMITS": "Limits on rate and use may not be circumvented, neither by one account nor by several together.",
    "ACCOUNTS": "Nobody may hold several accounts to stay unnoticed, or open a new one after a ban.",
    "TERRITORY": "The service may be used from supported territories only.",
    "ENTITLEMENT": "Capabilities and models outside of the tier may not be used.",
    "RETENTION": "Content is kept no longer than the contract allows; this binds us.",
    "SANCTIONS": "Nobody on a sanctions list may be served.",
}


def _rule(
    rule_id: str, title: str, question: str, families: list[str], unit: str, severity: str, **more: Any
) -> RuleSpec:
    return RuleSpec(
        id=rule_id, title=title, question=question, families=tuple(families), units=(unit,), severity=severity,
        version=1,
        signal=more.pop("signal", "volume"), basis=more.pop("basis", "behaviour"),
        benign=("A launch, a migration or a seasonal peak", "A nightly evaluation or a translation batch"),
        next_step=more.pop("next_step", "Ask the customer what the use serves and whether it will stay."),
        may_say=more.pop("may_say", "We saw an unusual rise in use. Was this planned?"), summary="-", **more,
    )  # fmt: skip


RULES = (
    _rule(
        "R01", "Extraction volume", "Did an account take more out of the service than its tier's use calls for?",
        ["COMPETE", "EXTRACT", "LIMITS"], "account", "medium",
        parameters={
            "requests_a_day": {"type": "count", "meaning": "Successful requests on one UTC day"},
            "output_tokens_a_week": {"type": "count", "meaning": "Output tokens in any seven days in a row"},
        },
        against={"peak_requests_a_day": "requests_a_day"},
        observed={"peak_requests_a_day": "Successful requests on the busiest day", "days_over": "Days over the limit"},
    ),
    _rule(
        "R02", "Departure from own baseline", "Did an account suddenly use far more than in the four weeks before?",
        ["LIMITS", "EXTRACT"], "account", "medium",
        parameters={
            "factor_min": {"type": "factor", "meaning": "Times the usual number of requests a day"},
            "days_min": {"type": "days", "meaning": "Days over the limit"},
        },
        against={"peak_factor": "factor_min", "days_over": "days_min"},
        observed={"peak_factor": "Busiest day against the usual day", "days_over": "Days over the limit"},
    ),
    _rule(
        "R04", "Group volume", "Do linked accounts together use what none of them uses alone?",
        ["COMPETE", "ACCOUNTS"], "group", "high", signal="linkage",
        next_step="Read the group's accounts together, then ask for verification of those who opened them.",
        may_say="We are reviewing how several accounts are used together.",
        parameters={
            "requests_a_day": {"type": "count", "meaning": "Successful requests of the group on one UTC day"},
            "accounts_min": {"type": "count", "meaning": "Accounts in the group"},
            "under_limit_share": {"type": "share", "meaning": "Share of members below their own limit"},
        },
        against={
            "peak_requests_a_day": "requests_a_day", "accounts": "accounts_min",
            "under_limit_share": "under_limit_share",
        },
        observed={
            "peak_requests_a_day": "Successful requests of the group on the busiest day",
            "accounts": "Accounts in the group",
            "largest_member": "Requests of the largest member on its busiest day",
            "under_limit_share": "Share of members below their own limit",
        },
    ),
    _rule(
        "R14", "Unsupported territory", "Is an account used from where the service is not offered?",
        ["TERRITORY"], "account", "high", signal="territory",
        parameters={
            "share_min": {"type": "share", "meaning": "Share of requests from there"},
            "requests_min": {"type": "count", "meaning": "Requests from there"},
        },
        against={"share": "share_min", "requests": "requests_min"},
        observed={"share": "Share of requests from there", "requests": "Requests from there", "countries": "Countries"},
    ),
    _rule(
        "R17", "Key sharing", "Is one API key used by many unrelated clients?", ["KEYS"], "key", "medium",
        signal="clients", parameters={"networks_min": {"type": "count", "meaning": "Distinct networks on one day"}},
        against={"peak_networks": "networks_min"},
        observed={"peak_networks": "Most networks of the key on one day"},
        may_say="One of your keys is used from many places at once. Would separate keys suit you better?",
    ),
    _rule(
        "R20", "Capability entitlement", "Was something used that the tier does not include?", ["ENTITLEMENT"],
        "account", "medium", signal="entitlement", basis="record",
        parameters={"requests_min": {"type": "count", "meaning": "Successful requests outside of the tier"}},
        against={"requests": "requests_min"},
        observed={"requests": "Successful requests outside of the tier", "what": "What was used"},
    ),
    _rule(
        "R24", "Authentication probing", "Are keys being tried out from one network?", ["KEYS"], "network", "high",
        signal="authentication",
        parameters={"invalid_keys": {"type": "count", "meaning": "Distinct invalid keys a day"}},
        against={"peak_invalid_keys": "invalid_keys"},
        observed={"peak_invalid_keys": "Distinct invalid keys on the busiest day"},
    ),
    _rule(
        "R25", "Quota and commitment", "Did a customer use more in a month than it committed to?", ["LIMITS"],
        "customer", "low", signal="commitment", basis="record", marks_standing=False,
        parameters={"low_over_factor": {"type": "factor", "meaning": "Times the month's commitment"}},
        against={"factor": "low_over_factor"},
        observed={"factor": "Use as a multiple of the commitment", "cost_usd": "Cost of the month"},
        may_say="You used more than your monthly commitment. Shall we look at a larger one together?",
    ),
    _rule(
        "R29", "Sanctions and identity", "Is a customer listed, or not verified in time?", ["SANCTIONS"], "customer",
        "critical", signal="identity", basis="record",
        parameters={"severity": {"type": "severity", "meaning": "Severity of a confirmed match"}},
        observed={"match": "Match on a list", "list": "List"}, may_say="Please contact our compliance team.",
    ),
    _rule(
        "R05", "Template repetition", "Is one prompt varied thousands of times?", ["COMPETE"], "account", "medium",
        signal="content", parameters={"share_min": {"type": "share", "meaning": "Share of the top template"}},
        against={"share": "share_min"},
        observed={"share": "Share of the top template"},
    ),
    _rule(
        "R11", "Round-the-clock regularity", "Is an account in use around the clock without a pause?", ["EXTRACT"],
        "account", "low", signal="time",
        parameters={"days_min": {"type": "days", "meaning": "Days with 24 active hours"}},
        against={"days": "days_min"},
        observed={"days": "Days with 24 active hours"},
    ),
)  # fmt: skip
VERSIONS = {rule.id: f"{rule.version}+0a1b2c3d" for rule in RULES}

_VALUES: dict[str, Any] = {
    "requests_a_day": {"free": 500, "build": 5000, "scale": 50_000, "enterprise": 500_000},
    "output_tokens_a_week": {"free": 1_000_000, "build": 10_000_000, "scale": 150_000_000, "enterprise": 2_000_000_000},
    "factor_min": 5, "days_min": 2, "accounts_min": 5, "under_limit_share": 0.8, "share_min": 0.05, "requests_min": 20,
    "networks_min": {"free": 10, "build": 25, "scale": 100, "enterprise": 400}, "invalid_keys": 50,
    "low_over_factor": 1, "severity": "critical",
}  # fmt: skip


def small_book(*, tighter: bool = False) -> Book:
    """The book; ``tighter`` is a later edition of it with one limit lowered."""
    exceptions = [
        {
            "id": "archive", "rules": ["R01"], "subject_type": "customer", "subject_id": "c-0180",
            "owner": "jo@example.com", "effective_from": "2026-09-01", "effective_to": "2026-12-01",
            "why": "Re-embedding of the whole archive, announced on 24 August.",
        },
        {
            "id": "short", "rules": ["R02"], "subject_type": "customer", "subject_id": "c-0185",
            "owner": "kim@example.com", "effective_from": "2026-10-10", "effective_to": "2026-10-20",
            "why": "A launch from 10 to 19 October.",
        },
    ]  # fmt: skip
    return Book(
        {
            "book": {
                "title": "Example terms, autumn edition" if tighter else "Example terms",
                "settings": [
                    {"packs": ["house"], "grace_days": 3, "baseline_days": 28,
                     "breaker_share": 0.25, "breaker_findings_min": 20, **SINCE},
                ],
                "standing": [
                    {"severity": severity, "standing": standing, "quiet_days": 14, **SINCE}
                    for severity, standing in (
                        ("low", "good"),
                        ("medium", "watch"),
                        ("high", "restricted"),
                        ("critical", "suspended-recommended"),
                    )
                ],
            },
            "tiers": {"tiers": [{"id": tier, "title": tier.capitalize()} for tier in TIERS], "entitlements": []},
            "clauses": {
                "house": {
                    "pack": "house", "title": "House terms",
                    "clauses": [
                        {"id": f"house-{name.lower()}", "family": name, "effect": "forbidden",
                         "document": "Example terms", "section": f"{number}.{number % 3 + 1}", "text": text,
                         "url": "https://example.com/terms", **SINCE}
                        for number, (name, text) in enumerate(FAMILIES.items(), 1)
                    ],
                }
            },
            "limits": {
                rule.id: {
                    "rule": rule.id, "title": rule.title,
                    "in_force": [{"status": "active", "tiers": list(TIERS), **SINCE}],
                    "limits": [_limit(name, tighter=tighter) for name in rule.parameters],
                }
                for rule in RULES
            },
            "territories": {"territories": []}, "quality": {"checks": []}, "subscriptions": {"subscriptions": []},
            "exceptions": {"exceptions": exceptions},
        }
    )  # fmt: skip


def _limit(name: str, *, tighter: bool) -> dict[str, Any]:
    value = _VALUES[name]
    if tighter and name == "factor_min":
        value = 4
    return {"limit": name, "tiers" if isinstance(value, dict) else "value": value, **SINCE}
