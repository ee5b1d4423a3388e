"""Requests as rows: numbers from :mod:`.traffic` become the contract's columns by joins to small lookups."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import duckdb
import numpy as np

from audits.proving.world.catalogue import (
    AGENTS,
    ERRORS,
    FINISHES,
    LANGS,
    MODELS,
    OPERATIONS,
    VISIBILITY,
)
from audits.proving.world.state import World
from audits.proving.world.tables import lookup
from audits.proving.world.traffic import DAY_S, Events
from audits.proving.world.users import number_users

NO_FEATURES = ("azure",)  # sources whose exporter passes no content features


def _list(names: tuple[str, ...], index: str) -> str:
    return f"[{', '.join(repr(n) for n in names)}][{index} + 1]"


def _hex(value: str) -> str:
    return f"printf('%016x', {value})"


SHAPE = f"""
SELECT a.source || ':' || {_hex("e.id")}, a.source, make_timestamptz(e.us), make_timestamptz(e.us + e.late_us),
    a.account_id, CASE WHEN a.shows_key THEN k.hash END,
    CASE WHEN e."user" >= 0 THEN {_hex("e.user_hash")} END,
    CASE WHEN e.session_hash > 0 AND a.source <> 'azure' THEN {_hex("e.session_hash")} END,
    a.path, {_list(OPERATIONS, "e.operation")}, m.name, v.name,
    e.input, CASE WHEN a.source <> 'otel' THEN e.cached END, e.output,
    CASE WHEN a.source NOT IN ('litellm', 'azure') THEN e.reasoning END,
    CAST(round(((e.input - e.cached * 0.9) * v.price_in + e.output * v.price_out) / 1e6, 8) AS DECIMAL(18, 8)),
    e.ms, e.status, CASE WHEN e.error >= 0 THEN {_list(ERRORS, "e.error")} END,
    CASE WHEN e.finish >= 0 THEN {_list(FINISHES, "e.finish")} END,
    nullif(e."limit", 0), e.choices, e.logprobs, e.bias,
    CASE WHEN a.source = 'native' THEN {_list(VISIBILITY, "e.visibility")} END,
    CASE WHEN a.source <> 'otel' THEN e.kept_days > 0 END, CASE WHEN a.source <> 'otel' THEN e.kept_days END,
    CASE WHEN a.source = 'native' THEN e.flagged END,
    CASE WHEN a.shows_address THEN d.ip END, CASE WHEN a.shows_address THEN d.net END,
    CASE WHEN a.shows_address THEN d.country END, CASE WHEN a.shows_address THEN d.asn END,
    CASE WHEN a.shows_address THEN d.kind END,
    CASE WHEN a.source IN ('native', 'litellm') THEN {_list(AGENTS, "e.agent")} END,
    CASE WHEN a.features AND e."system" >= 0 THEN {_hex("e.system_hash")} END,
    CASE WHEN a.features THEN {_hex("e.template")} END,
    CASE WHEN a.features THEN e.simhash END, CASE WHEN a.features THEN e.topic END,
    CASE WHEN a.features THEN {_list(LANGS, "e.lang")} END,
    CASE WHEN a.features THEN e.cot END, CASE WHEN a.features THEN e.rubric END,
    CASE WHEN a.features THEN e.benchmark END, a.content
