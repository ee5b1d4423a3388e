"""The machinery that every campaign shares: members, what they share, their prompts, addresses, hours and volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.campaigns import KINDS, resolved
from audits.proving.world.catalogue import LANGS, NEW_FRONTIER, OLD_FRONTIER, OUTSIDE
from audits.proving.world.customers import SUPPORTED, new_account, new_customer
from audits.proving.world.population import work_as_usual
from audits.proving.world.spec import Campaign
from audits.proving.world.state import NEVER, Account, Label, World, choose
from audits.proving.world.streams import Stream, add_stream
from audits.proving.world.workloads import Workload

# proxies of one provider come from few networks, so members meet there now and then
PROXIES = {"hosting": (3, 60), "vpn": (2, None), "residential": (8, 1500)}  # addresses a member, networks a country


@dataclass(frozen=True, slots=True)
class Plan:
    """A resolved campaign with what its members have in common."""

    id: str
    campaign: Campaign
    work: Workload
    systems: range | None  # None: none in common
    templates: range | None
    schedule: int
    first: float
    last: float
    fronts: tuple[str, ...]


def add_campaigns(world: World) -> None:
    """Plant every campaign of the spec."""
    for number, wanted in enumerate(world.spec.campaigns, start=1):
        name = f"C{number:02d}"
        rng = world.random(f"campaign/{name}")
        plan = _plan(world, rng, name, resolved(wanted))
        c, members, streams = plan.campaign, [], []
        for pool in range(c.pools or 1):
            count = c.accounts // (c.pools or 1) + (c.accounts % (c.pools or 1) if pool == 0 else 0)
            joined = _members(world, rng, plan, pool, count)
            members += joined
            streams += [_set_to_work(world, rng, plan, account, pool) for account in joined]
        _share(rng, members, c)
        _stand_in_front(world, rng, plan, members)
        for stream in streams if c.hands_over else ():  # a balancer gives what one account was refused to another
            stream.peers = [peer.index for peer in rng.sample(streams, min(12, len(streams)))]
        world.planted["campaigns"].append(_label(plan, members))


def _plan(world: World, rng: Random, name: str, c: Campaign) -> Plan:
    first = float(c.first_day or 0)
    last = min(float(world.spec.days), first + (c.days or world.spec.days))
    work = replace(KINDS[c.kind].work, cot=c.elicit or 0.0)
    systems: range | None = None
    templates: range | None = None
    match c.prompts:
        case "fixed" | "five-fold":
            systems, templates = world.prompts(1), world.prompts(1 if c.prompts == "fixed" else 5)
        case "paraphrased":
            work = replace(work, templates=0, near=0, systems=0)
        case "own":  # a relay spreads its users, and so their prompts, over its accounts
            systems, templates = world.prompts(200), world.prompts(900)
    fronts = tuple(choose(rng, SUPPORTED) for _ in range(4))
    schedule = world.add_schedule(_joint_hours(world, name, c, work.rhythm))
    return Plan(name, c, work, systems, templates, schedule, first, last, fronts)


def _label(plan: Plan, members: list[Account]) -> dict[str, Any]:
    c = plan.campaign
    facts = {
        name: getattr(c, name)
        for name in (
            "kind",
            "per_day",
            "share",
            "cap",
            "prompts",
            "addresses",
            "signup",
            "cards",
            "pivot",
            "pools",
            "hands_over",
            "front",
            "clock",
        )
    }
    return {
        "id": plan.id, "rules": list(KINDS[c.kind].rules), "accounts": [a.id for a in members],
        "first_day": plan.first, "last_day": plan.last, **facts,
    }  # fmt: skip


def _members(world: World, rng: Random, plan: Plan, pool: int, count: int) -> list[Account]:
    """Accounts of their own customers, signed up in waves within a day or two, or over weeks before the start."""
    c, members = plan.campaign, []
    begin = _window(plan, pool)[0]
    burst_at = begin - rng.uniform(2.5, 8)
    per_wave = rng.choice((8, 12, 16))
    tiers = _allotted(rng, c.tiers or (("free", 1.0),), count)
    outside = set(rng.sample(range(count), round(count * (c.unsupported or 0.0))))
    for i in range(count):
        tier = tiers[i]
        if c.signup == "burst":
            opened = burst_at + (i // per_wave) * 0.14 + rng.random() * 10 / 1440
        else:
            opened = begin - rng.uniform(1, 55)
        customer = new_customer(world, rng, tier, country=rng.choice(plan.fronts))
        customer.since = opened - rng.uniform(0.001, 0.02)
        customer.kyc_at = opened + rng.random() if customer.kyc_at is not None else None
        role = "unsupported" if i in outside else "member"
        if (c.pools or 1) > 1:
            role = f"pool-{pool + 1}"
        account = new_account(
            world, rng, customer, tier, Label("campaign", c.kind, plan.id, role), opened=opened, source="native",
            path="native", shows_address=True, shows_key=True, zero_retention=False,
        )  # fmt: skip
        if c.signup == "burst" and rng.random() < 0.6:  # a wave signs up from one network, with one maker of mail
            account.signup_address = world.any_address(rng, account.customer.country, "hosting", 4)
            account.domain = f"{world.digest('mail', plan.id, i // (per_wave * 2))[:6]}.example"
        if pool + 1 < (c.pools or 1):
            account.banned = account.closed = _window(plan, pool)[1] + rng.uniform(0, 0.12)
        members.append(account)
    return members


def _allotted(rng: Random, shares: tuple[tuple[str, float], ...], count: int) -> list[str]:
    """``count`` tiers in their shares, in random order."""
    total, upto, tiers = sum(share for _, share in shares), 0.0, list[str]()
    for tier, share in shares:
        upto += share
        tiers += [tier] * (round(count * upto / total) - len(tiers))
    return rng.sample(tiers, count)


def _window(plan: Plan, pool: int) -> tuple[float, float]:
    """The days in which a pool is at work: one pool after the other."""
    length = (plan.last - plan.first) / (plan.campaign.pools or 1)
    return plan.first + pool * length, plan.first + (pool + 1) * length


def _share(rng: Random, members: list[Account], c: Campaign) -> None:
    """Cards and devices in batches whose order has nothing to do with the order of sign-up."""
    for per, what in ((c.cards or 0, "card"), (c.devices or 0, "device")):
        if per < 2:
            continue
        shuffled = rng.sample(members, len(members))
        begin = 0
        while begin < len(shuffled):
            size = max(2, round(per * rng.uniform(0.6, 1.4)))
            value = f"{rng.getrandbits(64):016x}"
            kind = "virtual" if rng.random() < 0.4 else "card"
            for account in shuffled[begin : begin + size]:
                if what == "device":
                    account.device = value
                elif account.cards or account.tier != "free" or rng.random() < 0.8:
                    account.cards = [(value, kind, account.customer.country, account.opened, None)]
            begin += size


def _stand_in_front(world: World, rng: Random, plan: Plan, members: list[Account]) -> None:
    """What all members show in common, in place of batches: one card, one office, or one organisation's mail."""
    card = f"{rng.getrandbits(64):016x}"
    network = _office(world, plan)
    for account in members:
        match plan.campaign.front:
            case "payer":
                account.cards = [(card, "card", account.customer.country, account.opened, None)]
            case "network":
                account.signup_address = world.address(network, rng.randrange(3))
            case "organisation":
                account.domain, account.disposable = f"{plan.id.lower()}.organisation.example", False
                account.signup_address = world.address(network, rng.randrange(3))


