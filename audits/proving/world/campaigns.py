"""Planted campaigns: each kind a record of defaults over the same machinery."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.catalogue import COUNTRIES, LANGS, OLD_FRONTIER
from audits.proving.world.population import new_account, new_customer, work_as_usual
from audits.proving.world.spec import Campaign, unknown
from audits.proving.world.state import NEVER, Account, Label, World, choose
from audits.proving.world.streams import add_stream
from audits.proving.world.workloads import Workload


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of campaign asks for, and the defaults of :class:`Campaign` that go with it."""

    work: Workload
    rules: tuple[str, ...]  # rules whose signal the kind plants
    defaults: Campaign


EXTRACTION = Workload(
    name="extraction", rhythm="flat", weekend=1.0, active=1.0, noise=0.12, burst=0.0, turns=1.0, input=(420, 0.45),
    output=(290, 0.5), cached=0.15, reasoning=0.5, systems=1, templates=1, template_skew=1.0, near=2, repeat=0.003,
    topics=180, topic_skew=1.1, langs=2, lang_skew=5, cot=0.08, rubric=0.01, benchmark=0.12, rate_limited=0.02,
    failing=0.01, refusal=0.01, flagged=0.001, capped=1.0, models=(("aster-3", 1),), alias=0,
)  # fmt: skip

KINDS = {
    "extraction": Kind(
        EXTRACTION,
        ("R04", "R05", "R06", "R12", "R13", "R19"),
        Campaign(
            kind="extraction", per_day=260.0, share=1.0, first_day=40, days=30, prompts="fixed", cards=8, devices=6,
            addresses="hosting", signup="burst", sync=0.8, pivot=True, elicit=0.08, unsupported=0.0,
            tiers=(("build", 0.8), ("free", 0.2)),
        ),
    ),
    "elicitation": Kind(
        replace(EXTRACTION, name="elicitation", turns=1.6, input=(380, 0.6), output=(820, 0.6), noise=0.5, active=0.85,
                rhythm="waking", weekend=0.8, replay=0.03, topics=80, benchmark=0.05),
        ("R07", "R14", "R19"),
        Campaign(
            kind="elicitation", per_day=12.0, share=1.0, first_day=20, days=60, prompts="five-fold", cards=4,
            devices=4, addresses="vpn", signup="slow", sync=0.3, pivot=False, elicit=0.6, unsupported=0.2,
            tiers=(("free", 1.0),),
        ),
    ),
}  # fmt: skip


def add_campaigns(world: World) -> None:
    """Plant every campaign of the spec."""
    for number, wanted in enumerate(world.spec.campaigns, start=1):
        if wanted.kind not in KINDS:
            raise unknown("kind of campaign", wanted.kind, KINDS)
        _plant(world, f"C{number:02d}", resolved(wanted))


def resolved(campaign: Campaign) -> Campaign:
    """The campaign with what was left open filled in from its kind."""
    defaults = KINDS[campaign.kind].defaults
    given = {f.name: getattr(campaign, f.name) for f in fields(campaign)}
    return replace(defaults, **{name: value for name, value in given.items() if value is not None})


def _plant(world: World, name: str, c: Campaign) -> None:
    """Accounts, sign-ups, shared things and streams of one campaign."""
    rng = world.random(f"campaign/{name}")
    kind = KINDS[c.kind]
    members = _members(world, rng, name, c)
    _share_things(rng, members, c)
    systems, templates = _shared_prompts(world, c)
    schedule = world.add_schedule(_joint_hours(world, name, c.sync or 0.0))
    work = replace(kind.work, cot=c.elicit or 0.0)
    if c.prompts == "paraphrased":
        work = replace(work, templates=0, near=0, systems=0)
    first, last = float(c.first_day or 0), float((c.first_day or 0) + (c.days or world.spec.days))
    for account in members:
        daily = _volume(world, rng, c, first, last)
        outside = world.labels[account.id].role == "unsupported"
        country, addresses, leases = _addresses(world, rng, account, c, outside)
        hurried = bool(c.pivot) and rng.random() < 0.9
        stream = add_stream(
            world, rng, account, work, 1.0, country=country, addresses=addresses, leases=leases, systems=systems,
            templates=templates, daily=daily, start=max(first, account.opened), end=last, cap=_expected_cap(c),
            schedule=schedule, offset=0.0, phase=rng.gauss(0, 0.2), model=OLD_FRONTIER, other_model=OLD_FRONTIER,
            adopts=world.spec.release_day + 0.7 + rng.uniform(0.02, 0.22) if hurried else NEVER,
            adopt_share=rng.uniform(0.6, 0.95), agents=[rng.choice((0, 0, 0, 1, 18, 19, 20))],
            langs=[LANGS.index("en"), LANGS.index("zh")], address_skew=1.0,
        )  # fmt: skip
        stream.work = replace(stream.work, turns=work.turns, templates=work.templates, near=work.near,
                              cot=min(0.97, work.cot * rng.lognormvariate(0, 0.15)), end_users=0)  # fmt: skip
        if (c.share or 1.0) < 1.0:
            work_as_usual(world, rng, account, per_day=(c.per_day or 0) * (1 - (c.share or 1.0)))
    world.planted["campaigns"].append(
        {
            "id": name, "kind": c.kind, "rules": list(kind.rules), "accounts": [a.id for a in members],
            "per_day": c.per_day, "share": c.share, "first_day": c.first_day, "days": c.days, "cap": c.cap,
            "prompts": c.prompts, "addresses": c.addresses, "signup": c.signup,
        }
    )  # fmt: skip


