"""The worlds that have names: some to tune limits and linkage on, others to evaluate on.

The two differ in seeds *and* in parameters: sizes, volumes, how far a world's kinds of work stray from the records,
the strength, spread and disguise of campaigns, and the day of the release. A limit that is moved after a look at an
evaluation world turns it into one to tune on: give it another seed and other parameters then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from audits.errors import unknown
from audits.periods import Period
from audits.proving.world import Breach, Campaign, LookAlike, WorldSpec
from audits.proving.world.breaches import KINDS as BREACHES
from audits.proving.world.lookalikes import PARTIES

Purpose = Literal["tuning", "evaluation"]
AUDITED = Period.parse("2026-10")  # the last month of every world
_START = date(2026, 8, 18)  # leaves the rules that look back 31 days their baseline
_DAYS = (AUDITED.end_day - _START).days
_FIRST = (AUDITED.first_day - _START).days  # the audited month's first day, as days of a world
# what only a contract or a tier above can break
_TIER_OF = {
    "R25": "scale", "R25-medium": "scale", "R25-low": "enterprise", "R29-unverified": "scale",
    "R23-zero": "enterprise", "R20": "free", "R08": "scale", "R09": "scale", "R20-training": "scale",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedWorld:
    """A world by name: what it is for and what it tries."""

    name: str
    purpose: Purpose
    tries: str
    spec: WorldSpec


def _campaign(kind: str, accounts: int, per_day: float, **facts: object) -> Campaign:
    """At work from the month's first on at the latest, so that the day on which it is found says something."""
    base = Campaign(kind=kind, accounts=accounts, per_day=per_day, first_day=_FIRST, days=18)
    return replace(base, **facts)  # type: ignore[arg-type]


def _behind(front: str, accounts: int, per_day: float, *, kind: str = "extraction", **facts: object) -> Campaign:
    """A campaign whose members have one payer, network or organisation in common, and nothing in batches."""
    plain: dict[str, object] = {"cards": 0, "devices": 0, "hands_over": False, "addresses": "residential"}
    return _campaign(kind, accounts, per_day, front=front, **(plain | facts))


def _harmless(*, each: int = 1) -> tuple[LookAlike, ...]:
    """Every look-alike, ``each`` times; habits of a share of all accounts, and parties of many accounts, once.

    Three agencies of fourteen accounts in a world of two thousand would weigh as two thousand in a real one.
    """
    once = {kind for kind, party in PARTIES.items() if kind in _HABITS or party.accounts > 3}
    return tuple(LookAlike(kind=kind) for kind in PARTIES for _ in range(1 if kind in once else each))


_HABITS = ("agent-harness", "model-alias")


def _world(seed: int, customers: int, **facts: object) -> WorldSpec:
    base = WorldSpec(
        seed=seed, start=_START, days=_DAYS, customers=customers, volume=0.002, variation=0.2, traced=0.5,
        release_day=55, hostile_names=False,
    )  # fmt: skip
    world = replace(base, **facts)  # type: ignore[arg-type]
    return replace(world, campaigns=tuple(_apart(number, one) for number, one in enumerate(world.campaigns)))


def _apart(number: int, campaign: Campaign) -> Campaign:
    """Each campaign begins and ends on days of its own.

    Several that sign up in one week, begin at one midnight and end at another are one operation to any reader.
    """
    earlier, later = 5 * number % 9, 3 * number % 7
    return replace(campaign, first_day=(campaign.first_day or 0) - earlier, days=(campaign.days or 0) + earlier + later)


