"""Harmless parties that resemble a campaign or a breach: each one a record over the same machinery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.catalogue import ALIAS, OLD_FRONTIER
from audits.proving.world.customers import SUPPORTED, new_account, new_card, new_customer
from audits.proving.world.population import work_as_usual
from audits.proving.world.spec import LookAlike, unknown
from audits.proving.world.state import Account, Label, World, choose
from audits.proving.world.streams import Stream, add_stream
from audits.proving.world.workloads import WORKLOADS, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One look-alike: its accounts, what they have in common, and when they are busy.

    ``customers``: one customer for all accounts, or one each. ``meet``: a network that all of them use.
    ``enrol``: days of the world within which all sign up; None: as anybody. ``peak``: (days, factor) of a spike.
    """

    work: Workload
    tier: str = "build"
    accounts: int = 1
    per_day: float = 300.0
    customers: str = "one"
    card: bool = False
    meet: str | None = None
    domain: str | None = None
    same_prompts: bool = False
    programme: str | None = None
    enrol: float | None = None
    usual: bool = False  # the accounts do their ordinary work beside it
    peak: tuple[float, float] | None = None
    event: float | None = None  # the days for which it lasts; nothing is done before and after
    roaming: int = 0  # further addresses all over the world
    serverless: bool = False
    resale: bool = False


def _from(base: str, **changes: object) -> Workload:
    return replace(WORKLOADS[base], **changes)  # type: ignore[arg-type]


PARTIES: dict[str, Party] = {
    "nightly-evaluation": Party(
        work=_from("evals", name="nightly-evaluation", active=0.95, noise=0.1, weekend=0.2, benchmark=0.85, repeat=0.9,
                   templates=6, topics=90, topic_skew=1.1, output=(90, 0.8)),
        per_day=450,
    ),
    "ci-fleet": Party(
        work=_from("coding", name="ci-fleet", rhythm="office", active=1.0, noise=0.5, turns=3, weekend=0.1, agents=3,
                   places=(("hosting", 50, 1),), repeat=0.3),
        tier="scale", per_day=260,
    ),
    "rag-backfill": Party(
        work=_from("embedding", name="rag-backfill", rhythm="flat", noise=0.3, active=1.0, weekend=1.0),
        per_day=70, peak=(3.0, 22.0), usual=True,
    ),
    "gateway": Party(
        work=_from("saas", name="gateway", rhythm="global", weekend=0.7, end_users=6000, langs=16, lang_skew=1.6,
                   topics=200, topic_skew=1.2, systems=14, templates=80, agents=3),
        tier="scale", per_day=1500, resale=True,
    ),
    "university-class": Party(
        work=_from("student", name="university-class", active=0.5, noise=0.6, templates=6, topics=8, cot=0.06,
                   benchmark=0.06, agents=1),
        tier="free", accounts=36, per_day=6, customers="each", meet="corporate", domain="campus.example",
        same_prompts=True, programme="education", enrol=1.5,
    ),
    "translation": Party(
        work=_from("translate", name="translation", rhythm="flat", templates=1, langs=20, lang_skew=1.0, near=1,
                   active=1.0, topics=120, topic_skew=1.1, repeat=0.0),
        per_day=60, peak=(6.0, 45.0),
    ),
    "agency-card": Party(
        work=WORKLOADS["saas"], accounts=14, per_day=12, customers="each", card=True, usual=True, meet="corporate",
    ),
    "launch-day": Party(
        work=_from("saas", name="launch-day", rhythm="waking", weekend=1.0), tier="scale",
        per_day=250, peak=(2.0, 16.0),
    ),
    "serverless": Party(
        work=_from("rag", name="serverless", rhythm="global", agents=2, places=(("hosting", 160, 1),)),
        per_day=300, serverless=True, roaming=40,
    ),
    "test-grader": Party(
        work=_from("classify", name="test-grader", rhythm="office", rubric=0.65, output=(24, 0.5), repeat=0.25,
                   templates=3, topics=30),
        per_day=160,
    ),
    "monitoring": Party(
        work=_from("classify", name="monitoring", rhythm="flat", weekend=1.0, active=1.0, noise=0.05, templates=1,
                   output=(6, 0.3), topics=2, repeat=0.95, burst=0.0),
        per_day=1440,
    ),
    "agent-harness": Party(work=WORKLOADS["agents"], same_prompts=True),
    "hackathon": Party(
        work=_from("prototype", name="hackathon", rhythm="waking", weekend=1.0, active=1.0, noise=0.5, cot=0.02,
                   benchmark=0.02, templates=8),
        tier="free", accounts=150, per_day=60, customers="each", meet="corporate", same_prompts=True, enrol=0.6,
        event=2.0,
    ),
    "household": Party(
        work=WORKLOADS["personal"], tier="free", accounts=4, per_day=8, customers="each", card=True, meet="residential",
    ),
    "company-nat": Party(
        work=WORKLOADS["coding"], accounts=30, per_day=25, customers="each", meet="corporate", tier="build",
        domain="bigcompany.example",
    ),
    "traveller-vpn": Party(
        work=_from("coding", name="traveller-vpn", agents=2,
                   places=(("residential", 1, 10), ("mobile", 2, 3), ("vpn", 3, 1))),
        accounts=3, per_day=40, customers="each", roaming=6,
    ),
    "model-alias": Party(work=WORKLOADS["saas"]),
    "resale-proxy": Party(
        work=_from("saas", name="resale-proxy", rhythm="global", weekend=0.9, end_users=0, langs=18, lang_skew=1.3,
                   topics=220, topic_skew=1.1, systems=40, templates=200, agents=8, turns=4),
        tier="scale", per_day=900, resale=True,
    ),
}  # fmt: skip
HABITS = {"agent-harness": 0.2, "model-alias": 0.08}  # share of existing accounts that take the habit up


