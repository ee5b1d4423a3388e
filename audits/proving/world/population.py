"""Benign customers at work: ordinary accounts, their ups and downs, and the coincidences among them.

Coincidences are wanted: families share a card, neighbours a network, strangers a VPN exit or a second-hand device.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from audits.proving.world.catalogue import HOSTILE_NAMES, OUTSIDE, TIERS, Tier
from audits.proving.world.customers import SUPPORTED, new_account, new_card, new_customer
from audits.proving.world.state import NEVER, Account, Customer, Label, World, choose
from audits.proving.world.streams import Stream, add_stream
from audits.proving.world.workloads import BESIDE, BY_TIER, WORKLOADS

BENIGN = Label("benign", "ordinary", "", "")


def add_population(world: World) -> None:
    """All ordinary customers of the spec, tier by tier."""
    rng = world.random("population")
    for tier in TIERS.values():
        for _ in range(round(world.spec.customers * tier.share)):
            ordinary_customer(world, rng, tier.name)
    _coincidences(world, rng)


def give_hostile_names(world: World) -> None:
    """Names that attack the reader, by turns on a customer with a breach and on any."""
    rng = world.random("hostile-names")
    breaching = list(dict.fromkeys(a.customer for a in world.accounts if world.labels[a.id].kind == "breach"))
    others = [c for c in world.customers if c not in breaching]
    chosen = rng.sample(breaching, min(4, len(breaching))) + rng.sample(others, min(7, len(others)))
    for customer, name in zip(chosen, HOSTILE_NAMES, strict=False):
        customer.name, customer.after = name, None


def ordinary_customer(world: World, rng: Random, tier: str) -> Customer:
    """One benign customer of a tier with its accounts at work."""
    customer = new_customer(world, rng, tier)
    card = new_card(rng, customer.country, tier)
    first: Stream | None = None
    for _ in range(rng.choice(TIERS[tier].accounts)):
        account = new_account(world, rng, customer, tier, BENIGN, card=card)
        _turnover(world, rng, account)
        stream = work_as_usual(world, rng, account)
        if first is None:
            first = stream
        elif rng.random() < 0.6:  # production, staging, a second team: one firm's prompts, machines and people
            stream.systems, stream.templates = first.systems, first.templates
            stream.addresses, stream.leases = first.addresses, first.leases
            account.device = first.account.device if rng.random() < 0.5 else account.device
    return customer


def _turnover(world: World, rng: Random, account: Account) -> None:
    """Closures, bans, tier changes in mid-period and key rotation, as they happen to ordinary accounts."""
    days = world.spec.days
    tier = account.tiers[0][0]
    if rng.random() < {"free": 0.12, "build": 0.07, "scale": 0.03, "enterprise": 0.02}[tier]:
        day = rng.uniform(max(account.opened + 5, 5), days + 8)
        account.closed = day if day < days else None
    if account.closed is not None and rng.random() < 0.06:
        account.banned = account.closed
    if tier != "enterprise" and account.opened < days - 30 and rng.random() < 0.05:
        higher = {"free": "build", "build": "scale", "scale": "enterprise"}[tier]
        lower = {"free": "build", "build": "free", "scale": "build"}[tier]
        at = rng.uniform(max(account.opened + 8, 8), days - 6)
        at = round(at) if rng.random() < 0.5 else at
        account.tiers.append((higher if rng.random() < 0.75 else lower, float(at)))
        if account.tier in ("scale", "enterprise") and account.customer.kyc != "verified":
            account.customer.kyc, account.customer.kyc_at = "verified", at - rng.uniform(0, 3)
    if rng.random() < 0.12:
        account.keys[0].revoked = rng.uniform(max(account.opened + 3, 3), days + 40)
        world.add_key(rng, account, account.keys[0].revoked - rng.uniform(0.1, 3))
    for _ in range({"free": 0, "build": 1, "scale": 3, "enterprise": 6}[tier]):
        if rng.random() < 0.6:
            world.add_key(rng, account, account.opened + rng.expovariate(1 / 30))


def work_as_usual(
    world: World, rng: Random, account: Account, *, per_day: float | None = None, start: float | None = None
) -> Stream:
    """Give an account its main work, and often something beside it; returns the main stream."""
    tier = TIERS[account.tiers[0][0]]
    if per_day is None:
        volume = world.spec.volume**tier.scaling
        drawn = tier.median * world.levels[tier.name] * volume * rng.lognormvariate(0, tier.sigma)
        bound = 0.35 * tier.limit * max(volume, 0.02)
        per_day = drawn / (1 + drawn / bound)
    kind = WORKLOADS[choose(rng, BY_TIER[tier.name])]
    ramp = rng.choice((0.0, 3.0, 10.0, 25.0)) if account.opened > 0 else 0.0
    pause = (NEVER, NEVER)
    if rng.random() < 0.3 and kind.weekend < 1.3:  # a holiday of a week or three
        begin = rng.uniform(-8, world.spec.days)
        pause = (begin, begin + rng.choice((4, 7, 9, 14, 16, 21)))
    keys = [k.index for k in account.keys if k.revoked is None] or [account.keys[-1].index]
    # nobody stays in a tier whose limit is a tenth of the need: busy days bend towards the limit, some a little above
    stream = add_stream(
        world, rng, account, kind, per_day, ramp=ramp, pause=pause, keys=_usable(rng, keys),
        start=account.opened if start is None else start, bend=tier.limit * rng.uniform(0.7, 1.6),
    )  # fmt: skip
    if rng.random() < 0.008 and start is None:
        _at_the_limit(world, rng, stream, tier)
    if rng.random() < 0.03:  # uses a VPN most of the time
        stream.addresses = [world.any_address(rng, account.customer.country, "vpn") for _ in range(stream.leases * 2)]
    elif rng.random() < 0.05 and pause[0] < world.spec.days:
        _travel(world, rng, stream, pause)
    if rng.random() < 0.008:  # a stop-over, or an address that the geography has wrong
        _glimpse(world, rng, stream)
    if rng.random() < 0.3:
        beside = WORKLOADS[choose(rng, BESIDE[tier.name])]
        share = rng.uniform(0.1, 0.5)
        rate = per_day * share if beside.operation != "finetune" else 6 * share
        add_stream(world, rng, account, beside, rate, keys=stream.keys)
    return stream


def _at_the_limit(world: World, rng: Random, stream: Stream, tier: Tier) -> None:
    """The heaviest users of a tier: a free account near its limit for weeks, a paying one for some days."""
    if tier.name == "free":
        stream.per_day = tier.limit * rng.uniform(0.12, 0.5)
    else:  # in a small file only as near as its volume allows
        days, first = np.arange(-1, world.spec.days + 1), rng.uniform(0, world.spec.days)
        busy = (days >= first) & (days < first + rng.choice((1, 2, 4)))
        level = rng.uniform(0.4, 0.95) * min(tier.limit, 5_000 + tier.limit * world.spec.volume)
        add_stream(
            world, rng, stream.account, WORKLOADS["classify"], 1.0, keys=stream.keys, daily=np.where(busy, level, 0.0)
        )


def _usable(rng: Random, keys: list[int]) -> list[int]:
    """The keys in daily use, the main one first."""
    return keys[: 1 + rng.randrange(len(keys))]


def _travel(world: World, rng: Random, stream: Stream, pause: tuple[float, float]) -> None:
    """Work abroad while the ordinary stream rests: another country's addresses, less of it."""
    abroad = choose(rng, SUPPORTED)
    away = add_stream(
        world, rng, stream.account, WORKLOADS["personal"], stream.per_day * 0.4, country=abroad, keys=stream.keys,
        systems=stream.systems, templates=stream.templates, langs=stream.langs, agents=stream.agents,
        model=stream.model, other_model=stream.other_model,
    )  # fmt: skip
    away.start, away.end = max(pause[0], stream.start), min(pause[1], stream.end)


