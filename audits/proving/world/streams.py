"""Streams: one account doing one kind of work, with its own noise; and all of them as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.catalogue import (
    AGENTS,
    ALIAS,
    COUNTRIES,
    FULL_REASONING,
    LANGS,
    MODEL_INDEX,
    OLD_FRONTIER,
    TOPICS,
)
from audits.proving.world.state import NEVER, Account, Customer, World, choose
from audits.proving.world.workloads import Workload

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ODD_AT_MOST = 0.15  # share of prompts that look like asking for hidden reasoning on any ordinary account
LEASE = 10  # days for which a changing address is held, at the least


@dataclass(slots=True, eq=False)
class Stream:
    """One account at one kind of work. Rates are requests a day, days count from the world's start."""

    account: Account
    work: Workload
    per_day: float
    start: float
    end: float
    offset: float  # hours from UTC
    phase: float = 0.0  # hours by which this account's day is shifted
    growth: float = 0.0  # change of ln(rate) in 30 days
    ramp: float = 0.0  # days to reach the full rate after the start
    pause: tuple[float, float] = (NEVER, NEVER)
    daily: Floats | None = None  # expected requests on each day from -1 to days; replaces the model of rates
    bend: float = NEVER * 1e6  # the level that busy days approach and do not pass
    schedule: int = -1
    addresses: list[int] = field(default_factory=list)  # slots x leases
    leases: int = 1
    address_skew: float = 2.0
    agents: Sequence[int] = (0,)
    keys: Sequence[int] = ()
    systems: Sequence[int] = ()
    templates: Sequence[int] = ()
    langs: Sequence[int] = (0,)
    topic_start: int = 0
    topic_step: int = 1
    model: int = 0
    other_model: int = 0
    other_share: float = 0.0
    adopts: float = NEVER  # day from which the new frontier model replaces its predecessor
    adopt_share: float = 0.8
    visibility: int = 0
    peers: Sequence[int] = ()  # streams that take over what this one was refused
    index: int = 0  # among the world's streams
    traced: bool = True  # its requests carry session ids
    users_of: int = -1  # whose end users these are: an account's index, or a group's own number below -1


def add_stream(world: World, rng: Random, account: Account, work: Workload, per_day: float, **facts: Any) -> Stream:
    """Let an account take up a kind of work; ``facts`` override the stream's own draws."""
    country = COUNTRIES[facts.pop("country", None) or account.customer.country]
    noisy = _own_version(rng, world.variant(work))
    if any(tier == "free" for tier, _ in account.tiers):  # free accounts get no log-probabilities
        noisy = replace(noisy, logprobs=0.0)
    stream = Stream(
        account=account,
        work=noisy,
        per_day=per_day,
        start=facts.pop("start", account.opened),
        end=facts.pop("end", account.closed if account.closed is not None else NEVER),
        offset=country.offset,
        phase=rng.gauss(0, 1.0),
        growth=rng.gauss(0.04, 0.12),
        index=len(world.streams),
        traced=noisy.turns > 1 or world.random(f"traced/{len(world.streams)}").random() < world.spec.traced,
    )
    for name, value in facts.items():
        setattr(stream, name, value)
    if not stream.addresses:
        stream.addresses, stream.leases = addresses(world, rng, country.code, noisy.places, account.customer)
    if "agents" not in facts:
        stream.agents = rng.sample(range(len(AGENTS)), noisy.agents)
    if not stream.keys:
        stream.keys = [account.keys[0].index]
    if "systems" not in facts and noisy.systems:
        stream.systems = _with_public(rng, world.prompts(noisy.systems), world.public_systems)
    if "templates" not in facts and noisy.templates:
        stream.templates = _with_public(rng, world.prompts(noisy.templates), world.public_templates)
    if "langs" not in facts:
        own = [LANGS.index(lang) for lang in country.langs]
        others = [i for i in range(len(LANGS)) if i not in own]
        stream.langs = (own + rng.sample(others, noisy.langs))[: max(1, noisy.langs)]
    stream.topic_start, stream.topic_step = rng.randrange(TOPICS), rng.randrange(1, TOPICS, 2)
    if "model" not in facts:
        _choose_models(world, rng, stream, noisy)
    world.streams.append(stream)
    return stream


