"""Single subjects that break one rule of the catalogue, each on top of an otherwise ordinary account.

A breach is mostly a stretch of work that an ordinary account does not do: how much of it per tier, when, and from
where. What is a fact on record (a sanctions match, an owner, a contract) is set instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.campaigns import ELICIT, HARVEST, ITEMS, LOGPROBS, PROBE, REWARD
from audits.proving.world.catalogue import AGENTS, MANAGERS, MODEL_INDEX, OUTSIDE, TIERS
from audits.proving.world.customers import new_account, new_card, new_customer
from audits.proving.world.facts import FACTS
from audits.proving.world.population import work_as_usual
from audits.proving.world.spec import Breach, unknown
from audits.proving.world.state import Account, Label, World
from audits.proving.world.streams import add_stream
from audits.proving.world.workloads import WORKLOADS, Workload

Rates = Mapping[str, float]
LIMIT: Rates = {tier.name: tier.limit for tier in TIERS.values()}
WIDE = replace(HARVEST, templates=0, near=0, systems=0, benchmark=0.05, cot=0.02)
STEADY = replace(WORKLOADS["rag"], name="steady", noise=0.12, weekend=0.8, active=1.0, burst=0.0, end_users=0)


def _all(rate: float) -> Rates:
    return dict.fromkeys(TIERS, rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of days of some work: requests a day by tier, first day as a share of the world, length in days."""

    work: Workload
    rate: Rates
    first: float = 0.7
    days: float = 5
    spread: tuple[float, float] = (1.0, 1.0)  # the rate's factor is drawn from this
    kinds: tuple[str, ...] = ()  # addresses of these kinds, in ``countries``; none: the account's own
    countries: tuple[str, ...] = ()
    places: Rates = field(default_factory=lambda: _all(3))
    agents: Mapping[str, int] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A breach: the rule, the unit that breaks it, what it does or is, and the account's own volume beside it."""

    rule: str
    unit: str = "account"
    does: tuple[Stretch, ...] = ()
    has: Callable[[World, Random, Account], None] | None = None
    per_day: float | None = None  # ordinary volume; None: as the tier draws it, 0: none


WORLDWIDE = ("US", "GB", "DE", "IN", "BR", "JP", "PL", "NG", "KR", "ZA")
USUAL: Rates = {"free": 15, "build": 80, "scale": 700, "enterprise": 6_000}
FREE_LIKE: Rates = {"free": 14, "build": 24, "scale": 130, "enterprise": 130}

PREVIEW = MODEL_INDEX["aster-4-preview"]  # not offered before the world's end
FROM_ABROAD = Stretch(work=WORKLOADS["coding"], rate=FREE_LIKE, first=0.68, days=28, countries=OUTSIDE)

