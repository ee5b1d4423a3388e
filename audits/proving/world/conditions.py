"""Conditions of a whole world: what a source does not record, or records wrongly for everybody."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import duckdb

from audits.proving.world.spec import unknown
from audits.proving.world.state import World

Connection = duckdb.DuckDBPyConnection


def bend(con: Connection, world: World) -> None:
    """Apply the spec's conditions to the finished tables, in its order."""
    for name in world.spec.conditions:
        if name not in CONDITIONS:
            raise unknown("condition", name, CONDITIONS)
        CONDITIONS[name](con, world.random(f"condition/{name}"))


def _no_signup(con: Connection, _rng: Random) -> None:
    con.execute("""
        UPDATE accounts SET signup_ip_hash = NULL, signup_net_hash = NULL, signup_country = NULL,
            signup_device_hash = NULL, email_domain = NULL, email_disposable = NULL, phone_hash = NULL
    """)


def _half_null(con: Connection, rng: Random) -> None:
    for table, columns in (
        ("accounts", ("signup_ip_hash", "signup_net_hash", "signup_device_hash", "email_domain", "phone_hash")),
        ("usage_events", ("api_key_hash", "client_ip_hash", "client_net_hash", "system_prompt_hash",
                          "prompt_template_hash")),
    ):  # fmt: skip
        key = "event_id" if table == "usage_events" else "account_id"
        for column in columns:
            odd = f"ascii(right(md5({key} || '{rng.getrandbits(32)}'), 1)) % 2 = 1"
            con.execute(f"UPDATE {table} SET {column} = NULL WHERE {odd}")  # noqa: S608


def _one_instrument(con: Connection, rng: Random) -> None:
    accounts = [a for (a,) in con.execute("SELECT DISTINCT account_id FROM account_payments ORDER BY 1").fetchall()]
    chosen = rng.sample(accounts, round(0.3 * len(accounts)))
    value = f"{rng.getrandbits(64):016x}"
    con.execute(
        "UPDATE account_payments SET instrument_hash = ? WHERE account_id IN (SELECT unnest(?))", [value, chosen]
    )


def _one_address(con: Connection, rng: Random) -> None:
    ip, net = f"{rng.getrandbits(64):016x}", f"{rng.getrandbits(64):016x}"
    con.execute("UPDATE usage_events SET client_ip_hash = ?, client_net_hash = ?", [ip, net])
    con.execute("UPDATE accounts SET signup_ip_hash = ?, signup_net_hash = ?", [ip, net])


def _missing_dimensions(con: Connection, rng: Random) -> None:
    accounts = [a for (a,) in con.execute("SELECT account_id FROM accounts ORDER BY 1").fetchall()]
    gone = rng.sample(accounts, max(1, len(accounts) // 50))
    for table in ("accounts", "account_tiers", "api_keys", "account_payments"):
        con.execute(f"DELETE FROM {table} WHERE account_id IN (SELECT unnest(?))", [gone])  # noqa: S608


def _no_features(con: Connection, _rng: Random) -> None:
    con.execute("""
        UPDATE usage_events SET system_prompt_hash = NULL, prompt_template_hash = NULL, prompt_simhash = NULL,
            topic_id = NULL, lang = NULL, cot_elicit_score = NULL, rubric_grade_score = NULL, benchmark_score = NULL
    """)


CONDITIONS: dict[str, Callable[[Connection, Random], None]] = {
    "no-signup": _no_signup,
    "half-null": _half_null,
    "one-instrument": _one_instrument,
    "one-address": _one_address,
    "missing-dimensions": _missing_dimensions,
    "no-features": _no_features,
}