_ALL = (
    NamedWorld(
        "tuning",
        "tuning",
        "The demo's kinds of campaign and every look-alike, as the records have them.",
        _world(
            101, 1200, volume=0.004, variation=0.0, traced=0.0,
            campaigns=(
                _campaign("extraction", 64, 220, first_day=_FIRST - 3, days=30),
                _campaign("pivot", 40, 300, first_day=_FIRST - 3, days=30),
                _campaign("paraphrased", 60, 180, first_day=_FIRST - 3, days=30),
                _campaign("mixed", 60, 300, first_day=_FIRST - 3, days=30),
                _campaign("quiet", 60, 120, first_day=_FIRST - 3, days=30),
                _campaign("elicitation", 60, 12, first_day=_FIRST - 3, days=30),
                _campaign("failover", 60, 250, first_day=_FIRST - 3, days=30),
            ),
            lookalikes=_harmless(),
        ),
    ),
    NamedWorld(
        "strong",
        "evaluation",
        "Campaigns of 10,000 requests a day and more, none mixed: from 16 busy accounts to 1,000 small ones.",
        _world(
            3101, 5200, volume=0.0016, variation=0.25, release_day=57,
            campaigns=(
                _campaign("extraction", 16, 860, tiers=(("build", 1.0),), cards=4, devices=3),
                _campaign("extraction", 48, 260, prompts="five-fold", addresses="mixed", hands_over=False),
                _campaign("pivot", 90, 150, days=24, cards=6),
                _campaign("paraphrased", 80, 160, hands_over=False),
                _campaign("failover", 110, 240, prompts="five-fold"),
                _campaign(
                    "extraction", 400, 30, signup="slow", addresses="residential", cards=6, devices=5, hands_over=False
                ),
                _campaign("extraction", 1000, 12, prompts="five-fold", addresses="mixed", cards=10, devices=8),
                _campaign("quiet", 120, 100, hands_over=False),
                _campaign("logprobs", 40, 320),
                _campaign("reward", 50, 260, hands_over=False),
                _campaign("benchmark", 60, 200),
                _campaign("relay", 420, 28, hands_over=False),
            ),
            lookalikes=_harmless(),
        ),
    ),
    NamedWorld(
        "mixed",
        "evaluation",
        "Campaigns whose extraction hides in 50 to 95 % of ordinary traffic, on shared cards in small batches.",
        _world(
            3102, 4600, volume=0.0018, variation=0.3, release_day=51,
            campaigns=(
                _campaign("mixed", 60, 390, share=0.5),
                _campaign("mixed", 50, 375, share=0.25, prompts="five-fold", hands_over=False),
                _campaign("mixed", 120, 150, share=0.25, cards=5, devices=4, signup="slow"),
                _campaign("mixed", 30, 630, share=0.25, addresses="residential", cards=4, devices=3, hands_over=False),
                _campaign("mixed", 300, 60, share=0.25, prompts="paraphrased", cards=8),
                _campaign("mixed", 60, 330, share=0.1, hands_over=False),
                _campaign("mixed", 110, 180, share=0.1, signup="slow", cards=4, devices=4),
                _campaign("mixed", 250, 72, share=0.1, prompts="paraphrased", cards=6, hands_over=False),
                _campaign("mixed", 70, 300, share=0.05, prompts="five-fold"),
            ),
            lookalikes=_harmless(),
        ),
    ),
    NamedWorld(
        "small",
        "evaluation",
        "Campaigns of 250 to 10,000 requests a day, slow sign-ups and homes as exits among them.",
        _world(
            3103, 5000, volume=0.0015, variation=0.2, release_day=59,
            campaigns=(
                _campaign("extraction", 24, 120, hands_over=False),
                _campaign("extraction", 60, 90, signup="slow", prompts="five-fold"),
                _campaign("paraphrased", 50, 110, hands_over=False),
                _campaign("quiet", 48, 90),
                _campaign("failover", 48, 180, cards=5, hands_over=False),
                _campaign("extraction", 500, 6, cards=6, devices=5, addresses="residential"),
                _campaign("elicitation", 220, 14, signup="slow", hands_over=False),
                _campaign("elicitation", 60, 9),
                _campaign("relay", 90, 45, hands_over=False),
                _campaign("probing", 70, 40),
                _campaign("technique-search", 40, 60, hands_over=False),
                _campaign("logprobs", 14, 220),
                _campaign("reward", 20, 180, hands_over=False),
                _campaign("benchmark", 10, 300),
            ),
            lookalikes=_harmless(each=2),
        ),
    ),
    NamedWorld(
        "single",
        "evaluation",
        "Every breach of the catalogue by one account or customer, twice, beside every look-alike, up to three times.",
        _world(
            3104, 4800, volume=0.002, variation=0.35, release_day=53,
            breaches=tuple(Breach(rule=kind, count=2, tier=_TIER_OF.get(kind)) for kind in BREACHES),
            lookalikes=_harmless(each=3),
        ),
    ),
    NamedWorld(
        "explained",
        "evaluation",
        "Campaigns of 16 to 400 accounts behind one payer, network or organisation, beside parties that have the same.",
        _world(
            3106, 4200, volume=0.0016, variation=0.25, release_day=56,
            campaigns=(
                _behind("payer", 16, 860, tiers=(("build", 1.0),)),
                _behind("payer", 49, 850, tiers=(("build", 1.0),), elicit=0.35),
                _behind("payer", 40, 400, tiers=(("free", 1.0),), clock="day"),
                _behind("payer", 400, 60, kind="paraphrased", clock="all"),
                _behind("network", 30, 420, clock="day"),
                _behind("network", 150, 90),
                _behind("organisation", 60, 260, prompts="five-fold"),
                _behind("organisation", 200, 70, kind="benchmark"),
                _behind("network", 60, 240, kind="reward"),
            ),
            lookalikes=(
                *_harmless(each=2),
                *(LookAlike(kind="hackathon", accounts=n, per_day=p) for n, p in ((150, 70), (150, 90), (60, 200))),
                *(LookAlike(kind="agency-card", accounts=n, per_day=p) for n, p in ((30, 40), (60, 200))),
                *(LookAlike(kind="university-class", accounts=n, per_day=p) for n, p in ((120, 60), (200, 30))),
                *(LookAlike(kind="company-nat", accounts=n, per_day=p) for n, p in ((60, 60), (120, 110))),
                *(LookAlike(kind="household", accounts=n) for n in (3, 4, 5, 6, 8)),
            ),
        ),
    ),
    NamedWorld(
        "harmless",
        "evaluation",
        "No campaign and no breach at all: every finding that speaks of intent is wrong.",
        _world(3105, 8000, volume=0.002, variation=0.3, release_day=56, lookalikes=_harmless(each=3)),
    ),
)  # fmt: skip
WORLDS = {world.name: world for world in _ALL}
EVALUATION = tuple(world.name for world in _ALL if world.purpose == "evaluation")


def named(names: Sequence[str], seed: int | None = None) -> tuple[NamedWorld, ...]:
    """The worlds of these names, or all that are for evaluation; with another seed if one is given."""
    found = []
    for name in dict.fromkeys(names or EVALUATION):
        if name not in WORLDS:
            raise unknown("world", name, list(WORLDS), where=f"--world {name}")
        world = WORLDS[name]
        found.append(world if seed is None else replace(world, spec=replace(world.spec, seed=seed)))
    return tuple(found)