def _office(world: World, plan: Plan) -> int:
    return world.network(plan.fronts[0], "corporate", 950_000 + int(plan.id[1:]))


def _set_to_work(world: World, rng: Random, plan: Plan, account: Account, pool: int) -> Stream:
    """One member's extraction, and cover traffic beside it where the campaign mixes."""
    c, (first, last) = plan.campaign, _window(plan, pool)
    share = c.share or 1.0
    country, addresses = _addresses(world, rng, account, c)
    if c.front in ("network", "organisation"):
        country = plan.fronts[0]
        addresses = [world.address(_office(world, plan), rng.randrange(6)) for _ in addresses]
    hurried = bool(c.pivot) and rng.random() < 0.92
    facts: dict[str, Any] = {
        "country": country, "addresses": addresses, "leases": 1, "address_skew": 1.0, "offset": 0.0,
        "phase": rng.gauss(0, 0.15), "start": max(first, account.opened), "end": account.closed or last,
        "daily": _volume(world, rng, c, first, account.closed or last),
        "schedule": plan.schedule, "model": OLD_FRONTIER, "other_model": OLD_FRONTIER,
        "adopts": world.spec.release_day + 0.7 + rng.uniform(0.02, 0.24) if hurried else NEVER,
        "adopt_share": rng.uniform(0.6, 0.95), "visibility": int((c.elicit or 0) > 0.2),
        "langs": [LANGS.index("en"), LANGS.index("zh")],
        # all members run one tool, which names its requests or does not
        "traced": plan.work.turns > 1 or world.random(f"traced/{plan.id}").random() < world.spec.traced,
    }  # fmt: skip
    if plan.work.agents == 1:
        facts["agents"] = [rng.choice((0, 0, 0, 1, 18, 19, 20))]
    if plan.campaign.prompts == "own":  # what a relay's users send: their prompts, in their languages
        del facts["langs"]
    facts["systems"], facts["templates"] = plan.systems or (), plan.templates or ()
    if first > world.spec.release_day:
        facts["model"] = facts["other_model"] = NEW_FRONTIER
    stream = add_stream(world, rng, account, plan.work, 1.0, **facts)
    kept = ("turns", "templates", "near", "systems", "end_users", "choices", "logprobs", "logit_bias", "benchmark")
    stream.work = replace(
        stream.work,
        cot=min(0.97, plan.work.cot * rng.lognormvariate(0, 0.15)),
        rubric=min(0.97, plan.work.rubric * rng.lognormvariate(0, 0.1)),
        refusal=min(0.6, plan.work.refusal * rng.lognormvariate(0, 0.15)),
        **{name: getattr(plan.work, name) for name in kept},
    )
    if share < 1.0:
        cover = work_as_usual(world, rng, account, per_day=(c.per_day or 0) * (1 - share), start=first)
        cover.bend, cover.end = min(cover.bend, expected_cap(c) * (1 - share), 8 * cover.per_day), last
        cover.ramp, cover.pause = 0.0, (NEVER, NEVER)
        if rng.random() < 0.7:
            cover.addresses, cover.leases = addresses, 1
    return stream


