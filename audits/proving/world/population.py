"""Benign customers: who they are, how they signed up and pay, and what they do with the API.

Coincidences are wanted: families share a card, neighbours a network, strangers a VPN exit or a second-hand device.
"""

from __future__ import annotations

from random import Random
from typing import Any

from audits.proving.world.catalogue import (
    COUNTRIES,
    DISPOSABLE_DOMAINS,
    FAMILY,
    FIRST,
    FORMS,
    GIVEN,
    HOSTILE_NAMES,
    MAIL_DOMAINS,
    MANAGERS,
    SECOND,
    TIERS,
    USES,
)
from audits.proving.world.state import NEVER, Account, Customer, Label, World, choose
from audits.proving.world.streams import Stream, add_stream
from audits.proving.world.workloads import BESIDE, BY_TIER, WORKLOADS

BENIGN = Label("benign", "ordinary", "", "")
SUPPORTED = [(c.code, c.weight) for c in COUNTRIES.values() if c.weight]


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
        customer.name = name


def ordinary_customer(world: World, rng: Random, tier: str) -> Customer:
    """One benign customer of a tier with its accounts at work."""
    customer = new_customer(world, rng, tier)
    card = new_card(rng, customer.country, tier)
    for _ in range(rng.choice(TIERS[tier].accounts)):
        account = new_account(world, rng, customer, tier, BENIGN, card=card)
        _turnover(world, rng, account)
        work_as_usual(world, rng, account)
    return customer


def new_customer(
    world: World, rng: Random, tier: str, *, country: str | None = None, person: bool | None = None
) -> Customer:
    """A customer's row. Free customers are mostly persons; companies have a form and often a parent."""
    country = country or choose(rng, SUPPORTED)
    if person if person is not None else tier == "free" and rng.random() < 0.8:
        name = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
    else:
        name = f"{rng.choice(FIRST)}{rng.choice(SECOND)} {rng.choice(FORMS)}"
    since = -rng.expovariate(1 / 260) if rng.random() < 0.75 else rng.uniform(-10, world.spec.days * 0.8)
    customer = world.add_customer(rng, name=name, country=country, since=min(since, world.spec.days - 12.0))
    if tier in ("scale", "enterprise") or rng.random() < 0.1:
        customer.manager = rng.choice(MANAGERS)
    if tier != "free" or rng.random() < 0.2:
        customer.parent_country = country if rng.random() < 0.8 else choose(rng, SUPPORTED)
        customer.parent_pct = round(rng.uniform(51, 100), 2) if rng.random() < 0.7 else None
    _identity(world, rng, customer, tier)
    customer.use = rng.choice(USES) if rng.random() < 0.7 else None
    customer.zero_retention = rng.random() < {"scale": 0.08, "enterprise": 0.3}.get(tier, 0.0)
    customer.ai_developer = rng.random() < 0.06 if tier != "free" else None
    return customer


def _identity(world: World, rng: Random, customer: Customer, tier: str) -> None:
    """Identity checks: free customers are seldom checked, scale and enterprise always, and renewed each year."""
    roll = rng.random()
    if tier == "free":
        customer.kyc = "verified" if roll < 0.25 else "none" if roll < 0.9 else "pending"
    elif tier == "build":
        customer.kyc = "verified" if roll < 0.8 else "none" if roll < 0.93 else "pending"
    else:
        customer.kyc = "verified"
    if customer.kyc == "verified":
        checked = max(customer.since + rng.uniform(0, 8), -rng.uniform(5, 230))
        customer.kyc_at = min(checked, world.spec.days - 1.0)


def new_card(rng: Random, country: str, tier: str) -> tuple[str, str, str | None] | None:
    """A payment instrument (hash, type, country of the bank), or none; free customers often have none."""
    if tier == "free" and rng.random() < 0.55:
        return None
    kind = choose(
        rng,
        {
            "free": (("card", 8), ("prepaid", 1.2), ("virtual", 0.8)),
            "build": (("card", 9), ("virtual", 0.8), ("prepaid", 0.3), ("crypto", 0.1)),
            "scale": (("card", 5), ("wire", 4), ("virtual", 0.3)),
            "enterprise": (("wire", 9), ("card", 1)),
        }[tier],
    )
    bank = country if rng.random() < 0.93 else choose(rng, SUPPORTED)
    return f"{rng.getrandbits(64):016x}", kind, None if kind in ("wire", "crypto") else bank


