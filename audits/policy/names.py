"""The names that a policy book may use: clause families, states, and the limits of the quality gate."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "COMPETE": "outputs used to train a competing model",
        "EXTRACT": "data taken out other than as permitted",
        "KEYS": "keys or accounts shared, sold or handed on",
        "LIMITS": "rate or usage limits circumvented",
        "RESALE": "access resold or leased",
        "ACCOUNTS": "several accounts to avoid detection, or a new one after a ban",
        "TERRITORY": "use from, or ownership in, an unsupported region",
        "SAFEGUARDS": "protections bypassed or probed",
        "ENTITLEMENT": "a capability or model outside of the tier",
        "RETENTION": "content kept against the contract (the provider's own duty)",
        "PAYMENT": "payment instruments abused",
        "KYC": "identity not verified",
        "SANCTIONS": "parties on a sanctions list",
    }
)
"""Clause families, each with what its clauses usually forbid."""

EFFECTS = ("forbidden", "permitted")
STATUSES = ("draft", "shadow", "active", "retired")
STANDINGS = ("good", "watch", "restricted", "suspended-recommended")
ENTITLEMENT_KINDS = ("model", "model_family", "operation", "capability", "access_path")
TERRITORY_STATUSES = ("supported", "unsupported", "sanctioned")
QUALITY_SEVERITIES = ("warn", "degrade", "block")
SUBJECTS = ("account", "group", "key", "customer", "network")
CHANNELS = ("email", "webhook", "files")
AUDIENCES = ("compliance", "account_manager", "engineer", "auditor")
PERIODS = ("day", "week", "month", "quarter")
FORMATS = ("html", "pdf", "csv", "xlsx", "json", "ocsf")

QUALITY_CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "duplicate_share": "share of a day's rows that conflict with a row of their event id, that day or in 31 days",
        "duplicate_share_block": "the same share, from which the day cannot be judged at all",
        "impossible_token_share": "share of rows with cached > input, reasoning > output or negative tokens or costs",
        "over_context_factor": "input plus output over the model's context window, from which a row is impossible",
        "over_context_share": "share of rows above that factor",
        "empty_key_share": "share of rows without a key, in a source that records keys",
        "unmapped_account_share": "share of rows that no account can be named for",
        "orphan_account_share": "share of rows whose account the dimensions do not have",
        "orphan_key_share": "share of rows whose key is unknown, or was revoked before the request",
        "missing_hours": "hours of a day without any row, where the hours four weeks before had rows",
        "hour_drop_share": "fall of an hour against the same hour of four weeks before",
        "hour_rows_min": "rows an hour needs in the comparison before a fall is judged",
        "lost_hours": "hours that lost rows of nearly every account, by the odds below",
        "loss_odds": "times that an hour's rows must be likelier under a loss than without one",
        "late_hours": "hours between a request and its arrival, from which it is late",
        "late_share": "share of a day's rows that are late",
        "future_minutes": "minutes by which an event may lie after its own arrival (clocks differ)",
        "future_share": "share of rows beyond that",
        "shifted_share": "share of rows whose delay is whole hours off the usual, as under a wrong time zone",
        "billing_tolerance": "difference of cost or tokens to what was billed, a month and account",
        "busy_requests_without_failure": "requests of 28 days without one failure, above which they are not exported",
        "one_address_share": "share of an account's or source's rows from one address: a gateway hides the clients",
        "raw_secret_rows": "rows with a key, address or prompt in a text column",
        "bucket_overlap_rows": "usage buckets that overlap another of the same account, key and model",
        "unknown_model_share": "share of rows with a model that the dimensions do not have",
    }
)
"""The limits that the quality gate asks for, by name."""
