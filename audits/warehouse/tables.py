"""The warehouse contract as SQLAlchemy Core: the tables that an operator exposes to the audit, read-only.

NULL means "not recorded by this source", never "no" and never zero. All instants are UTC. The placeholder schema
``source`` becomes the real place of the tables when a statement runs (see :mod:`audits.warehouse.engines`).
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
)

SOURCE_SCHEMA = "source"
AUDIT_SCHEMA = "audit"

source_metadata = MetaData(schema=SOURCE_SCHEMA)
audit_metadata = MetaData(schema=AUDIT_SCHEMA)  # the rollups, groups and quality verdicts: all that the audit writes

Instant = DateTime(timezone=True)

usage_events = Table(
    "usage_events",
    source_metadata,
    Column("event_id", String, nullable=False),
    Column("source_system", String, nullable=False),
    Column("event_ts", Instant, nullable=False),
    Column("ingested_ts", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("api_key_hash", String),
    Column("end_user_hash", String),
    Column("session_id", String),
    Column("access_path", String),
    Column("operation", String, nullable=False),
    Column("model_requested", String, nullable=False),
    Column("model_served", String),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger),
    Column("cost_usd", Numeric(18, 8)),
    Column("duration_ms", BigInteger),
    Column("status_code", SmallInteger, nullable=False),
    Column("error_class", String),
    Column("finish_reason", String),
    Column("max_output_tokens", BigInteger),
    Column("n_choices", SmallInteger),
    Column("top_logprobs", SmallInteger),
    Column("logit_bias_n", SmallInteger),
    Column("reasoning_visibility", String),
    Column("content_stored", Boolean),
    Column("retention_days", Integer),
    Column("moderation_flagged", Boolean),
    Column("client_ip_hash", String),
    Column("client_net_hash", String),
    Column("ip_country", String),
    Column("ip_asn", Integer),
    Column("ip_type", String),
    Column("user_agent_family", String),
    Column("system_prompt_hash", String),
    Column("prompt_template_hash", String),
    Column("prompt_simhash", BigInteger),
    Column("topic_id", Integer),
    Column("lang", String),
    Column("cot_elicit_score", REAL),
    Column("rubric_grade_score", REAL),
    Column("benchmark_score", REAL),
    Column("content_available", Boolean, nullable=False),
)

usage_buckets = Table(
    "usage_buckets",
    source_metadata,
    Column("source_system", String, nullable=False),
    Column("bucket_start", Instant, nullable=False),
    Column("bucket_end", Instant, nullable=False),
    Column("ingested_ts", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("api_key_hash", String),
    Column("model", String),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger),
    Column("output_tokens", BigInteger, nullable=False),
    Column("n_requests", BigInteger),
    Column("cost_usd", Numeric(18, 8)),
)

auth_events = Table(
    "auth_events",
    source_metadata,
    Column("auth_event_id", String, nullable=False),
    Column("event_ts", Instant, nullable=False),
    Column("ingested_ts", Instant, nullable=False),
    Column("account_id", String),
    Column("api_key_hash", String),
    Column("client_ip_hash", String),
    Column("client_net_hash", String),
    Column("ip_country", String),
    Column("outcome", String, nullable=False),
    Column("user_agent_family", String),
)

billed_usage = Table(
    "billed_usage",
    source_metadata,
    Column("account_id", String, nullable=False),
    Column("usage_day", Date, nullable=False),
    Column("model", String),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Numeric(18, 8), nullable=False),
)

customers = Table(
    "customers",
    source_metadata,
    Column("customer_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("account_manager", String),
    Column("country", String),
    Column("parent_country", String),
    Column("parent_ownership_pct", Numeric(5, 2)),
    Column("kyc_status", String),
    Column("kyc_verified_at", Instant),
    Column("declared_use", String),
    Column("is_ai_developer", Boolean),
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant),
)

accounts = Table(
    "accounts",
    source_metadata,
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("banned_at", Instant),
    Column("signup_ip_hash", String),
    Column("signup_net_hash", String),
    Column("signup_country", String),
    Column("signup_device_hash", String),
    Column("email_domain", String),
    Column("email_disposable", Boolean),
    Column("phone_hash", String),
    Column("programme", String),
    Column("zero_retention", Boolean),
)

account_tiers = Table(
    "account_tiers",
    source_metadata,
    Column("account_id", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant),
)

api_keys = Table(
    "api_keys",
    source_metadata,
    Column("api_key_hash", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("serverless", Boolean),
)

account_payments = Table(
    "account_payments",
    source_metadata,
    Column("account_id", String, nullable=False),
    Column("instrument_hash", String, nullable=False),
    Column("instrument_type", String),
    Column("bin_country", String),
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant),
)

payment_events = Table(
    "payment_events",
    source_metadata,
    Column("account_id", String, nullable=False),
    Column("event_ts", Instant, nullable=False),
    Column("event_type", String, nullable=False),
    Column("amount_usd", Numeric(18, 2)),
)

contracts = Table(
    "contracts",
    source_metadata,
    Column("contract_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("commit_tokens", BigInteger),
    Column("commit_usd", Numeric(18, 2)),
    Column("retention_days_max", Integer),
    Column("resale_permitted", Boolean),
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant),
)

models = Table(
    "models",
    source_metadata,
    Column("model", String, nullable=False),
    Column("family", String, nullable=False),
    Column("predecessor", String),
    Column("frontier", Boolean, nullable=False),
    Column("released_at", Instant, nullable=False),
    Column("retired_at", Instant),
    Column("context_window", BigInteger),
)

territories = Table(
    "territories",
    source_metadata,
    Column("country", String, nullable=False),
    Column("status", String, nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant),
)

sanctions = Table(
    "sanctions",
    source_metadata,
    Column("list_name", String, nullable=False),
    Column("entry_id", String, nullable=False),
    Column("customer_id", String),
    Column("match_status", String, nullable=False),
    Column("as_of", Instant, nullable=False),
)
