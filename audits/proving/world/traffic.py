"""Requests: from each stream's expected volume to rows, a block of days at a time, whole columns at once.

A day's expectation becomes sessions, a session becomes turns, a turn that meets a limit or a failure is tried
again. What belongs to the session (address, key, user, language, topic, model) is drawn once for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audits.proving.world.catalogue import ALIAS, ERRORS, FINISHES, MODELS, NEW_FRONTIER, OLD_FRONTIER, RETIRED, TOPICS
from audits.proving.world.rates import QUANTILES, clock, daily_rates
from audits.proving.world.state import World
from audits.proving.world.streams import Arrays, as_arrays

Array = NDArray[Any]
Events = dict[str, Array]
DAY_S = 86_400.0
BLOCK = 2 * 122_880  # events in a block: whole row groups of DuckDB, which it then need not write twice
CODE = {name: i for i, name in enumerate(ERRORS)} | {name: i for i, name in enumerate(FINISHES)}


def splitmix(x: Array) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014): a bijection on 64-bit words."""
    z = x.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def blocks(world: World) -> Iterator[tuple[float, Events]]:
    """The world's requests in blocks of days, each sorted by time, with the share of the work done so far."""
    streams = world.streams
    arrays, rates = as_arrays(streams), daily_rates(world, streams)
    table, profile, step = clock(world, streams)
    starts = np.array([s.start for s in streams])
    ends = np.array([min(s.end, world.spec.days) for s in streams])
    rng = world.numpy("traffic")
    salt = np.uint64(world.random("salt").getrandbits(64))
    cumulative = np.cumsum(rates.sum(axis=0))
    total, made, first = float(cumulative[-1]), 0, 0
    while first < rates.shape[1]:
        done = float(cumulative[first - 1]) if first else 0.0
        last = max(first + 1, int(np.searchsorted(cumulative, done + BLOCK)))
        sessions = _sessions(rng, arrays, rates[:, first:last], first, (table, profile, step))
        events = _turns(rng, arrays, sessions, salt, world.spec.release_day + 0.7)
        stream = events["stream"]
        day = events["ts"] / DAY_S
        inside = (day >= np.maximum(starts[stream], 0)) & (day < ends[stream])
        order = np.flatnonzero(inside)
        order = order[np.argsort(events["ts"][order], kind="stable")]
        events = {name: values[order] for name, values in events.items()}
        n = len(order)
        events["id"] = splitmix(np.arange(made, made + n, dtype=np.uint64) ^ salt)
        made += n
        first = last
        yield float(cumulative[last - 1]) / max(total, 1.0), events


def even_blocks(uneven: Iterator[tuple[float, Events]]) -> Iterator[tuple[float, Events]]:
    """The same events in blocks of exactly ``BLOCK`` and a last one of what is left."""
    rest: Events = {}
    share = 1.0
    for share, events in uneven:
        rest = {name: np.concatenate([rest[name], v]) for name, v in events.items()} if rest else events
        while len(rest["ts"]) > BLOCK:
            yield share, {name: values[:BLOCK] for name, values in rest.items()}
            rest = {name: values[BLOCK:] for name, values in rest.items()}
    if rest:
        yield share, rest


def _pick(rng: np.random.Generator, size: Array, skew: Array | float) -> NDArray[np.int64]:
    """A rank below ``size``; the higher the skew, the more often a low one."""
    return np.asarray(np.minimum(size - 1, (size * rng.random(len(size)) ** skew).astype(np.int64)))


