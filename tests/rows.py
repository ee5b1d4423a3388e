"""Small hand-made rows for the contract's tables, and a way to put them into a warehouse of either kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, insert
from sqlalchemy.engine import make_url

from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

Row = dict[str, Any]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """An instant in UTC: ``2026-10-05``, ``2026-10-05T10:30``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plain(name: str) -> str:
    """A name as a digest could be written: letters, digits and dashes."""
    return re.sub(r"[^0-9A-Za-z-]+", "-", name)


def event(number: int | str, account: str, when: str | datetime, **columns: Any) -> Row:
    """A successful chat request with every column recorded."""
    moment = at(when) if isinstance(when, str) else when
    own = plain(account)
    return {
        "event_id": f"native:{number}", "source_system": "native", "event_ts": moment,
        "ingested_ts": moment + timedelta(seconds=5), "account_id": account, "api_key_hash": f"key-{own}",
        "access_path": "native", "operation": "chat", "model_requested": "m-1", "model_served": "m-1",
        "input_tokens": 100, "cached_input_tokens": 0, "output_tokens": 50, "reasoning_tokens": 0, "cost_usd": 0.01,
        "status_code": 200, "finish_reason": "stop", "content_stored": False, "client_ip_hash": f"ip-{own}",
        "client_net_hash": f"net-{own}", "ip_country": "US", "ip_asn": 1, "ip_type": "corporate",
        "user_agent_family": "python", "system_prompt_hash": "sys", "prompt_template_hash": f"t-{own}",
        "cot_elicit_score": 0.1, "rubric_grade_score": 0.1, "benchmark_score": 0.1, "topic_id": 1, "lang": "en",
        "content_available": True,
    } | columns  # fmt: skip


def events(account: str, day: str, n: int, *, hour: int = 12, **columns: Any) -> list[Row]:
    """``n`` requests of an account on a day, one a second from ``hour`` on."""
    start = at(day) + timedelta(hours=hour)
    prefix = columns.pop("prefix", "")
    return [event(f"{prefix}{account}-{day}-{i}", account, start + timedelta(seconds=i), **columns) for i in range(n)]


def account(name: str, tier: str = "build", **columns: Any) -> dict[str, list[Row]]:
    """An account with a customer of its own and one tier since long ago."""
    customer = columns.pop("customer", f"c-{name}")
    return {
        "customers": [
            {
                "customer_id": customer, "name": columns.pop("customer_name", f"Customer {customer}"),
                "account_manager": "am@example.com", "country": "US", "kyc_status": "verified",
                "kyc_verified_at": at("2026-06-01"), "valid_from": LONG_AGO,
            }
        ],
        "accounts": [{"account_id": name, "customer_id": customer, "opened_at": LONG_AGO, **columns}],
        "account_tiers": [{"account_id": name, "tier": tier, "valid_from": LONG_AGO}],
        "api_keys": [
            {"api_key_hash": f"key-{plain(name)}", "account_id": name, "created_at": LONG_AGO, "serverless": False}
        ],
    }  # fmt: skip


def together(*parts: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """The rows of several parts, table by table."""
    merged: dict[str, list[Row]] = {}
    for part in parts:
        for table, rows in part.items():
            merged.setdefault(table, []).extend(rows)
    return merged


REFERENCE: dict[str, list[Row]] = {
    "models": [
        {
            "model": "m-1", "family": "m", "frontier": False, "released_at": LONG_AGO, "context_window": 200_000,
        }
    ],
    "territories": [
        {"country": "US", "status": "supported", "valid_from": LONG_AGO},
        {"country": "XX", "status": "unsupported", "valid_from": LONG_AGO},
    ],
}  # fmt: skip


def put(url: str, rows: Mapping[str, Sequence[Row]]) -> None:
    """Insert rows into a warehouse, whose tables are made where they are missing."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed).execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    with engine.begin() as connection:
        for name, many in rows.items():
            table = source_metadata.tables[f"{SOURCE_SCHEMA}.{name}"]
            empty = {column.name: None for column in table.columns}
            if many:
                connection.execute(insert(table), [empty | row for row in many])
    engine.dispose()


def run_sql(url: str, *statements: str) -> None:
    """Run statements on a warehouse as its owner would."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def loud_world() -> dict[str, list[Row]]:
    """A quiet account, and one over R01's limit for its tier, in October 2026."""
    return together(
        account("quiet"),
        account("loud", "free"),
        REFERENCE,
        {"usage_events": [*events("quiet", "2026-10-05", 20), *events("loud", "2026-10-05", 501)]},
    )