KINDS: dict[str, Kind] = {
    "R01": Kind(
        rule="R01",
        does=(Stretch(work=WORKLOADS["classify"], rate=LIMIT, spread=(1.25, 1.5), first=0.77, days=3),),
    ),
    "R01-tokens": Kind(
        rule="R01",
        does=(Stretch(work=replace(HARVEST, output=(3200, 0.4)), first=0.72, days=8,
                      rate={"free": 75, "build": 700, "scale": 10_500, "enterprise": 140_000}),),
    ),
    "R02": Kind(
        rule="R02", per_day=0.5,
        does=(Stretch(work=STEADY, rate=USUAL, first=0, days=1000),
              Stretch(work=STEADY, rate=USUAL, spread=(19, 24), first=0.8, days=4)),
    ),
    "R03": Kind(rule="R03", does=(Stretch(work=replace(WIDE, output=(2600, 0.3)), days=22,
                                          rate={"free": 300, "build": 2000, "scale": 12_000, "enterprise": 60_000}),)),
    "R05": Kind(rule="R05", per_day=0.3, does=(Stretch(work=HARVEST, days=24, spread=(1.1, 1.4),
                                          rate={"free": 100, "build": 450, "scale": 2300, "enterprise": 9000}),)),
    "R06": Kind(rule="R06", per_day=0.3, does=(Stretch(work=replace(WIDE, topics=250, topic_skew=1.0, repeat=0.0),
                                                       days=24, rate=_all(110)),)),
    "R07": Kind(rule="R07", per_day=0.3, does=(Stretch(work=replace(ELICIT, cot=0.7), days=20,
                                          rate={"free": 20, "build": 60, "scale": 220, "enterprise": 1100}),)),
    "R07-replay": Kind(rule="R07", does=(Stretch(work=replace(ELICIT, cot=0.03, replay=0.5), days=12, rate=_all(12)),)),
    "R08": Kind(rule="R08", does=(Stretch(work=LOGPROBS, days=16,
                                          rate={"free": 8, "build": 1800, "scale": 8600, "enterprise": 34_000}),)),
    "R09": Kind(rule="R09", does=(Stretch(work=REWARD, days=24, spread=(1.2, 1.5),
                                          rate={"free": 260, "build": 260, "scale": 1300, "enterprise": 5200}),)),
    "R11": Kind(
        rule="R11", per_day=0.3,
        does=(Stretch(work=HARVEST, days=26, rate={"free": 240, "build": 260, "scale": 2600, "enterprise": 25_000}),),
    ),
    "R14": Kind(rule="R14", per_day=40.0, does=(replace(FROM_ABROAD, kinds=("residential", "mobile")),)),
    "R14-vpn": Kind(rule="R14", per_day=8.0, does=(replace(FROM_ABROAD, kinds=("vpn", "hosting")),)),
    "R15": Kind(rule="R15", unit="customer", has=FACTS["owner"]),
    "R15-minor": Kind(rule="R15", unit="customer", has=FACTS["minor-owner"]),
    "R16": Kind(
        rule="R16", unit="key",
        does=(Stretch(work=replace(WORKLOADS["coding"], turns=1.5), days=20, rate=_all(30), places=_all(6),
                      kinds=("residential", "corporate"), countries=WORLDWIDE, facts={"address_skew": 1.0}),),
    ),
    "R17": Kind(
        rule="R17", unit="key",
        does=(Stretch(work=replace(WORKLOADS["personal"], turns=1.5, weekend=1.0), first=0.75, days=8,
                      rate={"free": 140, "build": 340, "scale": 1100, "enterprise": 4000},
                      kinds=("residential", "residential", "hosting", "corporate", "mobile"), countries=WORLDWIDE,
                      places={"free": 40, "build": 70, "scale": 220, "enterprise": 800},
                      agents={"free": 7, "build": 10, "scale": 15, "enterprise": 23}, facts={"address_skew": 1.0}),),
    ),
    "R18": Kind(rule="R18", per_day=0.3, has=FACTS["no-resale"],
                does=(Stretch(work=replace(WORKLOADS["saas"], turns=1.6, langs=20, lang_skew=1.1, topics=250,
                                           topic_skew=1.0, systems=45, templates=300, end_users=0),
                              rate={"free": 450, "build": 450, "scale": 4200, "enterprise": 4200}, days=22,
                              kinds=("hosting", "residential"), countries=WORLDWIDE, places=_all(12),
                              agents=dict.fromkeys(TIERS, 12), facts={"address_skew": 1.0}),)),
    "R20": Kind(rule="R20", does=(Stretch(work=replace(WORKLOADS["documents"], operation="batch"), first=0.74, days=8,
                                          rate=_all(6)),)),
    "R20-training": Kind(rule="R20", does=(Stretch(work=WORKLOADS["training"], first=0.74, days=8, rate=_all(6)),)),
    "R20-reasoning": Kind(rule="R20", does=(Stretch(work=replace(WORKLOADS["prototype"], reasoning=0.9), days=12,
                                                    rate=_all(8), facts={"visibility": 2}),)),
    "R21": Kind(rule="R21", does=(Stretch(work=WORKLOADS["rag"], days=20, rate=_all(12),
                                          facts={"model": PREVIEW, "other_model": PREVIEW}),)),
    "R22": Kind(rule="R22", does=(Stretch(work=replace(WORKLOADS["saas"], flagged=0.06), days=24, rate=_all(22)),)),
    "R22-probing": Kind(rule="R22", does=(Stretch(work=PROBE, days=20, rate=_all(30)),)),
    "R23": Kind(rule="R23", per_day=60.0, has=FACTS["kept-longer"]),
    "R23-zero": Kind(rule="R23", per_day=80.0, has=FACTS["kept-at-all"]),
    "R24": Kind(rule="R24", unit="network", has=FACTS["key-list"]),
    "R24-success": Kind(rule="R24", unit="network", has=FACTS["key-guess"]),
    "R25": Kind(rule="R25", unit="customer", per_day=80.0, has=FACTS["commitment-1.62"]),
    "R25-medium": Kind(rule="R25", unit="customer", per_day=80.0, has=FACTS["commitment-1.32"]),
    "R25-low": Kind(rule="R25", unit="customer", per_day=80.0, has=FACTS["commitment-1.10"]),
    "R26": Kind(rule="R26", per_day=60.0, has=FACTS["chargeback"]),
    "R26-declines": Kind(rule="R26", per_day=60.0, has=FACTS["declines"]),
    "R27": Kind(
        rule="R27", per_day=0.0, has=FACTS["dormant"],
        does=(Stretch(work=WORKLOADS["classify"], first=0.02, days=8, rate=_all(10)),
              Stretch(work=HARVEST, first=0.78, days=5,
                      rate={"free": 300, "build": 800, "scale": 4000, "enterprise": 20_000})),
    ),
    "R27-new": Kind(rule="R27", per_day=0.0, has=FACTS["new"],
                    does=(Stretch(work=HARVEST, first=0.76, days=6, spread=(0.85, 0.95), rate=LIMIT),)),
    "R28": Kind(rule="R28", does=(Stretch(work=ITEMS, days=24, rate=_all(140)),)),
    "R29": Kind(rule="R29", unit="customer", has=FACTS["sanctioned"]),
    "R29-candidate": Kind(rule="R29", unit="customer", has=FACTS["candidate"]),
    "R29-unverified": Kind(rule="R29", unit="customer", has=FACTS["unverified"]),
    "R29-old": Kind(rule="R29", unit="customer", has=FACTS["old-check"]),
}  # fmt: skip


