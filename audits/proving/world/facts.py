"""Breaches that are on record rather than in the requests: owners, lists, contracts, payments, sign-ins."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from audits.proving.world.catalogue import OUTSIDE
from audits.proving.world.state import Account, World

Fact = Callable[[World, Random, Account], None]
LATE = 0.77  # when in the world's course most things happen


def _day(world: World, share: float = LATE) -> float:
    return float(int(share * world.spec.days))


def _owner(percent: tuple[float, float]) -> Fact:
    def make(_world: World, rng: Random, account: Account) -> None:
        account.customer.parent_country = rng.choice(OUTSIDE)
        account.customer.parent_pct = round(rng.uniform(*percent), 2)

    return make


def _kept_longer(world: World, _rng: Random, account: Account) -> None:
    account.stored, account.keep_days = True, 30
    account.overkept = (_day(world), _day(world) + 5, 90)


def _kept_at_all(world: World, _rng: Random, account: Account) -> None:
    account.customer.zero_retention = account.zero_retention = True
    account.stored, account.keep_days = False, 0
    account.overkept = (_day(world), _day(world) + 3, 30)


def _commitment(factor: float) -> Fact:
    def make(world: World, rng: Random, account: Account) -> None:
        world.contract_factor[account.customer.id] = factor * rng.uniform(0.98, 1.02)

    return make


def _listed(status: str) -> Fact:
    def make(world: World, rng: Random, account: Account) -> None:
        entry = f"E{rng.randrange(10**6):06d}"
        world.sanctions.append(("consolidated", entry, account.customer.id, status, _day(world, 0.7)))

    return make


def _unverified(_world: World, _rng: Random, account: Account) -> None:
    account.customer.kyc, account.customer.kyc_at = "pending", None


def _old_check(world: World, rng: Random, account: Account) -> None:
    account.customer.since = account.opened = -620.0 - rng.uniform(0, 200)
    account.tiers = [(account.tier, account.opened)]
    account.keys[0].created = account.opened
    account.customer.kyc, account.customer.kyc_at = "verified", world.spec.days - 400.0 - rng.uniform(0, 90)


def _no_resale(world: World, _rng: Random, account: Account) -> None:
    world.no_resale.add(account.customer.id)


def _probe(attempts: int, *, hits: bool) -> Fact:
    def make(world: World, rng: Random, account: Account) -> None:
        network = world.network(rng.choice(("NL", "US", "SG")), "hosting", 40_000 + rng.randrange(1000))
        world.probes.append(
            {
                "day": _day(world) + rng.random(), "length": 0.12, "attempts": attempts, "agent": 4,
                "addresses": [world.address(network, host) for host in range(4)],
                "account": account.index if hits else None, "key": account.keys[0].index,
                "network": world.networks[network].hash,
            }
        )  # fmt: skip

    return make


def _payer(*, declines: float, chargeback: bool) -> Fact:
    def make(_world: World, rng: Random, account: Account) -> None:
        account.declines, account.chargeback = declines, chargeback
        if not account.cards:
            account.cards.append((f"{rng.getrandbits(64):016x}", "prepaid", None, account.opened, None))

    return make


def _dormant(_world: World, rng: Random, account: Account) -> None:
    account.opened = account.customer.since = -rng.uniform(60, 200)
    account.tiers = [(account.tier, account.opened)]
    account.keys[0].created = account.opened


def _new(world: World, rng: Random, account: Account) -> None:
    account.opened = account.customer.since = _day(world, 0.76) - rng.uniform(0.1, 0.9)
    account.tiers = [(account.tier, account.opened)]
    account.keys[0].created = account.opened
    if account.customer.kyc_at is not None:
        account.customer.kyc_at = account.opened


FACTS: dict[str, Fact] = {
    "owner": _owner((55, 95)),
    "minor-owner": _owner((26, 48)),
    "kept-longer": _kept_longer,
    "kept-at-all": _kept_at_all,
    "commitment-1.62": _commitment(1.62),
    "commitment-1.32": _commitment(1.32),
    "commitment-1.10": _commitment(1.10),
    "sanctioned": _listed("confirmed"),
    "candidate": _listed("candidate"),
    "unverified": _unverified,
    "old-check": _old_check,
    "no-resale": _no_resale,
    "key-list": _probe(140, hits=False),
    "key-guess": _probe(34, hits=True),
    "chargeback": _payer(declines=0.04, chargeback=True),
    "declines": _payer(declines=0.85, chargeback=False),
    "dormant": _dormant,
    "new": _new,
}
