"""Changes to a world of which the effect on its audit is known without auditing it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tests.reference.actors import RAW_KEY, RECORDED
from tests.reference.validity import Row
from tests.rows import LONG_AGO, event

Rows = dict[str, list[Row]]
INTERVALS = ("customers", "account_tiers", "account_payments", "contracts", "territories")


def _copy(rows: Mapping[str, Sequence[Row]]) -> Rows:
    return {table: [dict(row) for row in many] for table, many in rows.items()}


def an_unrelated_request(rows: Rows, day: date) -> Rows:
    """One more account, customer and request, with nothing in common with anybody but the model."""
    changed = _copy(rows)
    at = datetime(day.year, day.month, day.day, 12, tzinfo=LONG_AGO.tzinfo)
    changed["usage_events"].append(
        event("outsider", "outsider", at, **(RECORDED | {"source_system": "src-outsider", "session_id": "outsider",
              "system_prompt_hash": "sys-outsider", "prompt_simhash": 1}))
    )  # fmt: skip
    customer = {"customer_id": "c-outsider", "name": "Outsider", "country": "US", "parent_country": "US"}
    verified = {"kyc_status": "verified", "kyc_verified_at": datetime(2026, 6, 1, tzinfo=LONG_AGO.tzinfo)}
    changed["customers"].append(customer | verified | {"valid_from": LONG_AGO})
    changed["accounts"].append({"account_id": "outsider", "customer_id": "c-outsider", "opened_at": LONG_AGO})
    changed["account_tiers"].append({"account_id": "outsider", "tier": "build", "valid_from": LONG_AGO})
    return changed


def rows_twice(rows: Rows) -> Rows:
    """Every request and sign-in delivered again an hour later, and every bucket and row of a dimension.

    Payments and bills have nothing by which one that was delivered again is told from another of the same amount.
    """
    changed = _copy(rows)
    for table in ("usage_events", "auth_events"):
        for row in rows.get(table, []):
            changed[table].append(row | {"ingested_ts": row["ingested_ts"] + timedelta(hours=1)})
    for table in ("usage_buckets", "account_tiers", "territories", "contracts", "account_payments", "api_keys"):
        changed[table] = [*changed.get(table, []), *(dict(row) for row in rows.get(table, []))]
    return changed


def in_another_order(rows: Rows) -> Rows:
    """The rows of every table, shuffled."""
    return {table: random.Random(len(many)).sample(list(many), len(many)) for table, many in rows.items()}


def buckets_split(rows: Rows) -> Rows:
    """Every bucket that is a day's only usage of its account cut into two halves that add up to it."""
    changed = _copy(rows)
    uses = Counter((row["account_id"], day) for row in _usage(rows) for day in _days(row))
    halves: list[Row] = []
    for row in changed.get("usage_buckets", []):
        middle = row["bucket_start"] + (row["bucket_end"] - row["bucket_start"]) / 2
        days = _days(row)
        if len(days) > 1 or row["n_requests"] is None or uses[row["account_id"], days[0]] > 1:
            halves.append(row)
            continue
        counts = {name: row[name] for name in ("input_tokens", "output_tokens", "n_requests")}
        halves += [
            row | {name: n // 2 for name, n in counts.items()} | {"bucket_end": middle},
            row | {name: n - n // 2 for name, n in counts.items()} | {"bucket_start": middle},
        ]
    changed["usage_buckets"] = halves
    return changed


def _usage(rows: Rows) -> list[Row]:
    return [*rows.get("usage_events", []), *rows.get("usage_buckets", [])]


def _days(row: Row) -> list[date]:
    """The days on which a request or a bucket lies."""
    if "event_ts" in row:
        return [row["event_ts"].date()]
    first, last = row["bucket_start"].date(), (row["bucket_end"] - timedelta(microseconds=1)).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def intervals_split(rows: Rows, at: datetime) -> Rows:
    """Every validity interval that contains an instant cut into two adjacent ones with the same content."""
    changed = _copy(rows)
    for table in INTERVALS:
        several = _overlapping(rows.get(table, []))
        cut: list[Row] = []
        for row in changed.get(table, []):
            inside = row["valid_from"] < at and (row.get("valid_to") is None or at < row["valid_to"])
            if inside and _owner(row) not in several:
                cut += [row | {"valid_to": at}, row | {"valid_from": at}]
            else:
                cut.append(row)
        changed[table] = cut
    return changed


def _owner(row: Row) -> Any:
    return next(row[name] for name in ("account_id", "contract_id", "customer_id", "country") if name in row)


def _overlapping(rows: Sequence[Row]) -> set[Any]:
    """Owners of several rows: cutting one of those that overlap would change which began last."""
    owners = (
        [_owner(row) for row in rows] if rows and "contract_id" not in rows[0] else [row["customer_id"] for row in rows]
    )
    many = {owner for owner in owners if owners.count(owner) > 1}
    return {_owner(row) for row, owner in zip(rows, owners, strict=True) if owner in many}


def renamed(rows: Rows, name: Callable[[str], str]) -> Rows:
    """Accounts, customers, requests, sessions, keys and hashes under other names."""
    ids = (
        "account_id", "customer_id", "event_id", "session_id", "api_key_hash", "client_net_hash", "client_ip_hash",
        "prompt_template_hash", "system_prompt_hash", "instrument_hash", "signup_device_hash", "contract_id",
    )  # fmt: skip
    return {
        table: [{k: name(v) if k in ids and v is not None else v for k, v in row.items()} for row in many]
        for table, many in rows.items()
    }


def shifted(rows: Rows, by: timedelta) -> Rows:
    """Everything that happened or began, earlier or later by whole weeks."""
    return {
        table: [{k: v + by if isinstance(v, datetime) else v for k, v in row.items()} for row in many]
        for table, many in rows.items()
    }


def columns_hidden(rows: Rows, columns: Sequence[str]) -> Rows:
    """Columns of usage that no source records, apart from what must not be in the warehouse: its day stays blocked."""
    changed = _copy(rows)
    for row in changed["usage_events"]:
        row.update(dict.fromkeys(name for name in columns if row.get(name) != RAW_KEY))
    return changed


def tables_hidden(rows: Rows, tables: Sequence[str]) -> Rows:
    """Tables of which nobody delivers anything."""
    return {table: [] if table in tables else many for table, many in _copy(rows).items()}


def days_blocked(rows: Rows, days: Sequence[date]) -> Rows:
    """Days on which every source delivers something that must not be in the warehouse."""
    changed = _copy(rows)
    for row in changed["usage_events"]:
        if row["event_ts"].date() in days:
            row["user_agent_family"] = RAW_KEY
    return changed


def noon_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=LONG_AGO.tzinfo)