def add_breaches(world: World) -> None:
    """Plant every breach of the spec."""
    for number, wanted in enumerate(world.spec.breaches, start=1):
        if wanted.rule not in KINDS:
            raise unknown("breach", wanted.rule, KINDS)
        for copy in range(wanted.count):
            _plant(world, f"B{number:02d}.{copy + 1}", wanted)


def _plant(world: World, name: str, wanted: Breach) -> None:
    """One ordinary customer and account, and its breach."""
    kind, tier = KINDS[wanted.rule], wanted.tier or "build"
    rng = world.random(f"breach/{name}/{wanted.rule}")
    customer = new_customer(world, rng, tier)
    customer.since = min(customer.since, -40.0)
    customer.manager = customer.manager or rng.choice(MANAGERS)
    customer.zero_retention = False
    account = new_account(
        world, rng, customer, tier, Label("breach", wanted.rule, name, kind.rule), opened=customer.since + 0.5,
        card=new_card(rng, customer.country, tier), source="native", path="native", shows_address=True,
        shows_key=True,
    )  # fmt: skip
    if kind.has:
        kind.has(world, rng, account)
    if kind.per_day != 0:
        work_as_usual(world, rng, account, per_day=kind.per_day)
    for stretch in kind.does:
        _stretch(world, rng, account, stretch)
    network = {"network": world.probes[-1]["network"]} if kind.unit == "network" else {}
    world.planted["breaches"].append(
        network
        | {"id": name, "kind": wanted.rule, "rule": kind.rule, "unit": kind.unit, "tier": tier,
         "account": account.id, "customer": customer.id, "key": account.keys[0].hash}
    )  # fmt: skip


def _stretch(world: World, rng: Random, account: Account, s: Stretch) -> None:
    """The days of one kind of work."""
    tier = account.tier
    facts = dict(s.facts)
    if s.kinds:
        countries = [rng.choice(s.countries)] if s.countries == OUTSIDE else list(s.countries)
        facts["addresses"] = [
            world.any_address(rng, rng.choice(countries), rng.choice(s.kinds)) for _ in range(round(s.places[tier]))
        ]
        facts |= {"leases": 1, "country": countries[0]}
    if s.agents:
        facts["agents"] = rng.sample(range(len(AGENTS)), s.agents[tier])
    rate = s.rate[tier] * rng.uniform(*s.spread)
    stream = add_stream(world, rng, account, s.work, 1.0, daily=_days(world, s.first, s.days, rate), **facts)
    exact = ("turns", "templates", "near", "topics", "topic_skew", "repeat", "cot", "rubric", "benchmark", "flagged",
             "refusal", "replay", "logprobs", "logit_bias", "end_users", "choices", "output")  # fmt: skip
    stream.work = replace(stream.work, **{name: getattr(s.work, name) for name in exact})


def _days(world: World, first: float, length: float, rate: float) -> NDArray[np.float64]:
    days, begin = np.arange(-1, world.spec.days + 1), int(first * world.spec.days)
    return np.where((days >= begin) & (days < begin + length), rate, 0.0)