def _sessions(
    rng: np.random.Generator, a: Arrays, rates: Array, first: int, clocks: tuple[Array, Array, Array]
) -> Events:
    """Sessions of a block of days: when they start, and what is the same in all of their turns."""
    table, profile, step = clocks
    c = a.col
    count = rng.poisson(rates / c["turns"][:, None])
    stream, column = np.nonzero(count)
    n = count[stream, column]
    s, day = np.repeat(stream, n), np.repeat(column + first - 1, n)
    at = rng.random(len(s)) * QUANTILES
    low = at.astype(np.int64)
    row = profile[s] + step[s] * (day + 1)
    second = table[row, low] + (at - low) * (table[row, low + 1] - table[row, low])
    start = day * DAY_S + second - c["offset"][s] * 3600.0

    slot = _pick(rng, a.size["addresses"][s], c["address_skew"][s])
    lease = np.clip((day + 1) // 10, 0, c["leases"][s] - 1)
    users = c["end_users"][s].astype(np.int64)
    system = a.size["systems"][s]
    topic_rank = _pick(rng, c["topics"][s].astype(np.int64), c["topic_skew"][s])
    model = np.where(rng.random(len(s)) < c["other_share"][s], c["other_model"][s], c["model"][s])
    return {
        "stream": s,
        "start": start,
        "turns": _lengths(rng, c["turns"][s]),
        "address": a.pool["addresses"][a.first["addresses"][s] + slot * c["leases"][s] + lease],
        "key": a.pool["keys"][a.first["keys"][s] + _pick(rng, a.size["keys"][s], 1.7)],
        "agent": a.pool["agents"][a.first["agents"][s] + _pick(rng, a.size["agents"][s], 2.0)],
        "lang": a.pool["langs"][a.first["langs"][s] + _pick(rng, a.size["langs"][s], c["lang_skew"][s])],
        "system": np.where(
            system > 0,
            a.pool["systems"][np.minimum(a.first["systems"][s] + _pick(rng, np.maximum(system, 1), 1.6),
                                         max(0, len(a.pool["systems"]) - 1))] if len(a.pool["systems"]) else -1,
            -1,
        ),
        "user": np.where(users > 0, _pick(rng, np.maximum(users, 1), 2.2), -1),
        "topic": (c["topic_start"][s] + topic_rank * c["topic_step"][s]) % TOPICS,
        "model": model,
    }  # fmt: skip


def _lengths(rng: np.random.Generator, mean: Array) -> NDArray[np.int64]:
    """Turns of each session: geometric about the mean, at most 120."""
    p = np.clip(1 / mean, 1e-3, 1 - 1e-9)
    draw = 1 + np.floor(np.log(1 - rng.random(len(mean))) / np.log(1 - p)).astype(np.int64)
    return np.where(mean > 1, np.minimum(draw, 120), 1)


def _turns(rng: np.random.Generator, a: Arrays, sessions: Events, salt: np.uint64, release: float) -> Events:
    """All requests of the sessions, with those tried again."""
    c = a.col
    turns = sessions["turns"]
    x = np.repeat(np.arange(len(turns)), turns)  # session of each request
    n, s = len(x), sessions["stream"][x]
    first = np.cumsum(turns) - turns
    turn = np.arange(n) - np.repeat(first, turns)
    gaps = np.where(turn > 0, rng.exponential(1.0, n) * c["gap_s"][s], 0.0)
    run = np.cumsum(gaps)
    ts = sessions["start"][x] + (run - np.repeat(run[first], turns) if n else run)

    e: Events = {"stream": s, "session": x, "turn": turn, "ts": ts}
    for name in ("address", "key", "agent", "lang", "system", "user", "topic"):
        e[name] = sessions[name][x]
    e["account"] = c["account"][s].astype(np.int32)
    session_hash = splitmix(splitmix(sessions["stream"].astype(np.uint64)) ^ salt ^ sessions["start"].view(np.uint64))
    e["session_hash"] = np.where(c["traced"][s], session_hash[x], np.uint64(0))
    _prompts(rng, a, e)
    _models(rng, a, e, sessions["model"][x], release)
    _outcomes(rng, a, e)
    again = np.flatnonzero(e.pop("again"))
    retries = _hand_over(rng, a, {name: values[again] for name, values in e.items()})
    e = {name: np.concatenate([values, retries[name]]) for name, values in e.items()}
    e["ts"][n:] += 2.0 + rng.exponential(20.0, len(again))
    for name, value in (("status", 200), ("error", -1), ("finish", CODE["stop"])):
        e[name][n:] = value
    _lengths_and_scores(rng, a, e)
    return e


def _hand_over(rng: np.random.Generator, a: Arrays, e: Events) -> Events:
    """Of what was refused, a pool gives most to another of its streams, which uses its own address and key."""
    size = a.size["peers"][e["stream"]]
    given = (size > 0) & (rng.random(len(size)) < 0.7)
    if not given.any():
        return e
    at = a.first["peers"][e["stream"]] + _pick(rng, np.maximum(size, 1), 1.0)
    stream = np.where(given, a.pool["peers"][np.minimum(at, len(a.pool["peers"]) - 1)], e["stream"])
    slot = _pick(rng, a.size["addresses"][stream], a.col["address_skew"][stream]) * a.col["leases"][stream]
    return e | {
        "stream": stream,
        "account": a.col["account"][stream].astype(np.int32),
        "address": np.where(given, a.pool["addresses"][a.first["addresses"][stream] + slot], e["address"]),
        "key": np.where(given, a.pool["keys"][a.first["keys"][stream]], e["key"]),
        "agent": np.where(given, a.pool["agents"][a.first["agents"][stream]], e["agent"]),
        "session_hash": np.where(given, np.uint64(0), e["session_hash"]),
    }


def _prompts(rng: np.random.Generator, a: Arrays, e: Events) -> None:
    """Template and simhash: within a template 64 / 2**near bits vary; some inputs were asked before."""
    s, n = e["stream"], len(e["stream"])
    size = a.size["templates"][s]
    at = a.first["templates"][s] + _pick(rng, np.maximum(size, 1), a.col["template_skew"][s])
    pool = a.pool["templates"] if len(a.pool["templates"]) else np.zeros(1, np.int64)
    own = splitmix(rng.integers(0, 2**63, n, dtype=np.uint64))
    template = np.where(size > 0, splitmix(pool[np.minimum(at, len(pool) - 1)].astype(np.uint64)), own)
    repeated = rng.random(n) < a.col["repeat"][s]
    # what is asked again comes from a small set of inputs of the same stream and template
    known = splitmix(template ^ splitmix((s * 64 + rng.integers(0, 40, n)).astype(np.uint64)))
    flips = np.where(repeated, known, rng.integers(0, 2**64, n, dtype=np.uint64))
    near = a.col["near"][s]
    for depth in range(1, 5):
        rotated = (flips << np.uint64(13 * depth)) | (flips >> np.uint64(64 - 13 * depth))
        flips = np.where(near >= depth, flips & splitmix(rotated), flips)
    e["template"] = template
    e["simhash"] = (splitmix(template) ^ flips).view(np.int64)


def _models(rng: np.random.Generator, a: Arrays, e: Events, model: Array, release: float) -> None:
    """Model asked for and served: the alias moves at the release, the others when they choose or must."""
    c, s, day = a.col, e["stream"], e["ts"] / DAY_S
    adopted = (day >= np.maximum(c["adopts"][s], release)) & (rng.random(len(s)) < c["adopt_share"][s])
    model = np.where((model == RETIRED) & (day >= release + (MODELS[RETIRED].retired or 0)), OLD_FRONTIER, model)
    model = np.where((model == OLD_FRONTIER) & adopted, NEW_FRONTIER, model)
    served = np.where(model == ALIAS, np.where(day >= release, NEW_FRONTIER, OLD_FRONTIER), model)
    e["model"], e["served"] = model.astype(np.int8), served.astype(np.int8)


def _outcomes(rng: np.random.Generator, a: Arrays, e: Events) -> None:
    """Status, error class, finish reason; most requests that meet a limit or a server's error come again."""
    c, s, n = a.col, e["stream"], len(e["stream"])
    status, error = np.full(n, 200, np.int16), np.full(n, -1, np.int8)
    u = rng.random(n)
    limited = u < c["rate_limited"][s]
    failing = ~limited & (u < c["rate_limited"][s] + c["failing"][s])
    kind = rng.random(n)
    status[limited], error[limited] = 429, CODE["rate_limit"]
    for code, name, low, high in (
        (500, "server", 0.0, 0.25), (503, "server", 0.25, 0.45), (400, "client", 0.45, 0.85),
        (401, "auth", 0.85, 0.90), (403, "policy", 0.90, 0.93), (402, "quota", 0.93, 1.0),
    ):  # fmt: skip
        hit = failing & (kind >= low) & (kind < high)
        status[hit], error[hit] = code, CODE[name]
    ok = status == 200
    finish = np.where(ok, CODE["stop"], -1).astype(np.int8)
    u = rng.random(n)
    finish[ok & (u > 0.93)] = CODE["tool_calls"]
    finish[ok & (u > 0.97)] = CODE["length"]
    finish[ok & (u < c["refusal"][s])] = CODE["refusal"]
    flagged = rng.random(n) < c["flagged"][s]
    finish[ok & flagged & (rng.random(n) < 0.3)] = CODE["content_filter"]
    e["status"], e["error"], e["finish"], e["flagged"] = status, error, finish, flagged
    e["again"] = ((status == 429) | (status >= 500)) & (rng.random(n) < 0.8)


def _lengths_and_scores(rng: np.random.Generator, a: Arrays, e: Events) -> None:
    """Tokens, duration, options and content scores of each request."""
    c, s, n = a.col, e["stream"], len(e["stream"])
    ok = e["status"] == 200
    fresh = c["input_median"][s] * np.exp(c["input_sigma"][s] * rng.standard_normal(n))
    said = c["output_median"][s] * np.exp(c["output_sigma"][s] * rng.standard_normal(n))
    # earlier turns come back in the input, half of the fresh text each
    carried = c["context"][s] * np.minimum(e["turn"], 30) * (0.4 * c["input_median"][s] + c["output_median"][s])
    tokens_in = np.clip(fresh + carried, 3, 120_000).astype(np.int64)
    limit = np.where(rng.random(n) < c["capped"][s], np.int64(2) ** rng.integers(9, 13, n), 0)
    limit = np.where(
        c["output_median"][s] == 0,
        0,
        np.maximum(limit, 2 ** np.ceil(np.log2(c["output_median"][s] + 16)).astype(np.int64) * (limit > 0)),
    )
    tokens_out = np.where(c["output_median"][s] > 0, np.clip(said, 1, 32_000), 0).astype(np.int64)
    tokens_out = np.where(limit > 0, np.minimum(tokens_out, limit), tokens_out)
    tokens_out = np.where(e["finish"] == CODE["refusal"], np.minimum(tokens_out, 60), tokens_out)
    tokens_out = np.where(ok, tokens_out, 0)
    hit = rng.random(n) < c["cached"][s]
    cached = np.where(hit & (tokens_in > 512) & ok, tokens_in * (0.4 + 0.5 * rng.random(n)), 0).astype(np.int64)
    thinks = rng.random(n) < c["reasoning"][s]
    reasoning = np.where(thinks, tokens_out * (0.2 + 0.6 * rng.random(n)), 0).astype(np.int64)
    pace = 6.0 + 14.0 * rng.random(n)
    e["ms"] = (180 + 900 * rng.random(n) ** 2 + tokens_out * pace + tokens_in * 0.02).astype(np.int64)
    e["input"], e["cached"], e["output"], e["reasoning"] = tokens_in, cached, tokens_out, reasoning
    e["limit"] = limit
    e["choices"] = c["choices"][s].astype(np.int16)
    logprobs = rng.random(n) < c["logprobs"][s]
    e["logprobs"] = np.where(logprobs, 5, 0).astype(np.int16)
    e["bias"] = np.where(logprobs & (rng.random(n) < c["logit_bias"][s]), rng.integers(1, 80, n), 0).astype(np.int16)
    replay = rng.random(n) < c["replay"][s]
    e["visibility"] = np.where(replay, 3, np.where(thinks, c["visibility"][s], 0)).astype(np.int8)
    for name in ("cot", "rubric", "benchmark"):
        high = rng.random(n) < c[name][s]
        u = rng.random(n)
        e[name] = np.where(high, 1 - 0.24 * u**1.5, 0.55 * u**3.5 + 0.1 * u).astype(np.float32)
    e["users_of"] = c["users_of"][s].astype(np.int64)
    e["late_s"] = 3.0 * np.exp(1.3 * rng.standard_normal(n)) + 12.0
    e["late_s"] += np.where(rng.random(n) < 0.002, 3600 * 14 * rng.random(n), 0)
