"""Planted faults of the data itself: each function spoils a few rows and says which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import duckdb

from audits.proving.world.spec import unknown
from audits.proving.world.state import World

Connection = duckdb.DuckDBPyConnection
Found = dict[str, Any]


def spoil(con: Connection, world: World) -> list[Found]:
    """Plant the spec's faults, in its order; returns what each one touched."""
    found = []
    for name in world.spec.faults:
        if name not in FAULTS:
            raise unknown("fault", name, FAULTS)
        found.append({"fault": name, **FAULTS[name](con, world, world.random(f"fault/{name}"))})
    return found


def fault_day(world: World) -> datetime:
    """The day of most faults: the 14th of the last full month, else the middle of the world."""
    last = world.spec.end - timedelta(days=1)
    day = datetime(last.year, last.month, 14, tzinfo=UTC)
    inside = world.spec.begin <= day < world.spec.end
    return day if inside else world.spec.begin + timedelta(days=world.spec.days // 2)


def _some(con: Connection, world: World, rng: Random, count: int, *, offset: int = 0, where: str = "true") -> list[str]:
    """Ids of requests of one day, spread over it."""
    day = fault_day(world) + timedelta(days=offset)
    ids = con.execute(
        f"SELECT event_id FROM usage_events WHERE event_ts >= ? AND event_ts < ? AND {where} "  # noqa: S608
        "ORDER BY event_ts, event_id",
        [day, day + timedelta(days=1)],
    ).fetchall()
    return sorted(row[0] for row in rng.sample(ids, min(count, len(ids))))


def _change(con: Connection, ids: list[str], assignment: str) -> Found:
    con.execute(f"UPDATE usage_events SET {assignment} WHERE event_id IN (SELECT unnest(?))", [ids])  # noqa: S608
    return {"event_ids": ids}


def _duplicates(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 40, offset=5) + _some(con, world, rng, 10)
    con.execute(
        "INSERT INTO usage_events SELECT * FROM usage_events WHERE event_id IN (SELECT unnest(?)) "
        "ORDER BY event_ts, event_id",
        [ids],
    )
    return {"event_ids": sorted(ids)}


def _missing_hour(con: Connection, world: World, _rng: Random) -> Found:
    first = fault_day(world) + timedelta(hours=13)
    source = "litellm"
    lost = con.execute(
        "DELETE FROM usage_events WHERE source_system = ? AND event_ts >= ? AND event_ts < ?",
        [source, first, first + timedelta(hours=1)],
    ).fetchall()[0][0]
    return {"source_system": source, "hour": first.isoformat(), "lost": lost}


def _negative(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 6, offset=2, where="status_code = 200")
    return _change(con, ids, "output_tokens = -output_tokens - 1")


def _cached_above_input(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 8, offset=3, where="cached_input_tokens IS NOT NULL")
    return _change(con, ids, "cached_input_tokens = input_tokens + 100")


def _orphans(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 12, offset=4, where="api_key_hash IS NOT NULL")
    return _change(con, ids, f"api_key_hash = '{rng.getrandbits(64):016x}'")


def _unknown_model(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 15, offset=6, where="operation = 'chat'")
    return _change(con, ids, "model_requested = 'nova-experimental', model_served = 'nova-experimental'")


def _late(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 300) + _some(con, world, rng, 112, offset=1)
    return _change(con, ids, "ingested_ts = ingested_ts + INTERVAL 50 HOUR")


def _future(con: Connection, world: World, rng: Random) -> Found:
    ids = _some(con, world, rng, 7, offset=7)
    found = _change(con, ids, "event_ts = ingested_ts + INTERVAL 5 HOUR")
    far = _some(con, world, rng, 2, offset=8)
    _change(con, far, "event_ts = event_ts + INTERVAL 400 DAY")
    return found | {"event_ids": ids + far}


def _billing_drift(con: Connection, world: World, rng: Random) -> Found:
    busy = con.execute("""
        SELECT account_id FROM billed_usage GROUP BY account_id HAVING sum(cost_usd) > 5
        ORDER BY sum(cost_usd) DESC, account_id LIMIT 40
    """).fetchall()
    ordinary = [a for (a,) in busy if world.labels[a].kind == "benign"]
    account = rng.choice(ordinary or [a for (a,) in busy])
    con.execute("UPDATE billed_usage SET cost_usd = cost_usd * 0.96 WHERE account_id = ?", [account])
    return {"account_id": account, "factor": 0.96}


FAULTS: dict[str, Callable[[Connection, World, Random], Found]] = {
    "duplicate-events": _duplicates,
    "missing-hour": _missing_hour,
    "negative-tokens": _negative,
    "cached-above-input": _cached_above_input,
    "orphan-keys": _orphans,
    "unknown-model": _unknown_model,
    "late-rows": _late,
    "future-events": _future,
    "billing-drift": _billing_drift,
}
