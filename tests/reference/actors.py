"""Accounts of a generated world: what one is on record as, and how it adds requests."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tests.reference.validity import Row
from tests.rows import LONG_AGO, event

RECORDED: Row = {
    "end_user_hash": "user", "n_choices": 1, "top_logprobs": 0, "logit_bias_n": 0, "reasoning_visibility": "none",
    "moderation_flagged": False, "retention_days": 10, "max_output_tokens": 100, "output_tokens": 5,
    "input_tokens": 10, "ip_type": "corporate", "topic_id": 1,
}  # fmt: skip
"""Columns that every request of these worlds has, on top of those of ``tests.rows.event``."""

RAW_KEY = "sk-" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6"
"""What blocks the day on which a source delivers it."""


@dataclass
class Rows:
    """The rows of a world, table by table."""

    tables: defaultdict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def add(self, table: str, **row: Any) -> None:
        self.tables[table].append(row)


@dataclass
class Actor:
    """One account: the requests that it makes are numbered, so that ids are the same in every run."""

    rows: Rows
    account: str
    customer: str
    tier: str
    source: str
    grain: str = "event"
    hidden: tuple[str, ...] = ()  # columns that are not recorded, on every so many of its requests
    hidden_every: int = 1
    count: int = 0
    tried: int = 0

    def requests(self, n: int, start: datetime, *, every: float = 30.0, **columns: Any) -> list[Row]:
        """Add ``n`` requests from an instant on, ``every`` so many seconds."""
        made = []
        for number in range(n):
            self.count += 1
            own: Row = {
                "source_system": self.source, "session_id": f"{self.account}-s{self.count}",
                "prompt_simhash": hash_of(self.account, self.count),
            }  # fmt: skip
            varied = {name: value(number) if callable(value) else value for name, value in columns.items()}
            row = event(
                f"{self.account}-{self.count}", self.account, start + timedelta(seconds=every * number),
                **(RECORDED | own | varied),
            )  # fmt: skip
            if row["status_code"] >= 400:
                row |= {"output_tokens": 0, "finish_reason": None}
            if template := row["prompt_template_hash"]:  # as it stands in a warehouse: no text, which the gate refuses
                row["prompt_template_hash"] = hashlib.sha256(template.encode()).hexdigest()[:16]
            if self.count % self.hidden_every == 0:
                row |= dict.fromkeys(self.hidden)
            made.append(row)
        self.rows.tables["usage_events"] += made
        return made

    def bucket(
        self, day: date, n_requests: int | None, *, first_hour: int = 0, hours: int = 24, **columns: Any
    ) -> None:
        """Add usage of a day, or of some of its hours, as one bucket."""
        start = dawn(day) + timedelta(hours=first_hour)
        row = {
            "source_system": f"{self.source}-b", "bucket_start": start, "bucket_end": start + timedelta(hours=hours),
            "ingested_ts": start + timedelta(days=1), "account_id": self.account, "api_key_hash": None, "model": "m-1",
            "input_tokens": 10, "output_tokens": 5, "n_requests": n_requests,
        }  # fmt: skip
        self.rows.add("usage_buckets", **(row | columns))

    def attempts(self, n: int, start: datetime, outcome: str, *, every: float = 20.0, **columns: Any) -> None:
        """Add ``n`` attempts to authenticate with keys of their own, from one network."""
        for number in range(n):
            at = start + timedelta(seconds=every * number)
            self.tried += 1
            row = {
                "auth_event_id": f"auth-{self.account}-{self.tried}", "event_ts": at,
                "ingested_ts": at + timedelta(seconds=5), "account_id": None,
                "api_key_hash": f"tried-{self.account}-{self.tried}", "client_net_hash": f"net-auth-{self.account}",
                "client_ip_hash": None, "ip_country": "US", "outcome": outcome, "user_agent_family": "python",
            }  # fmt: skip
            varied = {name: value(number) if callable(value) else value for name, value in columns.items()}
            self.rows.add("auth_events", **(row | varied))


def hash_of(account: str, number: int) -> int:
    """A number for each prompt that is the same in every run."""
    return sum(ord(letter) * 131**place for place, letter in enumerate(account[-6:])) * 10_000 + number


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


def dawn(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def on_record(actor: Actor, tiers: Sequence[tuple[str, datetime, datetime | None]], **columns: Any) -> None:
    """Add the dimension rows of an account and of its customer."""
    customer = {name.removeprefix("c_"): value for name, value in columns.items() if name.startswith("c_")}
    account = {name: value for name, value in columns.items() if not name.startswith("c_")}
    if not any(row["customer_id"] == actor.customer for row in actor.rows.tables["customers"]):
        actor.rows.add(
            "customers",
            **(
                {
                    "customer_id": actor.customer, "name": f"Customer {actor.customer}", "country": "US",
                    "kyc_status": "verified", "kyc_verified_at": datetime(2026, 6, 1, tzinfo=UTC),
                    "parent_country": "US", "parent_ownership_pct": 100, "valid_from": LONG_AGO,
                }
                | customer
            ),
        )  # fmt: skip
    actor.rows.add(
        "accounts",
        **({"account_id": actor.account, "customer_id": actor.customer, "opened_at": LONG_AGO, "zero_retention": False,
            "signup_device_hash": f"device-{actor.account}"} | account),
    )  # fmt: skip
    for tier, start, end in tiers:
        actor.rows.add("account_tiers", account_id=actor.account, tier=tier, valid_from=start, valid_to=end)
    key = event("0", actor.account, LONG_AGO)["api_key_hash"]
    actor.rows.add("api_keys", api_key_hash=key, account_id=actor.account, created_at=LONG_AGO, serverless=False)
    actor.rows.add(
        "account_payments", account_id=actor.account, instrument_hash=f"card-{actor.account}", instrument_type="card",
        bin_country="US", valid_from=LONG_AGO,
    )  # fmt: skip
