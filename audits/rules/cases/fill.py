"""From a case's short rows to whole rows of the contract's tables; what a case leaves out is harmless and recorded.

Everything is filled in the same way each time: ids count from 1 in the order of the file, digests name the account
that they belong to (``k-a1`` is the key of a1), nothing is random.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from sqlalchemy import Table

from audits.periods import utc_midnight
from audits.rules.cases.format import Case, Row, TierSpan, instant, spread
from audits.warehouse.tables import Instant, source_metadata

LONG_AGO = timedelta(days=400)
"""How long before the period everything began that a case says nothing of."""

_TABLES: Mapping[str, Table] = {table.name: table for table in source_metadata.sorted_tables}
_AT = {
    "usage_events": "event_ts", "usage_buckets": "bucket_start", "auth_events": "event_ts", "billed_usage": "usage_day",
    "customers": "valid_from", "account_payments": "valid_from", "payment_events": "event_ts", "api_keys": "created_at",
    "contracts": "valid_from", "models": "released_at", "territories": "valid_from", "sanctions": "as_of",
}  # fmt: skip
_STEP = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h|d)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def filled(case: Case) -> dict[str, list[Row]]:
    """Every contract table's rows, whole."""
    rows: dict[str, list[Row]] = {name: [] for name in _TABLES}
    began = case.period.start - LONG_AGO
    _fill_people(case, rows, began)
    for name, many in case.rows.items():
        for row in many:
            rows[name] += _DEFAULTS[name](case, _repeated(name, row, began), len(rows[name]))
    _fill_around(case, rows, began)
    return {name: [_typed(_TABLES[name], row) for row in many] for name, many in rows.items()}


def customer_of(case: Case, account: str) -> str:
    """The account's customer: as given, or c1 for a1."""
    return str(case.accounts.get(account, {}).get("customer") or f"c{account.removeprefix('a')}")


def _fill_people(case: Case, rows: dict[str, list[Row]], began: datetime) -> None:
    for account, columns in case.accounts.items():
        own = {name: value for name, value in columns.items() if name not in ("tier", "tiers", "customer")}
        opened = instant(own.pop("opened_at", began))
        rows["accounts"].append(
            {
                "account_id": account, "customer_id": customer_of(case, account), "opened_at": opened,
                "signup_ip_hash": f"ip-{account}", "signup_net_hash": f"net-{account}", "signup_country": "US",
                "signup_device_hash": f"device-{account}", "email_domain": f"{customer_of(case, account)}.example",
                "email_disposable": False, "phone_hash": f"phone-{account}", "programme": "none",
                "zero_retention": False, **own,
            }
        )  # fmt: skip
        rows["account_tiers"] += _tiers(case, account, columns, min(opened, began))
    named = {customer_of(case, account): None for account in case.accounts} | dict.fromkeys(case.customers)
    for customer in named:
        versions = sorted((dict(v or {}) for v in case.customers.get(customer) or [{}]), key=_begins(began))
        for version, after in zip_longest(versions, versions[1:]):
            version.setdefault("valid_to", after and after["valid_from"])
            rows["customers"].append(
                {
                    "customer_id": customer, "name": f"Customer {customer}", "account_manager": "am@example.com",
                    "country": "US", "parent_country": "US", "parent_ownership_pct": 100, "kyc_status": "verified",
                    "kyc_verified_at": case.period.start - timedelta(days=100), "declared_use": "software",
                    "is_ai_developer": False, "valid_from": began, **version,
                }
            )  # fmt: skip


def _begins(began: datetime) -> Any:
    return lambda version: instant(version.get("valid_from") or began)


def _tiers(case: Case, account: str, columns: Row, began: datetime) -> Iterator[Row]:
    if "tiers" not in columns:
        tier = columns.get("tier", case.tier)
        spans = [TierSpan.model_validate({"tier": tier, "from": began})] if tier else []
    else:
        spans = [TierSpan.model_validate(span) for span in columns["tiers"]]
    for span, after in zip_longest(spans, spans[1:]):
        to = span.to or (after.from_ if after else None)
        yield {"account_id": account, "tier": span.tier, "valid_from": span.from_, "valid_to": to}