def _glimpse(world: World, rng: Random, stream: Stream) -> None:
    """A handful of requests from an unsupported territory, below what any rule counts."""
    days, at = np.arange(-1, world.spec.days + 1), rng.uniform(0, world.spec.days)
    country = rng.choice(OUTSIDE)
    add_stream(
        world, rng, stream.account, WORKLOADS["personal"], 1.0, country=country, keys=stream.keys,
        addresses=[world.any_address(rng, country, "mobile")], leases=1, model=stream.model,
        daily=np.where((days >= at) & (days < at + 2), rng.uniform(0.5, 3.0), 0.0),
    ).work = replace(WORKLOADS["personal"], turns=1.3)  # fmt: skip


def _coincidences(world: World, rng: Random) -> None:
    """Harmless sharing among strangers and families: cards, devices, phones."""
    chance = world.factor()
    persons = [a for a in world.accounts if a.tiers[0][0] in ("free", "build")]
    for one, other in zip(persons, rng.sample(persons, len(persons)), strict=True):
        if one.customer is other.customer:
            continue
        roll = rng.random() / chance
        if roll < 0.012 and one.cards:  # a family's card
            other.cards.append((*one.cards[0][:3], max(other.opened, one.opened), None))
            other.domain = one.domain
        elif roll < 0.02:  # a second-hand or library device
            other.device = one.device
        elif roll < 0.026:
            other.phone = one.phone
        elif roll < 0.03 and one.signup_address is not None:
            other.signup_address = one.signup_address