def add_lookalikes(world: World) -> None:
    """Plant every look-alike of the spec."""
    for number, wanted in enumerate(world.spec.lookalikes, start=1):
        if wanted.kind not in PARTIES:
            raise unknown("kind of look-alike", wanted.kind, PARTIES)
        name = f"L{number:02d}"
        rng = world.random(f"lookalike/{name}/{wanted.kind}")
        if wanted.kind in HABITS:
            members = _take_up_habit(world, rng, name, wanted)
        else:
            members = _plant(world, rng, name, wanted)
        world.planted["lookalikes"].append({"id": name, "kind": wanted.kind, "accounts": [a.id for a in members]})


def _plant(world: World, rng: Random, name: str, wanted: LookAlike) -> list[Account]:
    """A party's customers and accounts with what they have in common."""
    party = PARTIES[wanted.kind]
    country = choose(rng, SUPPORTED)
    label = Label("look-alike", wanted.kind, name, "member")
    card = new_card(rng, country, "build") if party.card else None
    network = world.network(country, party.meet, 900_000 + rng.randrange(1000)) if party.meet else None
    enrolled = rng.uniform(0.2, 0.45) * world.spec.days
    if party.event is not None:
        enrolled = rng.uniform(0.66, 0.9) * world.spec.days
    shared = (world.prompts(1), world.prompts(4)) if party.same_prompts else None
    peak = _peak(world, rng, party) if party.event is None else _event(world, enrolled, party.event)
    customer, members = None, []
    for _ in range(wanted.accounts or party.accounts):
        if customer is None or party.customers == "each":
            customer = new_customer(world, rng, party.tier, country=country)
            customer.since = min(customer.since, -20.0)
        facts: dict[str, Any] = {"source": "native", "path": "native", "shows_address": True, "shows_key": True}
        if party.enrol is not None:
            customer.since = facts["opened"] = enrolled + rng.random() ** 2 * party.enrol
        else:
            facts["opened"] = customer.since + rng.random()
        if network is not None and rng.random() < 0.85:
            facts["signup_address"] = world.address(network, rng.randrange(3))
        if party.domain:
            facts["domain"] = f"{name.lower()}.{party.domain}"
            facts["disposable"] = False
        if party.programme and rng.random() < 0.9:
            facts["programme"] = party.programme
        own = card if party.card else new_card(rng, country, party.tier)
        account = new_account(world, rng, customer, party.tier, label, card=own, **facts)
        if party.serverless:
            account.serverless = True
        if party.resale:
            world.resale.add(customer.id)
        members.append(account)
        if party.usual:
            work_as_usual(world, rng, account)
        per_day = (wanted.per_day or party.per_day) * (rng.lognormvariate(0, 0.5) if party.accounts > 1 else 1.0)
        stream = add_stream(world, rng, account, party.work, per_day)
        _bend(world, rng, stream, party, network, shared, peak)
    return members