FROM events e
JOIN shaping.of_account a ON a.i = e.account
JOIN shaping.of_key k ON k.i = e.key
JOIN shaping.of_address d ON d.i = e.address
JOIN shaping.of_model m ON m.i = e.model
JOIN shaping.of_model v ON v.i = e.served
"""  # noqa: S608


class EventWriter:
    """Appends blocks of requests to ``usage_events`` in their order: shaped in memory, then stored in the file."""

    def __init__(self, con: duckdb.DuckDBPyConnection, world: World) -> None:
        self.con, self.world = con, world
        accounts = world.accounts
        # one thread and joins as they are written: anything else loses the order of the rows
        con.execute("SET threads = 1")
        # these cost more time on random hashes than they save room
        con.execute("SET disabled_compression_methods = 'fsst,dict_fsst,zstd'")
        con.execute("SET disabled_optimizers = 'join_order, build_side_probe_side'")
        con.execute("ATTACH ':memory:' AS shaping")
        lookup(
            con,
            "shaping.of_account",
            {
                "account_id": [a.id for a in accounts],
                "source": [a.source for a in accounts],
                "path": [a.path for a in accounts],
                "shows_address": [a.shows_address for a in accounts],
                "shows_key": [a.shows_key for a in accounts],
                "features": [a.source not in NO_FEATURES and not a.zero_retention for a in accounts],
                "content": [not a.zero_retention for a in accounts],
            },
        )
        nets = world.networks
        lookup(con, "shaping.of_key", {"hash": [k.hash for k in world.keys]})
        lookup(
            con,
            "shaping.of_address",
            {
                "ip": [ip for _, ip in world.addresses],
                "net": [nets[n].hash for n, _ in world.addresses],
                "country": [nets[n].country for n, _ in world.addresses],
                "asn": [nets[n].asn for n, _ in world.addresses],
                "kind": [nets[n].kind for n, _ in world.addresses],
            },
        )
        lookup(
            con,
            "shaping.of_model",
            {
                "name": [m.name for m in MODELS],
                "price_in": [m.price_in for m in MODELS],
                "price_out": [m.price_out for m in MODELS],
            },
        )
        self.begin = int(world.spec.begin.timestamp()) * 1_000_000
        self.operation = np.array([OPERATIONS.index(s.work.operation) for s in world.streams], np.int8)
        self.keep = np.array([a.keep_days or 0 for a in accounts], np.int32)
        self.over = [(a.index, *a.overkept) for a in accounts if a.overkept]
        self.rotated = [(a.keys[0].index, a.keys[1].index, a.keys[0].revoked) for a in accounts
                        if len(a.keys) > 1 and a.keys[0].revoked is not None]  # fmt: skip
        self.key_created = np.array([k.created for k in world.keys])
        self.main_key = np.array([a.keys[0].index for a in accounts])
        self.key_next = np.full(len(world.keys), -1)
        self.key_until = np.full(len(world.keys), np.inf)
        for key, following, until in self.rotated:
            self.key_next[key], self.key_until[key] = following, until

    def shape(self, events: Events, number: int) -> str:
        """Make one block's rows in a table in memory; keys not yet made or revoked give way to a live one."""
        events = number_users(events, self.world.spec.seed)
        day = events["ts"] / DAY_S
        kept = self.keep[events["account"]]
        for account, first, last, days in self.over:
            kept = np.where((events["account"] == account) & (day >= first) & (day < last), days, kept)
        key = np.where(day >= self.key_created[events["key"]], events["key"], self.main_key[events["account"]])
        key = np.where(day >= self.key_until[key], self.key_next[key], key)
        names = (
            "id", "account", "input", "cached", "output", "reasoning", "ms", "status", "error", "finish", "limit",
            "choices", "logprobs", "bias", "visibility", "flagged", "simhash", "topic", "lang", "cot", "rubric",
            "benchmark", "agent", "user", "system", "model", "served", "address", "session_hash", "template",
            "user_hash", "system_hash",
        )  # fmt: skip
        block = {name: events[name] for name in names}
        block |= {
            "us": self.begin + np.round(events["ts"] * 1e6).astype(np.int64),
            "late_us": np.round(events["late_s"] * 1e6).astype(np.int64),
            "operation": self.operation[events["stream"]],
            "key": key,
            "kept_days": kept,
        }
        with self.con.cursor() as con:
            con.register("events", block)
            con.execute(f"CREATE TABLE shaping.block_{number} AS {SHAPE}")
        return f"shaping.block_{number}"

    def store(self, shaped: Future[str]) -> None:
        """Move one block into the file."""
        name = shaped.result()
        with self.con.cursor() as con:
            con.execute(f"INSERT INTO usage_events SELECT * FROM {name}")  # noqa: S608
            con.execute(f"DROP TABLE {name}")


def write_events(
    writer: EventWriter, blocks: Iterable[tuple[float, Events]], progress: Callable[[float], None]
) -> None:
    """Write all blocks: while one is stored, the next is shaped and the one after it is made."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as shaping, ThreadPoolExecutor(1) as storing:
        for number, (share, events) in enumerate(blocks):
            shaped = shaping.submit(writer.shape, events, number)
            waiting.append(storing.submit(writer.store, shaped))
            if len(waiting) > 2:
                waiting.popleft().result()
            progress(share)
        for stored in waiting:
            stored.result()
