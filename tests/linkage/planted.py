"""Campaigns and harmless look-alikes among the people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from tests.linkage.people import DAYS, HOURS, NEW_MODEL_HOUR, START, Crowd, Prompt, Someone, since


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A planted campaign; what is 0 or False its members do not share."""

    name: str
    accounts: int
    per_day: float = 60.0
    cards: int = 0  # accounts to a card
    devices: int = 0
    prompts: int = 0  # different prompts of the whole campaign; 0: each account its own
    burst: bool = False  # signed up in waves of ten minutes, else over two months
    domain: str = "popular"  # popular, own (one of its own), disposable (one of many)
    networks: int = 0  # exits that all members use; 0: homes that nobody shares
    signup_networks: int = 0
    sync: float = 0.0  # share of the load that one scheduler deals out
    even: bool = False  # every account has the same load
    share: float = 1.0  # of the requests that are the campaign's; the others are ordinary work
    pools: int = 1  # 2: the first is banned after day 17 and the second takes over
    pivot: bool = False


def campaign(crowd: Crowd, c: Campaign) -> list[Someone]:
    """The members of a campaign."""
    rng = crowd.rng
    waves = np.exp(1.2 * rng.standard_normal(len(HOURS)))
    rhythm = (1 - c.sync) + c.sync * waves / waves.mean()
    prompts: list[Prompt] = [(f"sys-{c.name}-{i}", f"tpl-{c.name}-{i}") for i in range(c.prompts)]
    cards, devices = (_batches(rng, c.accounts, size, f"{what}-{c.name}") for size, what in
                      ((c.cards, "card"), (c.devices, "dev")))  # fmt: skip
    begin = START - timedelta(days=float(rng.uniform(6, 10)))
    members = []
    for i in range(c.accounts):
        pool = i * c.pools // c.accounts
        start = begin + timedelta(days=(START - begin).days + 15.5) * pool
        wave = timedelta(hours=3 * (i // 12) % 48, minutes=float(rng.uniform(0, 10)))
        opened = start + wave if c.burst else start - timedelta(days=float(rng.uniform(0, 50 if pool == 0 else 3)))
        one = crowd.someone(c.name, opened=opened)
        domain = {"own": f"{c.name}.example", "disposable": f"gone{rng.integers(40)}.example"}
        one.row["email_domain"] = domain.get(c.domain, f"mail{rng.integers(3)}.example")
        one.row["email_disposable"] = c.domain == "disposable"
        one.cards = cards[i] or one.cards
        one.row["signup_device_hash"] = (devices[i] or [one.row["signup_device_hash"]])[0]
        if c.signup_networks:
            one.row["signup_net_hash"] = f"net-{c.name}-signup{i // 12 % c.signup_networks}"
        elif not c.networks:
            one.row["signup_net_hash"] = f"net-home-{one.id}"
        one.networks = [f"net-{c.name}-{i}" for i in rng.permutation(c.networks)[:4]] or [
            f"net-home-{one.id}-{k}" for k in range(3)
        ]
        level = c.per_day * (1.0 if c.even else float(rng.lognormal(-0.18, 0.6)))
        banned = START + timedelta(days=17, hours=float(rng.uniform(0, 2)))
        rate = since(max(opened, START, banned) if pool else max(opened, START), level / 24 * rhythm)
        if c.pools > 1 and pool == 0:
            one.row |= {"banned_at": banned, "closed_at": banned}
            rate = np.where((banned - START).total_seconds() / 3600 - 1 > HOURS, rate, 0.0)
        if c.share < 1:
            rate = c.share * rate + crowd.office(0, (1 - c.share) * level, max(opened, START))
            one.prompts = [*prompts[:1], *one.prompts] if c.share > 0.3 else [*one.prompts[:1], *prompts, *one.prompts]
        elif prompts:
            one.prompts = [prompts[int(j)] for j in rng.permutation(len(prompts))]
        one.rate = rate
        one.tokens = (420.0, 300.0) if prompts or c.even else one.tokens
        one.pivot = NEW_MODEL_HOUR + float(rng.uniform(0, 5)) if c.pivot else np.inf
        members.append(one)
    return members


def _batches(rng: np.random.Generator, n: int, size: int, name: str) -> list[list[str]]:
    """For each of ``n`` its batch of about ``size``, in an order that has nothing to do with theirs."""
    if not size:
        return [[]] * n
    batch, number = [], 0
    while len(batch) < n:
        batch += [number] * max(2, round(size * rng.uniform(0.6, 1.4)))
        number += 1
    return [[f"{name}-{batch[i]}"] for i in rng.permutation(n)]


def university_class(crowd: Crowd, name: str, n: int = 60) -> list[Someone]:
    """Students who sign up in the same hour from one campus with its mail, and work on the same tasks."""
    opened = START - timedelta(days=3, hours=-9)
    students = []
    for _ in range(n):
        one = crowd.someone(name, opened=opened + timedelta(minutes=float(crowd.rng.uniform(0, 50))))
        one.row |= {"signup_net_hash": f"net-{name}", "signup_ip_hash": f"ip-{name}",
                    "email_domain": f"{name}.example", "programme": "education"}  # fmt: skip
        one.networks = [f"net-{name}", *one.networks]
        one.prompts = [(None, f"tpl-{name}-{i}") for i in crowd.rng.permutation(4)[:2]] + one.prompts
        one.cards, one.tier = [], "free"
        students.append(one)
    return students


def agency(crowd: Crowd, name: str, n: int = 40) -> list[Someone]:
    """Clients of an agency whose card pays for all of them."""
    clients = [crowd.someone(name) for _ in range(n)]
    for one in clients:
        one.cards = [f"card-{name}"]
    return clients


def company(crowd: Crowd, name: str, n: int = 50) -> list[Someone]:
    """Employees with accounts of their own behind one address."""
    staff = [crowd.someone(name) for _ in range(n)]
    for one in staff:
        one.row |= {"signup_net_hash": f"net-{name}", "email_domain": f"{name}.example"}
        one.networks = [f"net-{name}", *one.networks[1:]]
    return staff


def ci_fleets(crowd: Crowd, name: str, n: int = 30) -> list[Someone]:
    """Unrelated projects whose tests run on one vendor's machines with one vendor's agent, all at the full hour."""
    fleet = [crowd.someone(name) for _ in range(n)]
    for one in fleet:
        one.networks = [f"net-{name}-{i}" for i in crowd.rng.permutation(60)[:12]]
        one.prompts = [(f"sys-{name}", f"tpl-{one.id}"), *one.prompts]
        nightly = np.where(int(crowd.rng.integers(24)) == HOURS % 24, float(crowd.rng.lognormal(3, 1)), 0.0)
        one.rate = since(one.row["opened_at"], nightly)
    return fleet


def newcomers(crowd: Crowd, name: str, n: int = 150) -> list[Someone]:
    """A launch: strangers who sign up within a few hours and try the quick-start's prompt."""
    launch = START + timedelta(days=DAYS - 12, hours=15)
    people = [crowd.someone(name, opened=launch + timedelta(hours=float(crowd.rng.gamma(2, 1.5)))) for _ in range(n)]
    for one in people:
        if crowd.rng.random() < 0.6:
            one.prompts.insert(0, (f"sys-{name}", f"tpl-{name}"))
    return people
