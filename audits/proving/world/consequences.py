"""Facts that follow from the usage: bills by day, payments, contracts with commitments, and sign-ins."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import duckdb

from audits.proving.world.dimensions import Row, instant
from audits.proving.world.signins import load_auth_events
from audits.proving.world.state import World
from audits.proving.world.tables import load


def load_consequences(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """What follows from the clean usage: bills by day and model, payments, contracts with commitments, sign-ins."""
    con.execute("""
        INSERT INTO billed_usage
        SELECT account_id, CAST(event_ts AT TIME ZONE 'UTC' AS DATE) AS usage_day, model_served, sum(input_tokens),
            sum(output_tokens), CAST(round(sum(cost_usd), 4) AS DECIMAL(18, 8))
        FROM usage_events GROUP BY ALL HAVING sum(input_tokens) > 0 ORDER BY account_id, usage_day, model_served
    """)
    months = con.execute("""
        SELECT account_id, year(usage_day) AS y, month(usage_day) AS m, count(DISTINCT usage_day),
            sum(input_tokens + output_tokens)::BIGINT, sum(cost_usd)
        FROM billed_usage GROUP BY ALL ORDER BY account_id, y, m
    """).fetchall()
    load(con, "payment_events", _payment_events(world, months))
    load(con, "contracts", _contracts(world, months))
    load_auth_events(con, world)
    _buckets(con)


def _buckets(con: duckdb.DuckDBPyConnection) -> None:
    """What comes as an export of hourly sums: no single requests, and for half of the accounts no count of them."""
    con.execute("""
        INSERT INTO usage_buckets
        SELECT source_system, date_trunc('hour', event_ts) AS bucket_start,
            date_trunc('hour', event_ts) + INTERVAL 1 HOUR,
            date_trunc('hour', event_ts) + INTERVAL 90 MINUTE, account_id, api_key_hash, model_served,
            sum(input_tokens),
            sum(cached_input_tokens), sum(output_tokens),
            CASE WHEN any_value(ascii(right(account_id, 1)) % 2 = 0) THEN count(*) END, NULL
        FROM usage_events WHERE source_system = 'usage-export'
        GROUP BY source_system, date_trunc('hour', event_ts), account_id, api_key_hash, model_served
        ORDER BY bucket_start, account_id, api_key_hash, model_served
    """)
    con.execute("DELETE FROM usage_events WHERE source_system = 'usage-export'")


def _payment_events(world: World, months: list[tuple[Any, ...]]) -> list[Row]:
    """A charge after each month's end, with the declines and second tries that cards bring."""
    rng = world.random("payments")
    by_id = {a.id: a for a in world.accounts}
    rows: list[Row] = []
    for account_id, year, month, _, _, cost in months:
        account = by_id[account_id]
        after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        day = (after - world.spec.begin).total_seconds() / 86_400 + 0.1 + rng.random() * 0.6
        if not account.cards or cost < Decimal("0.5") or day >= world.spec.days:
            continue
        tries = 0
        fewest, most = (0, 3) if account.declines < 0.5 else (5, 8)  # who cannot pay cannot pay in any month
        while tries < fewest or (tries < most and rng.random() < account.declines):
            rows.append({"account_id": account_id, "event_ts": instant(world, day + tries), "event_type": "decline",
                         "amount_usd": cost})  # fmt: skip
            tries += 1
        rows.append({"account_id": account_id, "event_ts": instant(world, day + tries), "event_type": "charge",
                     "amount_usd": cost})  # fmt: skip
        if account.chargeback:
            rows.append({"account_id": account_id, "event_ts": instant(world, day + 20), "event_type": "chargeback",
                         "amount_usd": cost})  # fmt: skip
        elif rng.random() < 0.004:
            rows.append({"account_id": account_id, "event_ts": instant(world, day + 4), "event_type": "refund",
                         "amount_usd": cost})  # fmt: skip
    return sorted(rows, key=lambda r: (r["event_ts"], r["account_id"]))


def _contracts(world: World, months: list[tuple[Any, ...]]) -> list[Row]:
    """Contracts of scale and enterprise customers; the commitment leaves room, except where a breach says otherwise."""
    rng = world.random("contracts")
    owner = {a.id: a.customer.id for a in world.accounts}
    began = {c.id: c.since for c in world.customers}
    used: dict[str, dict[tuple[int, int], int]] = {}
    spent: dict[str, Decimal] = {}
    for account_id, year, month, _, tokens, cost in months:
        of = used.setdefault(owner[account_id], {})
        of[year, month] = of.get((year, month), 0) + round(tokens / _held(world, began[owner[account_id]], year, month))
        spent[owner[account_id]] = max(spent.get(owner[account_id], Decimal(0)), cost)
    tiers: dict[str, set[str]] = {}
    retention: dict[str, int] = {}
    for a in world.accounts:
        tiers.setdefault(a.customer.id, set()).update(t for t, _ in a.tiers)
        if a.zero_retention or a.overkept:
            retention[a.customer.id] = min(retention.get(a.customer.id, 30), 0 if a.zero_retention else 30)
    last = _last_full_month(world)
    rows: list[Row] = []
    for customer in sorted(world.customers, key=lambda c: c.id):
        planted = world.contract_factor.get(customer.id)
        bound = tiers.get(customer.id, set()) & {"scale", "enterprise"}
        if not (bound or planted or customer.id in world.resale | world.no_resale or customer.id in retention):
            continue
        month = used.get(customer.id, {})
        # a commitment follows the busiest month that sales expected, seldom the one that came
        level = month.get(last, 0) / planted if planted else max(month.values(), default=0) / rng.uniform(0.35, 0.93)
        commit = max(1_000_000, round(level, -3)) if level and (planted or rng.random() < 0.85) else None
        row: Row = {
            "contract_id": world.fresh_id("ctr", rng), "customer_id": customer.id,
            "commit_tokens": commit if not planted else round(level),
            "commit_usd": round(float(spent.get(customer.id, 0)) * rng.uniform(0.8, 1.6) + 50, 2) if commit else None,
            "retention_days_max": retention.get(customer.id, rng.choice((30, 30, 30, None, 60))),
            "resale_permitted": _resale(world, rng, customer.id),
            "valid_from": instant(world, customer.since), "valid_to": None,
        }  # fmt: skip
        if rng.random() < 0.15 and not planted and customer.since < 20 < world.spec.days:
            change = instant(world, rng.choice((29.0, 59.0, rng.uniform(20, max(21, world.spec.days - 5)))))
            before = row | {"commit_tokens": commit and round(commit * 0.97, -3), "valid_to": change}
            rows.append(before)
            row |= {"contract_id": world.fresh_id("ctr", rng), "valid_from": change}
        rows.append(row)
    return rows


def _held(world: World, since: float, year: int, month: int) -> float:
    """Share of a month in which the customer was there: a commitment is for whole months, the first use for a part."""
    length = monthrange(year, month)[1]
    joined = world.spec.begin + timedelta(days=since)
    return max(1 / length, 1 - (joined.day - 1) / length) if (joined.year, joined.month) == (year, month) else 1.0


def _resale(world: World, rng: Random, customer: str) -> bool | None:
    if customer in world.resale:
        return True
    return False if customer in world.no_resale or rng.random() < 0.8 else None


def _last_full_month(world: World) -> tuple[int, int]:
    """The last calendar month that the world holds to its end."""
    year, month = world.spec.end.year, world.spec.end.month
    return (year, month - 1) if month > 1 else (year - 1, 12)