def addresses(
    world: World, rng: Random, country: str, places: Sequence[tuple[str, int, int]], customer: Customer
) -> tuple[list[int], int]:
    """Addresses in slots of equal length, one entry per lease of ``LEASE`` days; and the number of leases."""
    leases = -(-(world.spec.days + 2) // LEASE)
    pool: list[int] = []
    for kind, slots, held in places:
        for _ in range(slots):
            if kind == "corporate" and country == customer.country:
                pool += [world.address(world.office(rng, customer), rng.randrange(4))] * leases
                continue
            if held <= 1:
                pool += [world.any_address(rng, country, kind)] * leases
                continue
            # a line keeps its provider's network for most of its leases and changes the address
            home = world.any_address(rng, country, kind)
            keep = max(1, round(held / LEASE))
            current = home
            for lease in range(leases):
                if lease and lease % keep == 0:
                    network = world.addresses[home][0]
                    if rng.random() < 0.7:
                        current = world.address(network, rng.randrange(200))
                    else:
                        current = world.any_address(rng, country, kind)
                pool.append(current)
    return pool, leases


def _with_public(rng: Random, own: Sequence[int], public: Sequence[int]) -> Sequence[int]:
    """One's own prompts, for every third account with one or two that circulate among them or before them."""
    if rng.random() > 0.3:
        return own
    found = [public[int(len(public) * rng.random() ** 2.5)] for _ in range(rng.choice((1, 1, 2)))]
    return [*found, *own] if rng.random() < 0.4 else [*own, *found]


def _own_version(rng: Random, work: Workload) -> Workload:
    """The record as one account lives it: shares and lengths with noise, small counts with a spread."""

    def share(value: float, sigma: float = 0.7) -> float:
        return min(0.97, value * rng.lognormvariate(0, sigma))

    def count(value: int) -> int:
        return max(1, round(value * rng.lognormvariate(0, 0.5))) if value > 1 else value

    return replace(
        work,
        active=min(1.0, work.active * rng.lognormvariate(0, 0.2)),
        weekend=work.weekend * rng.lognormvariate(0, 0.4),
        noise=work.noise * rng.lognormvariate(0, 0.25),
        turns=1.0 if work.turns == 1 else max(1.02, 1 + (work.turns - 1) * rng.lognormvariate(0, 0.4)),
        gap_s=work.gap_s * rng.lognormvariate(0, 0.5),
        input=(work.input[0] * rng.lognormvariate(0, 0.5), work.input[1]),
        output=(work.output[0] * rng.lognormvariate(0, 0.4), work.output[1]),
        cached=share(work.cached, 0.3),
        systems=count(work.systems),
        templates=count(work.templates),
        template_skew=1 + (work.template_skew - 1) * rng.lognormvariate(0, 0.5),
        near=max(0, min(4, work.near + rng.choice((-1, 0, 0, 0, 1)))),
        repeat=share(work.repeat, 0.8),
        topics=min(TOPICS, count(work.topics)),
        end_users=count(work.end_users) if rng.random() < 0.7 else 0,
        agents=min(len(AGENTS), work.agents + (rng.random() < 0.15)),
        cot=min(share(work.cot, 1.1), max(work.cot, ODD_AT_MOST)),
        rubric=share(work.rubric, 1.1),
        benchmark=share(work.benchmark, 1.1),
        rate_limited=share(work.rate_limited, 0.9),
        failing=share(work.failing, 0.7),
        refusal=share(work.refusal, 0.7),
        flagged=share(work.flagged, 0.75),
        capped=0.0 if rng.random() < 0.4 else share(work.capped, 0.3),
    )


def _choose_models(world: World, rng: Random, stream: Stream, work: Workload) -> None:
    """A main model, often a second one, and whether and when the new frontier model is taken up."""
    stream.model = MODEL_INDEX[choose(rng, work.models)]
    stream.other_model = MODEL_INDEX[choose(rng, work.models)]
    stream.other_share = rng.choice((0.0, 0.0, 0.05, 0.15, 0.3))
    if work.operation == "chat" and rng.random() < work.alias:
        stream.model = ALIAS
    if rng.random() < 0.7:  # most move within weeks, enthusiasts on the first day
        stream.adopts = world.spec.release_day + 0.7 + rng.lognormvariate(2.2, 1.3)
        stream.adopt_share = rng.uniform(0.3, 1.0)
    if OLD_FRONTIER in (stream.model, stream.other_model) and rng.random() < 0.25 and not stream.visibility:
        stream.visibility = 1
        if all(tier in FULL_REASONING for tier, _ in stream.account.tiers) and rng.random() < 0.3:
            stream.visibility = 2


@dataclass(slots=True)
class Arrays:
    """All streams as columns: ``col[name]`` has one value per stream; ``pool[name]`` the flat lists."""

    col: dict[str, NDArray[Any]]
    pool: dict[str, Ints]
    first: dict[str, Ints]
    size: dict[str, Ints]


def as_arrays(streams: Sequence[Stream]) -> Arrays:
    """Turn the streams into columns and flat pools, once."""
    scalars: dict[str, Callable[[Stream], float]] = {
        "account": lambda s: s.account.index,
        "offset": lambda s: s.offset - s.phase,
        "model": lambda s: s.model,
        "other_model": lambda s: s.other_model,
        "other_share": lambda s: s.other_share,
        "adopts": lambda s: s.adopts,
        "adopt_share": lambda s: s.adopt_share,
        "visibility": lambda s: s.visibility,
        "traced": lambda s: s.traced,
        "replay": lambda s: s.work.replay,
        "leases": lambda s: s.leases,
        "address_skew": lambda s: s.address_skew,
        "topic_start": lambda s: s.topic_start,
        "topic_step": lambda s: s.topic_step,
        "users_of": lambda s: s.users_of if s.users_of != -1 else s.account.index,
        "input_median": lambda s: s.work.input[0],
        "input_sigma": lambda s: s.work.input[1],
        "output_median": lambda s: s.work.output[0],
        "output_sigma": lambda s: s.work.output[1],
    }
    fields = (
        "turns", "gap_s", "context", "cached", "reasoning", "template_skew", "near", "repeat", "topics", "topic_skew",
        "lang_skew", "end_users", "cot", "rubric", "benchmark", "rate_limited", "failing", "refusal", "flagged",
        "logprobs", "logit_bias", "capped", "choices",
    )  # fmt: skip
    col: dict[str, NDArray[Any]] = {name: np.array([get(s) for s in streams]) for name, get in scalars.items()}
    col |= {name: np.array([getattr(s.work, name) for s in streams]) for name in fields}
    pool, first, size = {}, {}, {}
    for name in ("addresses", "agents", "keys", "systems", "templates", "langs", "peers"):
        lists = [getattr(s, name) for s in streams]
        size[name] = np.array([len(x) for x in lists], np.int64)
        first[name] = np.cumsum(size[name]) - size[name]
        pool[name] = np.fromiter((v for x in lists for v in x), np.int64, int(size[name].sum()))
    size["addresses"] //= np.maximum(1, col["leases"].astype(np.int64))  # slots
    return Arrays(col, pool, first, size)
