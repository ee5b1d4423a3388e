"""Who signs up: a customer's row, an account's sign-up and source, a payment instrument."""

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
    MAIL_DOMAINS,
    MANAGERS,
    SECOND,
    USES,
)
from audits.proving.world.state import Account, Customer, Label, World, choose

SUPPORTED = [(c.code, c.weight) for c in COUNTRIES.values() if c.weight]


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
    if since > 0 and tier == "free" and rng.random() < 0.15:  # a day in the news brings many at once
        since = int(world.spec.days * (0.21 if rng.random() < 0.6 else 0.63)) + 0.3 + rng.random() * 0.5
    customer = world.add_customer(rng, name=name, country=country, since=min(since, world.spec.days - 12.0))
    if tier in ("scale", "enterprise") or rng.random() < 0.1:
        customer.manager = rng.choice(MANAGERS)
    if tier != "free" or rng.random() < 0.2:
        customer.parent_country = country if rng.random() < 0.8 else choose(rng, SUPPORTED)
        customer.parent_pct = round(rng.uniform(51, 100), 2) if rng.random() < 0.7 else None
    _identity(world, rng, customer, tier)
    if rng.random() < 0.05:  # another manager, a new name, a new owner
        changed: dict[str, Any] = {"manager": rng.choice(MANAGERS)} if customer.manager else {"name": f"{name} (new)"}
        if customer.parent_country and rng.random() < 0.3:
            changed |= {"parent_country": choose(rng, SUPPORTED), "parent_pct": 100.0}
        customer.after = (rng.uniform(max(customer.since, 0.0) + 1, world.spec.days), changed)
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
        "signup_address": _signup_address(world, rng, customer, place) if rng.random() < 0.94 else None,
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


def _signup_address(world: World, rng: Random, customer: Customer, place: str) -> int:
    if place == "corporate":
        return world.address(world.office(rng, customer), rng.randrange(4))
    return world.any_address(rng, customer.country, place)


def _route(rng: Random, tier: str) -> tuple[str, str]:
    """Source system and access path of an account; bigger customers come more often through a cloud partner."""
    partner = {"free": 0.0, "build": 0.12, "scale": 0.28, "enterprise": 0.4}[tier]
    if rng.random() >= partner:
        return "native", "native" if rng.random() < 0.97 else "aggregator"
    route: tuple[str, str] = choose(
        rng,
        (
            (("litellm", "native"), 6),
            (("otel", "bedrock"), 1.5),
            (("otel", "vertex"), 1),
            (("azure", "azure"), 2),
            (("usage-export", "native"), 0.7),
        ),
    )
    return route