def _bend(
    world: World,
    rng: Random,
    stream: Stream,
    party: Party,
    network: int | None,
    shared: tuple[range, range] | None,
    peak: NDArray[np.float64] | None,
) -> None:
    """Give a member's stream what the party has in common."""
    exact = ("active", "weekend", "rubric", "benchmark", "end_users", "turns", "templates", "repeat", "topics")
    if party.accounts == 1:  # a machine's work has no habits of its own
        stream.work = replace(stream.work, **{name: getattr(party.work, name) for name in exact})
        stream.growth = rng.gauss(0, 0.05)
        if len(stream.templates) != stream.work.templates and stream.work.templates:
            stream.templates = world.prompts(stream.work.templates)
    else:  # who resembles a campaign does not do what it does
        few = {name: min(getattr(stream.work, name), 3 * getattr(party.work, name)) for name in ("cot", "benchmark")}
        stream.work = replace(stream.work, **few)
    if shared:  # the course's own prompt and exercises among one's own
        stream.systems = shared[0] if rng.random() < 0.8 else ()
        stream.templates = (*shared[1], *stream.templates)
    if network is not None:
        place = [world.address(network, rng.randrange(4)) for _ in range(stream.leases * 2)]
        stream.addresses = place + stream.addresses
    if party.roaming:
        for _ in range(party.roaming):
            kind = "hosting" if party.serverless else "vpn"
            stream.addresses += [world.any_address(rng, choose(rng, SUPPORTED), kind)] * stream.leases
    if peak is not None:
        stream.daily = stream.per_day * peak * np.array([rng.lognormvariate(0, 0.25) for _ in peak])


def _peak(world: World, rng: Random, party: Party) -> NDArray[np.float64] | None:
    """Factors from day -1 to the end: even, with one spike that decays over a week."""
    if party.peak is None:
        return None
    length, factor = party.peak
    days = np.arange(-1, world.spec.days + 1)
    at = rng.uniform(0.66, 0.92) * world.spec.days
    after = np.clip(days - at - length, 0, None)
    return np.where(days < at, 1.0, np.maximum(1.0, factor * np.exp(-after / 1.5)))


def _event(world: World, enrolled: float, length: float) -> NDArray[np.float64]:
    """Factors from day -1 to the end: at work from the day of enrolment on, for the length of the event."""
    days = np.arange(-1, world.spec.days + 1)
    begin = np.floor(enrolled)
    return np.where((days >= begin) & (days < begin + length), 1.0, 0.0)


def _take_up_habit(world: World, rng: Random, name: str, wanted: LookAlike) -> list[Account]:
    """What a share of all ordinary accounts does: a popular harness's prompt, or the alias that moves them."""
    ordinary = {a.id for a in world.accounts if world.labels[a.id].kind == "benign"}
    first: dict[str, Stream] = {}
    for stream in world.streams:
        if stream.account.id in ordinary and stream.work.operation == "chat":
            first.setdefault(stream.account.id, stream)
    count = min(len(first), wanted.accounts or round(HABITS[wanted.kind] * len(ordinary)))
    systems, templates = world.prompts(2), world.prompts(9)
    chosen = [first[account] for account in rng.sample(sorted(first), count)]
    for stream in chosen:
        if wanted.kind == "agent-harness":
            stream.systems = systems if rng.random() < 0.7 else systems[:1]
            stream.templates = templates if rng.random() < 0.5 else (*templates, *stream.templates)
        else:
            stream.model = stream.other_model = ALIAS if rng.random() < 0.9 else OLD_FRONTIER
        account = stream.account
        world.labels[account.id] = Label("look-alike", wanted.kind, name, "member")
    return [stream.account for stream in chosen]