def _members(world: World, rng: Random, name: str, c: Campaign) -> list[Account]:
    """Accounts of their own customers, signed up in a burst of hours or over weeks before the start."""
    members = []
    first = float(c.first_day or 0)
    fronts = [choose(rng, [(k.code, k.weight) for k in COUNTRIES.values() if k.weight]) for _ in range(4)]
    burst_at = first - rng.uniform(4, 8)
    for i in range(c.accounts):
        tier = choose(rng, c.tiers or (("free", 1.0),))
        if c.signup == "burst":  # a wave of ten minutes for each dozen accounts
            opened = burst_at + (i // 12) * 0.14 + rng.random() * 10 / 1440
        else:
            opened = first - rng.uniform(1, 50)
        customer = new_customer(world, rng, tier, country=rng.choice(fronts))
        customer.since = opened - rng.uniform(0.001, 0.02)
        role = "unsupported" if rng.random() < (c.unsupported or 0.0) else "member"
        label = Label("campaign", c.kind, name, role)
        members.append(new_account(world, rng, customer, tier, label, opened=opened, source="native", path="native",
                                   shows_address=True, shows_key=True, zero_retention=False, programme="none"))  # fmt: skip
    return members


def _share_things(rng: Random, members: list[Account], c: Campaign) -> None:
    """Cards and devices in batches whose order has nothing to do with the order of sign-up."""
    for per, what in ((c.cards or 0, "card"), (c.devices or 0, "device")):
        if per < 2:
            continue
        shuffled = rng.sample(members, len(members))
        for begin in range(0, len(shuffled), per):
            batch = shuffled[begin : begin + per]
            value = f"{rng.getrandbits(64):016x}"
            for account in batch:
                if what == "device":
                    account.device = value
                else:
                    kind = "virtual" if rng.random() < 0.4 else "card"
                    account.cards = [(value, kind, account.customer.country, account.opened, None)]


def _shared_prompts(world: World, c: Campaign) -> tuple[range, range]:
    """The group's system prompt and templates: one, five, or none in common."""
    if c.prompts == "paraphrased":
        return range(0), range(0)
    return world.prompts(1), world.prompts({"fixed": 1, "five-fold": 5}[c.prompts or "fixed"])


def _joint_hours(world: World, name: str, sync: float) -> NDArray[np.float64]:
    """Hourly weights of each UTC day: even, with ``sync`` of the load in blocks that all members share."""
    rng = world.numpy(f"campaign/{name}/hours")
    shape = (world.spec.days + 2, 24)
    waves = np.exp(0.9 * rng.standard_normal(shape))
    return (1 - sync) + sync * waves


def _volume(world: World, rng: Random, c: Campaign, first: float, last: float) -> NDArray[np.float64]:
    """Expected extraction requests of one account from day -1 to the end, around ``per_day * share``."""
    noise = np.random.default_rng(rng.getrandbits(64))
    days = np.arange(-1, world.spec.days + 1)
    mean = (c.per_day or 0.0) * (c.share or 1.0)
    level = mean * min(1.7, rng.lognormvariate(-0.02, 0.2))
    rate = level * np.exp(0.12 * noise.standard_normal(len(days)))
    return np.where((days >= first) & (days < last), np.minimum(rate, _expected_cap(c)), 0.0)


def _expected_cap(c: Campaign) -> float:
    """The expectation whose day stays below the cap, with four deviations and the retries allowed for."""
    return c.cap / 1.03 - 4 * c.cap**0.5 if c.cap else NEVER * 1e6


def _addresses(world: World, rng: Random, account: Account, c: Campaign, outside: bool) -> tuple[str, list[int], int]:
    """Country and addresses of one member's requests."""
    country = account.customer.country
    if outside:
        country = rng.choice(("CN", "RU"))
        kind = rng.choice(("vpn", "hosting", "residential"))
    else:
        kind = c.addresses or "hosting"
        kind = rng.choice(("hosting", "residential", "vpn")) if kind == "mixed" else kind
    slots = {"hosting": 3, "vpn": 2, "residential": 2}[kind]
    # a pool's proxies come from few networks, so members meet there now and then
    spread = {"hosting": 60, "vpn": None, "residential": None}[kind]
    return country, [world.any_address(rng, country, kind, spread) for _ in range(slots)], 1
