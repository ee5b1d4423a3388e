"""Small truths and outcomes made by hand, so that every figure can be counted on paper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audits.proving.evaluation.hits import Audited, Hit
from audits.proving.evaluation.truth import Party, PlantedBreach, PlantedCampaign, Truth

FACTS = {
    "prompts": "fixed",
    "addresses": "hosting",
    "signup": "burst",
    "cards": 4,
    "pivot": False,
    "pools": 1,
    "hands_over": True,
}


def accounts(prefix: str, count: int) -> frozenset[str]:
    return frozenset(f"w/{prefix}{n}" for n in range(count))


def campaign(prefix: str = "c", count: int = 10, **facts: Any) -> PlantedCampaign:
    members = accounts(prefix, count)
    known: dict[str, Any] = {
        "id": f"w/{prefix}", "world": "w", "kind": "extraction", "rules": ("R04",), "members": members,
        "at_work": members, "requests_a_day": 12_000.0, "share": 1.0, "first_day": 1, "facts": FACTS,
    }  # fmt: skip
    return PlantedCampaign(**(known | facts))


def truth(
    *campaigns: PlantedCampaign,
    breaches: tuple[PlantedBreach, ...] = (),
    parties: tuple[Party, ...] = (),
    benign: int = 100,
) -> Truth:
    return Truth(campaigns, breaches, parties, accounts("b", benign), {})


def breach(rule: str = "R01", name: str = "x0") -> PlantedBreach:
    return PlantedBreach(f"w/B{name}", "w", rule, rule, f"w/{name}", f"w/cus-{name}")


def party(kind: str = "university-class", prefix: str = "u", count: int = 6) -> Party:
    return Party(f"w/L{prefix}", "w", kind, accounts(prefix, count))


def group(held: Iterable[str], severity: str = "high", rule: str = "R04") -> Hit:
    return Hit(rule, "group", "w/g", severity, frozenset(held))


def one(account: str, severity: str = "medium", rule: str = "R01") -> Hit:
    return Hit(rule, "account", account, severity, frozenset([account]))


def audited(*hits: Hit, groups: dict[str, str] | None = None, found_on: dict[str, int] | None = None) -> Audited:
    return Audited(hits, groups or {}, found_on or {})
