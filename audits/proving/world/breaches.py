"""Single subjects that break one rule of the catalogue, each on top of an otherwise ordinary account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.catalogue import AGENTS, MANAGERS, MODEL_INDEX, TIERS
from audits.proving.world.population import new_account, new_card, new_customer, work_as_usual
from audits.proving.world.spec import Breach, unknown
from audits.proving.world.state import Account, Label, World
from audits.proving.world.streams import Stream, add_stream
from audits.proving.world.workloads import WORKLOADS, Workload

STEADY = replace(WORKLOADS["rag"], name="steady", noise=0.12, weekend=0.8, active=1.0, burst=0.0, end_users=0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A breach: the rule it breaks, the unit that breaks it, and the function that makes it so."""

    rule: str
    unit: str
    make: Callable[[World, Random, Account], None]
    per_day: float | None = None  # the account's ordinary volume; None: the tier's


def _days(world: World, first: float, length: float, rate: float) -> NDArray[np.float64]:
    days = np.arange(-1, world.spec.days + 1)
    return np.where((days >= first) & (days < first + length), rate, 0.0)


def _within(world: World, share: float) -> float:
    """A day in the last third of the world, the same share of the way through it."""
    return float(int(world.spec.days * (0.68 + 0.3 * share)))


def _extra(
    world: World, rng: Random, account: Account, work: Workload, daily: NDArray[np.float64], **facts: Any
) -> Stream:
    return add_stream(world, rng, account, work, 1.0, daily=daily, **facts)


def _volume(world: World, rng: Random, account: Account) -> None:
    limit = TIERS[account.tier].limit
    _extra(
        world, rng, account, WORKLOADS["classify"], _days(world, _within(world, 0.3), 3, limit * rng.uniform(1.25, 1.5))
    )


def _departure(world: World, rng: Random, account: Account) -> None:
    usual = {"free": 15, "build": 80, "scale": 700, "enterprise": 6000}[account.tier]
    _extra(world, rng, account, STEADY, np.full(world.spec.days + 2, float(usual)))
    work = replace(STEADY, name="spike")
    _extra(world, rng, account, work, _days(world, _within(world, 0.4), 4, usual * rng.uniform(19, 24)))


def _abroad(kinds: tuple[str, ...]) -> Callable[[World, Random, Account], None]:
    def make(world: World, rng: Random, account: Account) -> None:
        country = rng.choice(("CN", "RU", "BY"))
        daily = _days(world, _within(world, 0.0), 28, {"free": 7.0, "build": 12.0}.get(account.tier, 60.0))
        places = [world.any_address(rng, country, rng.choice(kinds)) for _ in range(3)]
        _extra(world, rng, account, WORKLOADS["coding"], daily, country=country, addresses=places, leases=1)

    return make


def _shared_key(world: World, rng: Random, account: Account) -> None:
    count = {"free": 40, "build": 70, "scale": 220, "enterprise": 800}[account.tier]
    kinds = ("residential", "residential", "hosting", "corporate", "mobile")
    countries = ("US", "GB", "DE", "IN", "BR", "JP", "PL", "NG")
    places = [world.any_address(rng, rng.choice(countries), rng.choice(kinds)) for _ in range(count)]
    agents = {"free": 7, "build": 10, "scale": 15, "enterprise": 23}[account.tier]
    _extra(
        world, rng, account, WORKLOADS["personal"], _days(world, _within(world, 0.25), 8, count * 5.0), leases=1,
        addresses=places, address_skew=1.0, agents=rng.sample(range(len(AGENTS)), agents),
    ).work = replace(WORKLOADS["personal"], turns=1.5, weekend=1.0)  # fmt: skip


def _entitlement(world: World, rng: Random, account: Account) -> None:
    work, model = replace(WORKLOADS["documents"], operation="finetune"), MODEL_INDEX["aster-3"]
    if account.tier in ("free", "build"):
        work, model = WORKLOADS["prototype"], MODEL_INDEX["aster-3-pro"]
    _extra(world, rng, account, work, _days(world, _within(world, 0.2), 8, 6.0), model=model, other_model=model)


def _overkept(world: World, rng: Random, account: Account) -> None:
    account.stored, account.keep_days = True, 30
    account.overkept = (_within(world, 0.3), _within(world, 0.3) + 5, 90)


def _kept_at_all(world: World, rng: Random, account: Account) -> None:
    account.customer.zero_retention = account.zero_retention = True
    account.stored, account.keep_days = False, 0
    account.overkept = (_within(world, 0.5), _within(world, 0.5) + 3, 30)


def _commitment(factor: float) -> Callable[[World, Random, Account], None]:
    def make(world: World, rng: Random, account: Account) -> None:
        world.contract_factor[account.customer.id] = factor * rng.uniform(0.98, 1.02)

    return make


def _sanctioned(status: str) -> Callable[[World, Random, Account], None]:
    def make(world: World, rng: Random, account: Account) -> None:
        entry = f"E{rng.randrange(10**6):06d}"
        world.sanctions.append(("consolidated", entry, account.customer.id, status, _within(world, 0.1)))

    return make


def _unverified(world: World, rng: Random, account: Account) -> None:
    account.customer.kyc, account.customer.kyc_at = "pending", None


KINDS: dict[str, Kind] = {
    "R01": Kind("R01", "account", _volume),
    "R02": Kind("R02", "account", _departure, per_day=0.5),
    "R14": Kind("R14", "account", _abroad(("residential", "mobile")), per_day=40.0),
    "R14-vpn": Kind("R14", "account", _abroad(("vpn", "hosting")), per_day=8.0),
    "R17": Kind("R17", "key", _shared_key),
    "R20": Kind("R20", "account", _entitlement),
    "R23": Kind("R23", "account", _overkept, per_day=60.0),
    "R23-zero": Kind("R23", "account", _kept_at_all, per_day=80.0),
    "R25": Kind("R25", "customer", _commitment(1.62), per_day=80.0),
    "R25-medium": Kind("R25", "customer", _commitment(1.32), per_day=80.0),
    "R25-low": Kind("R25", "customer", _commitment(1.1), per_day=80.0),
    "R29": Kind("R29", "customer", _sanctioned("confirmed")),
    "R29-candidate": Kind("R29", "customer", _sanctioned("candidate")),
    "R29-unverified": Kind("R29", "customer", _unverified),
}


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
        shows_key=True, zero_retention=False,
    )  # fmt: skip
    work_as_usual(world, rng, account, per_day=kind.per_day)
    kind.make(world, rng, account)
    world.planted["breaches"].append(
        {"id": name, "kind": wanted.rule, "rule": kind.rule, "unit": kind.unit, "tier": tier,
         "account": account.id, "customer": customer.id, "key": account.keys[0].hash}
    )  # fmt: skip