def _fill_around(case: Case, rows: dict[str, list[Row]], began: datetime) -> None:
    """Keys, cards and models that the rows speak of, unless the case says something of those tables itself."""
    if "api_keys" not in case.rows:
        keys: dict[str, str] = {f"k-{account}": account for account in case.accounts}
        for event in (*rows["usage_events"], *rows["usage_buckets"]):
            if event["api_key_hash"]:
                keys.setdefault(event["api_key_hash"], event["account_id"])
        rows["api_keys"] = [_key(key, account, began) for key, account in keys.items()]
    if "account_payments" not in case.rows:
        rows["account_payments"] = [_card(account, began) for account in case.accounts]
    if "models" not in case.rows:
        used = {e[name] for e in rows["usage_events"] for name in ("model_requested", "model_served")}
        used |= {bucket["model"] for bucket in rows["usage_buckets"]}
        rows["models"] = [_model(model, began) for model in sorted(used - {None})]


def _key(key: str, account: str, began: datetime) -> Row:
    return {"api_key_hash": key, "account_id": account, "created_at": began, "revoked_at": None, "serverless": False}


def _card(account: str, began: datetime) -> Row:
    return {
        "account_id": account, "instrument_hash": f"card-{account}", "instrument_type": "card", "bin_country": "US",
        "valid_from": began, "valid_to": None,
    }  # fmt: skip


def _model(model: str, began: datetime) -> Row:
    return {
        "model": model, "family": model, "predecessor": None, "frontier": False, "released_at": began,
        "retired_at": None, "context_window": 128_000,
    }  # fmt: skip


# ---------------------------------------------------------------- repeating a row


def _repeated(table: str, row: Row, began: datetime) -> list[Row]:
    """A short row as often as it asks for, with its instant under the table's own name."""
    at_name = _AT.get(table, "")
    short = {name: value for name, value in row.items() if name not in ("at", "times", "every", "days")}
    given = row.get("at", row.get(at_name))
    if given is None and table in ("usage_events", "usage_buckets", "auth_events", "payment_events", "billed_usage"):
        raise ValueError(f"a row of {table} needs `at`")
    instants = [instant(one) for one in given] if isinstance(given, list) else [instant(given or began)]
    times, days, step = int(row.get("times", 1)), int(row.get("days", 1)), _step(row.get("every", "1m"))
    accounts = list(spread(str(row["account_id"]))) if row.get("account_id") is not None else [None]
    out = []
    for account in accounts:
        for at in instants:
            n = 0
            for day in range(days):
                for time in range(times):
                    n += 1
                    one = {name: _nth(value, n, day + 1) for name, value in short.items()}
                    if account is not None:
                        one["account_id"] = account
                    if at_name:
                        one[at_name] = at + timedelta(days=day) + time * step
                    out.append(one)
    return out


def _nth(value: Any, n: int, day: int) -> Any:
    if isinstance(value, list):
        value = value[(n - 1) % len(value)]
    return value.replace("{n}", str(n)).replace("{day}", str(day)) if isinstance(value, str) else value


def _step(text: Any) -> timedelta:
    match = _STEP.fullmatch(str(text))
    if not match:
        raise ValueError(f"{text!r} is no step: write 90s, 1m, 2h or 1d")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


# ---------------------------------------------------------------- what is left out


def _events(case: Case, rows: list[Row], before: int) -> list[Row]:
    return [_event(case, row, before + number) for number, row in enumerate(rows, 1)]


def _event(case: Case, row: Row, number: int) -> Row:
    account = row.setdefault("account_id", next(iter(case.accounts)))
    model = row.get("model_requested", "model-1")
    ok = int(row.get("status_code", 200)) < 400
    return {
        "event_id": f"e{number}", "source_system": "native",
        "ingested_ts": row["event_ts"] + timedelta(minutes=1), "api_key_hash": f"k-{account}",
        "end_user_hash": f"user-{account}", "session_id": f"session-{account}", "access_path": "native",
        "operation": "chat", "model_requested": model, "model_served": model if ok else None, "input_tokens": 10,
        "cached_input_tokens": 0, "output_tokens": 10 if ok else 0, "reasoning_tokens": 0, "cost_usd": "0.001",
        "duration_ms": 500, "status_code": 200, "error_class": None if ok else "client",
        "finish_reason": "stop" if ok else None, "max_output_tokens": 1000, "n_choices": 1, "top_logprobs": 0,
        "logit_bias_n": 0, "reasoning_visibility": "none", "content_stored": False, "retention_days": 0,
        "moderation_flagged": False, "client_ip_hash": f"ip-{account}", "client_net_hash": f"net-{account}",
        "ip_country": "US", "ip_asn": 64500, "ip_type": "corporate", "user_agent_family": "python",
        "system_prompt_hash": f"system-{account}", "prompt_template_hash": f"template-{number}",
        "prompt_simhash": number, "topic_id": 1, "lang": "en", "cot_elicit_score": 0.0, "rubric_grade_score": 0.0,
        "benchmark_score": 0.0, "content_available": True, **row,
    }  # fmt: skip