def new_account(
    world: World,
    rng: Random,
    customer: Customer,
    tier: str,
    label: Label,
    *,
    opened: float | None = None,
    card: tuple[str, str, str | None] | None = None,
    **facts: Any,
) -> Account:
    """An account with its sign-up, source and payment facts; ``facts`` override any of them."""
    if opened is None:
        opened = customer.since + (rng.expovariate(1 / 60) if rng.random() < 0.4 else rng.uniform(0, 1))
        opened = min(opened, world.spec.days - 10.0)
    person = tier == "free" or (tier == "build" and rng.random() < 0.3)
    domain = choose(rng, MAIL_DOMAINS) if person else f"{world.digest('domain', customer.id)[:8]}.example"
    disposable = tier == "free" and rng.random() < 0.025
    place = choose(rng, (("residential", 6), ("mobile", 2), ("corporate", 1), ("vpn", 0.5))) if person else "corporate"
    source, path = _route(rng, tier)
    known: dict[str, Any] = {
        "opened": opened,
        "tiers": [(tier, opened)],
        "source": source,
        "path": path,
        "shows_address": source == "native" or (source == "litellm" and rng.random() < 0.4),
        "shows_key": source != "otel",
        "signup_address": world.any_address(rng, customer.country, place) if rng.random() < 0.94 else None,
        "signup_country": customer.country if rng.random() < 0.96 else choose(rng, SUPPORTED),
        "device": f"{rng.getrandbits(64):016x}" if rng.random() < 0.9 else None,
        "domain": rng.choice(DISPOSABLE_DOMAINS) if disposable else domain,
        "disposable": disposable if rng.random() < 0.97 else None,
        "phone": f"{rng.getrandbits(64):016x}" if rng.random() < 0.6 else None,
        "programme": choose(rng, (("none", 20), ("education", 2), ("startup", 1), ("research", 0.6)))
        if tier in ("free", "build") and rng.random() < 0.9
        else None,
        "zero_retention": customer.zero_retention,
    }
    account = world.add_account(rng, customer, label, **known | facts)
    if account.zero_retention:
        account.stored, account.keep_days = False, 0
    if card:
        account.cards.append((*card, account.opened, None))
    return account


def _route(rng: Random, tier: str) -> tuple[str, str]:
    """Source system and access path of an account; bigger customers come more often through a cloud partner."""
    partner = {"free": 0.0, "build": 0.12, "scale": 0.28, "enterprise": 0.4}[tier]
    if rng.random() >= partner:
        return "native", "native" if rng.random() < 0.97 else "aggregator"
    return choose(
        rng, ((("litellm", "native"), 6), (("otel", "bedrock"), 1.5), (("otel", "vertex"), 1), (("azure", "azure"), 2))
    )


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
    world: World, rng: Random, account: Account, *, per_day: float | None = None, work: str | None = None
) -> Stream:
    """Give an account its main work, and often something beside it; returns the main stream."""
    tier = TIERS[account.tiers[0][0]]
    if per_day is None:
        volume = world.spec.volume**tier.scaling
        # nobody keeps a tier whose limit is a tenth of the need: the tail bends below the limit
        drawn = tier.median * volume * rng.lognormvariate(0, tier.sigma)
        bound = 0.35 * tier.limit * max(volume, 0.02)
        per_day = drawn / (1 + drawn / bound)
    kind = WORKLOADS[work or choose(rng, BY_TIER[tier.name])]
    ramp = rng.choice((0.0, 3.0, 10.0, 25.0)) if account.opened > 0 else 0.0
    pause = (NEVER, NEVER)
    if rng.random() < 0.3 and kind.weekend < 1.3:  # a holiday of a week or three
        begin = rng.uniform(-8, world.spec.days)
        pause = (begin, begin + rng.choice((4, 7, 9, 14, 16, 21)))
    keys = [k.index for k in account.keys if k.revoked is None] or [account.keys[-1].index]
    stream = add_stream(world, rng, account, kind, per_day, ramp=ramp, pause=pause, keys=_usable(rng, keys))
    if rng.random() < 0.03:  # uses a VPN most of the time
        stream.addresses = [world.any_address(rng, account.customer.country, "vpn") for _ in range(stream.leases * 2)]
    elif rng.random() < 0.05 and pause[0] < world.spec.days:
        _travel(world, rng, stream, pause)
    if rng.random() < 0.3:
        beside = WORKLOADS[choose(rng, BESIDE[tier.name])]
        add_stream(world, rng, account, beside, per_day * rng.uniform(0.1, 0.5), keys=stream.keys)
    return stream


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


def _coincidences(world: World, rng: Random) -> None:
    """Harmless sharing among strangers and families: cards, devices, phones."""
    persons = [a for a in world.accounts if a.tiers[0][0] in ("free", "build")]
    for one, other in zip(persons, rng.sample(persons, len(persons)), strict=True):
        if one.customer is other.customer:
            continue
        roll = rng.random()
        if roll < 0.012 and one.cards:  # a family's card
            other.cards.append((*one.cards[0][:3], max(other.opened, one.opened), None))
            other.domain = one.domain
        elif roll < 0.02:  # a second-hand or library device
            other.device = one.device
        elif roll < 0.026:
            other.phone = one.phone
        elif roll < 0.03 and one.signup_address is not None:
            other.signup_address = one.signup_address