def _joint_hours(world: World, name: str, c: Campaign, rhythm: str) -> NDArray[np.float64]:
    """Hourly weights of each UTC day: the shared rhythm, with ``sync`` of the load in waves that all members share."""
    rng, sync = world.numpy(f"campaign/{name}/hours"), c.sync or 0.0
    if c.clock:
        open_hours = np.arange(24) < (24 if c.clock == "all" else 10)
        return np.tile(np.roll(open_hours, 8).astype(np.float64), (world.spec.days + 2, 1))
    waves = np.exp(0.9 * rng.standard_normal((world.spec.days + 2, 24)))
    hours = np.arange(24)
    base = np.ones(24) if rhythm == "flat" else 1 + 0.8 * np.sin((hours - rng.integers(0, 24)) / 24 * 2 * np.pi)
    return np.asarray(base * ((1 - sync) + sync * waves))


def _volume(world: World, rng: Random, c: Campaign, first: float, last: float) -> NDArray[np.float64]:
    """Expected extraction requests of one account from day -1 to the end, around ``per_day * share``."""
    noise = np.random.default_rng(rng.getrandbits(64))
    days = np.arange(-1, world.spec.days + 1)
    level = (c.per_day or 0.0) * (c.share or 1.0) * min(1.9, rng.lognormvariate(-0.04, 0.5 - 0.35 * (c.sync or 0.0)))
    rate = level * np.exp(0.12 * noise.standard_normal(len(days)))
    rate = np.minimum(rate, expected_cap(c) * (c.share or 1.0))
    return np.where((days >= np.floor(first)) & (days < last), rate, 0.0)


def expected_cap(c: Campaign) -> float:
    """The expectation x whose day stays below the cap: x + 4 sqrt(x), and 4 % of retries, make the cap."""
    return max(0.5, (c.cap / 1.04 + 4) ** 0.5 - 2) ** 2 if c.cap else NEVER * 1e6


def _addresses(world: World, rng: Random, account: Account, c: Campaign) -> tuple[str, list[int]]:
    """Country and addresses of one member's requests."""
    country, kind = account.customer.country, c.addresses or "hosting"
    if world.labels[account.id].role == "unsupported":
        country, kind = rng.choice(OUTSIDE), rng.choice(("vpn", "hosting", "residential"))
    elif kind == "mixed":
        kind = rng.choice(tuple(PROXIES))
    slots, spread = PROXIES[kind]
    return country, [world.any_address(rng, country, kind, spread) for _ in range(slots)]