def _buckets(case: Case, rows: list[Row], _before: int) -> list[Row]:
    whole = []
    for row in rows:
        account = row.setdefault("account_id", next(iter(case.accounts)))
        ends = instant(row.pop("bucket_end", utc_midnight(row["bucket_start"].date() + timedelta(days=1))))
        whole.append(
            {
                "source_system": "native", "bucket_end": ends, "ingested_ts": ends + timedelta(hours=1),
                "api_key_hash": f"k-{account}", "model": "model-1", "input_tokens": 10, "cached_input_tokens": 0,
                "output_tokens": 10, "n_requests": 1, "cost_usd": "0.001", **row,
            }
        )  # fmt: skip
    return whole


def _auths(case: Case, rows: list[Row], before: int) -> list[Row]:
    whole = []
    for number, row in enumerate(rows, before + 1):
        account = row.setdefault("account_id", next(iter(case.accounts)))
        whole.append(
            {
                "auth_event_id": f"auth{number}", "ingested_ts": row["event_ts"] + timedelta(minutes=1),
                "api_key_hash": f"k-{account}", "client_ip_hash": f"ip-{account}",
                "client_net_hash": f"net-{account}", "ip_country": "US", "outcome": "ok",
                "user_agent_family": "python", **row,
            }
        )  # fmt: skip
    return whole


def _of_first_account(**defaults: Any) -> Any:
    def fill(case: Case, rows: list[Row], before: int) -> list[Row]:
        first = next(iter(case.accounts))
        return [
            {"account_id": first, **{k: _nth(v, before + n, 1) for k, v in defaults.items()}, **row}
            for n, row in enumerate(rows, 1)
        ]

    return fill


def _of_first_customer(**defaults: Any) -> Any:
    def fill(case: Case, rows: list[Row], before: int) -> list[Row]:
        first = customer_of(case, next(iter(case.accounts)))
        return [
            {"customer_id": first, **{k: _nth(v, before + n, 1) for k, v in defaults.items()}, **row}
            for n, row in enumerate(rows, 1)
        ]

    return fill


def _of_nobody(**defaults: Any) -> Any:
    return lambda _case, rows, _before: [{**defaults, **row} for row in rows]


def _models(case: Case, rows: list[Row], _before: int) -> list[Row]:
    return [_model(row["model"], case.period.start - LONG_AGO) | row for row in rows]


_DEFAULTS: Mapping[str, Any] = {
    "usage_events": _events,
    "usage_buckets": _buckets,
    "auth_events": _auths,
    "billed_usage": _of_first_account(model="model-1", input_tokens=10, output_tokens=10, cost_usd="0.001"),
    "account_payments": _of_first_account(
        instrument_hash="card-{n}", instrument_type="card", bin_country="US", valid_to=None
    ),
    "payment_events": _of_first_account(event_type="charge", amount_usd="10.00"),
    "api_keys": _of_first_account(api_key_hash="key-{n}", revoked_at=None, serverless=False),
    "account_tiers": _of_first_account(tier="build", valid_to=None),
    "contracts": _of_first_customer(
        contract_id="contract-{n}", commit_tokens=None, commit_usd=None, retention_days_max=30, resale_permitted=False,
        valid_to=None,
    ),
    "sanctions": _of_first_customer(list_name="list", entry_id="entry-{n}", match_status="candidate"),
    "territories": _of_nobody(status="supported", valid_to=None),
    "models": _models,
    "customers": _of_nobody(),
    "accounts": _of_nobody(),
}  # fmt: skip


def _typed(table: Table, row: Row) -> Row:
    """All columns of the table in its order; instants and days as such."""
    missing = [c.name for c in table.c if not c.nullable and row.get(c.name) is None]
    if missing:
        raise ValueError(f"a row of {table.name} needs {', '.join(missing)}")
    return {c.name: _as(c.type, row.get(c.name)) for c in table.c}


def _as(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if kind is Instant:
        return instant(value)
    if kind.python_type is date:
        return instant(value).date()
    if kind.python_type is str:
        return str(value)
    if kind.python_type in (int, float) and isinstance(value, str):  # "{n}" stands for a number, too
        return kind.python_type(value)
    if kind.python_type is Decimal:
        return round(Decimal(str(value)), kind.scale)
    return value
