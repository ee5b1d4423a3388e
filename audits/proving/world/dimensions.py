"""The rows of the dimension tables: customers, accounts, tiers, keys, instruments, models, territories, sanctions."""

from __future__ import annotations

from typing import Any

import duckdb

from audits.proving.world.catalogue import COUNTRIES, MODELS
from audits.proving.world.state import World
from audits.proving.world.tables import load

Row = dict[str, Any]


COLUMN = {"name": "name", "manager": "account_manager", "parent_country": "parent_country",
          "parent_pct": "parent_ownership_pct"}  # fmt: skip


def instant(world: World, day: float | None) -> int | None:
    """Microseconds since 1970 of a day of the world."""
    if day is None:
        return None
    return (int(world.spec.begin.timestamp()) * 1000 + round(day * 86_400_000)) * 1000


def load_dimensions(con: duckdb.DuckDBPyConnection, world: World) -> None:
    """Customers, accounts, tiers, keys, payment instruments, models, territories, sanctions; each in id order."""
    for name, rows in (
        ("customers", _customers(world)),
        ("accounts", _accounts(world)),
        ("account_tiers", _tiers(world)),
        ("api_keys", _keys(world)),
        ("account_payments", _payments(world)),
        ("models", _models(world)),
        ("territories", _territories(world)),
        ("sanctions", _sanctions(world)),
    ):
        load(con, name, rows)


def _customers(world: World) -> list[Row]:
    rows = []
    for c in sorted(world.customers, key=lambda c: c.id):
        row = {
            "customer_id": c.id, "name": c.name, "account_manager": c.manager, "country": c.country,
            "parent_country": c.parent_country, "parent_ownership_pct": c.parent_pct, "kyc_status": c.kyc,
            "kyc_verified_at": instant(world, c.kyc_at), "declared_use": c.use, "is_ai_developer": c.ai_developer,
            "valid_from": instant(world, c.since), "valid_to": None,
        }  # fmt: skip
        if c.after and c.after[0] > c.since:
            at = instant(world, c.after[0])
            rows.append(row | {"valid_to": at})
            row |= {"valid_from": at} | {COLUMN[name]: value for name, value in c.after[1].items()}
        rows.append(row)
    return rows


def _accounts(world: World) -> list[Row]:
    rows = []
    for a in sorted(world.accounts, key=lambda a: a.id):
        net, ip = world.addresses[a.signup_address] if a.signup_address is not None else (None, None)
        rows.append({
            "account_id": a.id, "customer_id": a.customer.id, "opened_at": instant(world, a.opened),
            "closed_at": instant(world, a.closed), "banned_at": instant(world, a.banned), "signup_ip_hash": ip,
            "signup_net_hash": None if net is None else world.networks[net].hash,
            "signup_country": a.signup_country, "signup_device_hash": a.device, "email_domain": a.domain,
            "email_disposable": a.disposable, "phone_hash": a.phone, "programme": a.programme,
            "zero_retention": a.zero_retention,
        })  # fmt: skip
    return rows


def _tiers(world: World) -> list[Row]:
    rows = []
    for a in sorted(world.accounts, key=lambda a: a.id):
        ends: list[float | None] = [day for _, day in a.tiers[1:]]
        for (tier, start), end in zip(a.tiers, [*ends, None], strict=True):
            rows.append({
                "account_id": a.id, "tier": tier, "valid_from": instant(world, start),
                "valid_to": instant(world, end),
            })  # fmt: skip
    return rows


def _keys(world: World) -> list[Row]:
    return [
        {
            "api_key_hash": k.hash, "account_id": k.account.id, "created_at": instant(world, k.created),
            "revoked_at": instant(world, k.revoked if (k.revoked or 0) < world.spec.days else None),
            "serverless": k.account.serverless,
        }
        for k in sorted(world.keys, key=lambda k: (k.account.id, k.index)) if k.created < world.spec.days
    ]  # fmt: skip


def _payments(world: World) -> list[Row]:
    return [
        {
            "account_id": a.id, "instrument_hash": value, "instrument_type": kind, "bin_country": bank,
            "valid_from": instant(world, start), "valid_to": instant(world, end),
        }
        for a in sorted(world.accounts, key=lambda a: a.id) for value, kind, bank, start, end in a.cards
    ]  # fmt: skip


def _models(world: World) -> list[Row]:
    release = world.spec.release_day + 0.7
    rows = []
    for m in MODELS:
        end = None if m.retired is None else instant(world, release + m.retired)
        rows.append({
            "model": m.name, "family": m.family, "predecessor": m.predecessor, "frontier": m.frontier,
            "released_at": instant(world, release + m.released), "retired_at": end, "context_window": m.context,
        })  # fmt: skip
    return rows


def _territories(world: World) -> list[Row]:
    since = instant(world, -900.0)
    return [{"country": c.code, "status": c.status, "valid_from": since} for c in COUNTRIES.values()]


def _sanctions(world: World) -> list[Row]:
    """The planted matches among entries that match nobody, and one name that was looked at and cleared."""
    rng = world.random("sanctions")
    rows: list[Row] = [
        {"list_name": rng.choice(("consolidated", "regional")), "entry_id": f"N{i:05d}", "customer_id": None,
         "match_status": "cleared", "as_of": instant(world, -30.0)}
        for i in range(12)
    ]  # fmt: skip
    ordinary = sorted(c.id for c in world.customers)
    rows.append({"list_name": "regional", "entry_id": "N99999", "customer_id": rng.choice(ordinary),
                 "match_status": "cleared", "as_of": instant(world, -12.0)})  # fmt: skip
    for name, entry, customer, status, day in world.sanctions:
        rows.append({"list_name": name, "entry_id": entry, "customer_id": customer, "match_status": status,
                     "as_of": instant(world, day)})  # fmt: skip
    return rows
