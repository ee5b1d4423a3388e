"""Sign-ins: mostly good, some with a wrong key, now and then a forgotten job that repeats one expired key."""

from __future__ import annotations

import duckdb
import numpy as np

from audits.proving.world.catalogue import AGENTS
from audits.proving.world.state import World
from audits.proving.world.traffic import splitmix

OUTCOMES = ("ok", "invalid_key", "expired_key", "revoked_key", "forbidden")

INSERT = f"""
INSERT INTO auth_events
SELECT 'auth:' || printf('%016x', e.id), make_timestamptz(e.us), make_timestamptz(e.us + e.late),
    CASE WHEN e.account >= 0 THEN a.account_id END,
    CASE WHEN e.stray > 0 THEN printf('%016x', e.stray) WHEN e.key >= 0 THEN k.hash END,
    d.ip, d.net, d.country, {list(OUTCOMES)}[e.outcome + 1], {list(AGENTS)}[e.agent + 1]
FROM signins e
LEFT JOIN shaping.of_account a ON a.i = e.account
LEFT JOIN shaping.of_key k ON k.i = e.key
JOIN shaping.of_address d ON d.i = e.address
"""  # noqa: S608


def load_auth_events(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """All sign-ins in order of time; those from ``world.probes`` name keys that nobody has."""
    rng = world.numpy("auth")
    accounts, days = world.accounts, float(world.spec.days)
    place, agent = np.zeros(len(accounts), np.int64), np.zeros(len(accounts), np.int64)
    for s in reversed(world.streams):
        place[s.account.index], agent[s.account.index] = s.addresses[0], s.agents[0]
    start = np.array([max(a.opened, 0.0) for a in accounts])
    live = np.maximum(np.array([min(days, days if a.closed is None else a.closed) for a in accounts]) - start, 0.0)
    good = rng.poisson(0.45 * live)
    bad = rng.poisson(0.01 * np.exp(rng.normal(0, 1, len(accounts))) * live)
    stale = np.where((rng.random(len(accounts)) < 0.01) & (live > 1), rng.integers(20, 400, len(accounts)), 0)
    who = np.concatenate([np.repeat(np.arange(len(accounts)), n) for n in (good, bad, stale)])
    outcome = np.repeat([0, 1, 2], [good.sum(), bad.sum(), stale.sum()])
    began = start + live * rng.random(len(accounts)) * 0.8
    at = np.where(
        outcome == 2,
        began[who] + rng.random(len(who)) * 0.15 * live[who],
        start[who] + live[who] * rng.random(len(who)),
    )
    key = np.array([a.keys[0].index for a in accounts])[who]
    stray = np.where(outcome == 1, splitmix(rng.integers(0, 2**62, len(who), dtype=np.uint64)), np.uint64(0))
    events = {
        "at": at, "account": np.where(outcome == 1, -1, who), "key": np.where(outcome == 1, -1, key),
        "stray": stray, "address": place[who], "agent": agent[who], "outcome": outcome,
    }  # fmt: skip
    for probe in world.probes:
        n = probe["attempts"]
        extra = {
            "at": probe["day"] + rng.random(n) * probe["length"], "account": np.full(n, -1), "key": np.full(n, -1),
            "stray": splitmix(rng.integers(0, 2**62, n, dtype=np.uint64)),
            "address": rng.choice(probe["addresses"], n), "agent": np.full(n, probe["agent"]),
            "outcome": np.full(n, 1),
        }  # fmt: skip
        if probe["account"] is not None:  # the last attempts succeed
            extra["outcome"][-2:], extra["account"][-2:], extra["key"][-2:] = 0, probe["account"], probe["key"]
            extra["at"][-2:], extra["stray"][-2:] = probe["day"] + probe["length"], 0
        events = {name: np.concatenate([values, extra[name]]) for name, values in events.items()}
    order = np.argsort(events["at"], kind="stable")
    events = {name: values[order] for name, values in events.items()}
    at = events.pop("at")
    events["id"] = splitmix(np.arange(len(at), dtype=np.uint64) + np.uint64(world.random("auth-ids").getrandbits(62)))
    events["us"] = int(world.spec.begin.timestamp()) * 1_000_000 + np.round(at * 86_400e6).astype(np.int64)
    events["late"] = (1e6 * (2 + 30 * rng.random(len(at)) ** 3)).astype(np.int64)
    con.register("signins", events)
    con.execute(INSERT)
    con.unregister("signins")
