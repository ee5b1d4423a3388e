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
    Column("event_id", String, nullable=False, doc="Unique: source system, colon, request id"),
    Column("source_system", String, nullable=False, doc="litellm, otel, native, azure, ..."),
    Column("event_ts", Instant, nullable=False, doc="Start of the request"),
    Column("ingested_ts", Instant, nullable=False, doc="Arrival in the warehouse"),
    Column("account_id", String, nullable=False, doc="UNMAPPED where the source names none"),
    Column("api_key_hash", String, doc="Salted hash of the API key"),
    Column("end_user_hash", String, doc="The customer's own user, where passed through"),
    Column("session_id", String, doc="Session or conversation of the request"),
    Column("access_path", String, doc="native, azure, bedrock, vertex, aggregator"),
    Column("operation", String, nullable=False, doc="chat, embeddings, completion, batch, finetune, file"),
    Column("model_requested", String, nullable=False, doc="Model that the request names"),
    Column("model_served", String, doc="Model that answered"),
    Column("input_tokens", BigInteger, nullable=False, doc="All input, cached tokens included"),
    Column("cached_input_tokens", BigInteger, doc="Part of input_tokens"),
    Column("output_tokens", BigInteger, nullable=False, doc="All output, reasoning included"),
    Column("reasoning_tokens", BigInteger, doc="Part of output_tokens"),
    Column("cost_usd", Numeric(18, 8), doc="Price of the request"),
    Column("duration_ms", BigInteger, doc="From request to last token"),
    Column("status_code", SmallInteger, nullable=False, doc="HTTP status"),
    Column("error_class", String, doc="rate_limit, auth, policy, quota, server, client"),
    Column("finish_reason", String, doc="stop, length, content_filter, tool_calls, refusal"),
    Column("max_output_tokens", BigInteger, doc="Limit that the request sets"),
    Column("n_choices", SmallInteger, doc="Answers asked for"),
    Column("top_logprobs", SmallInteger, doc="Log-probabilities asked for; 0 or NULL: none"),
    Column("logit_bias_n", SmallInteger, doc="Tokens with a bias"),
    Column("reasoning_visibility", String, doc="none, summary, full, signature_replay"),
    Column("content_stored", Boolean, doc="Whether the provider kept the content"),
    Column("retention_days", Integer, doc="Effective retention of that content"),
    Column("moderation_flagged", Boolean, doc="Whether moderation flagged it"),
    Column("client_ip_hash", String, doc="Salted hash of the address"),
    Column("client_net_hash", String, doc="Salted hash of the /24 or /48"),
    Column("ip_country", String, doc="ISO 3166-1 alpha-2"),
    Column("ip_asn", Integer, doc="Autonomous system number"),
    Column("ip_type", String, doc="residential, mobile, corporate, hosting, vpn, tor"),
    Column("user_agent_family", String, doc="Client library or product"),
    Column("system_prompt_hash", String, doc="Hash of the normalised system prompt"),
    Column("prompt_template_hash", String, doc="Hash of the prompt, variable parts masked"),
    Column("prompt_simhash", BigInteger, doc="64-bit locality-sensitive hash of the prompt"),
    Column("topic_id", Integer, doc="Topic of the operator's taxonomy"),
    Column("lang", String, doc="ISO 639-1"),
    Column("cot_elicit_score", REAL, doc="0 to 1: asks for hidden reasoning"),
    Column("rubric_grade_score", REAL, doc="0 to 1: uses the model as a grader"),
    Column("benchmark_score", REAL, doc="0 to 1: looks like a benchmark or training item"),
    Column("content_available", Boolean, nullable=False, doc="False under zero data retention"),
    info={"doc": "One row per API request. Rows may arrive late."},
)

usage_buckets = Table(
    "usage_buckets",
    source_metadata,
    Column("source_system", String, nullable=False, doc="As in usage_events"),
    Column("bucket_start", Instant, nullable=False, doc="First instant of the bucket"),
    Column("bucket_end", Instant, nullable=False, doc="First instant after it"),
    Column("ingested_ts", Instant, nullable=False, doc="Arrival in the warehouse"),
    Column("account_id", String, nullable=False, doc="UNMAPPED where the source names none"),
    Column("api_key_hash", String, doc="Salted hash of the API key"),
    Column("model", String, doc="Model that was used"),
    Column("input_tokens", BigInteger, nullable=False, doc="All input, cached tokens included"),
    Column("cached_input_tokens", BigInteger, doc="Part of input_tokens"),
    Column("output_tokens", BigInteger, nullable=False, doc="All output, reasoning included"),
    Column("n_requests", BigInteger, doc="Some providers publish none"),
    Column("cost_usd", Numeric(18, 8), doc="Price of the bucket"),
    info={"doc": "Usage of sources that export no single requests. NULL in a dimension: not broken down by it."},
)

auth_events = Table(
    "auth_events",
    source_metadata,
    Column("auth_event_id", String, nullable=False, doc="Unique"),
    Column("event_ts", Instant, nullable=False, doc="Time of the attempt"),
    Column("ingested_ts", Instant, nullable=False, doc="Arrival in the warehouse"),
    Column("account_id", String, doc="NULL where the key belongs to nobody"),
    Column("api_key_hash", String, doc="Salted hash of the key presented"),
    Column("client_ip_hash", String, doc="Salted hash of the address"),
    Column("client_net_hash", String, doc="Salted hash of the /24 or /48"),
    Column("ip_country", String, doc="ISO 3166-1 alpha-2"),
    Column("outcome", String, nullable=False, doc="ok, invalid_key, expired_key, revoked_key, forbidden"),
    Column("user_agent_family", String, doc="Client library or product"),
    info={"doc": "One row per authentication attempt."},
)

billed_usage = Table(
    "billed_usage",
    source_metadata,
    Column("account_id", String, nullable=False, doc="Account billed"),
    Column("usage_day", Date, nullable=False, doc="UTC day"),
    Column("model", String, doc="Model billed"),
    Column("input_tokens", BigInteger, nullable=False, doc="Input billed"),
    Column("output_tokens", BigInteger, nullable=False, doc="Output billed"),
    Column("cost_usd", Numeric(18, 8), nullable=False, doc="Amount billed"),
    info={"doc": "What finance billed, to compare with what was recorded."},
)

customers = Table(
    "customers",
    source_metadata,
    Column("customer_id", String, nullable=False, doc="Customer"),
    Column("name", String, nullable=False, doc="Name in force"),
    Column("account_manager", String, doc="E-mail address"),
    Column("country", String, doc="Country of registration"),
    Column("parent_country", String, doc="Country of the ultimate parent"),
    Column("parent_ownership_pct", Numeric(5, 2), doc="Share that the parent owns, in per cent"),
    Column("kyc_status", String, doc="verified, pending, failed, none"),
    Column("kyc_verified_at", Instant, doc="Last verification of identity"),
    Column("declared_use", String, doc="Use that the customer declared"),
    Column("is_ai_developer", Boolean, doc="Whether it develops AI models"),
    Column("valid_from", Instant, nullable=False, doc="First instant"),
    Column("valid_to", Instant, doc="First instant after; NULL: still valid"),
    info={"doc": "Customers. A changed customer has another row with another validity."},
)

accounts = Table(
    "accounts",
    source_metadata,
    Column("account_id", String, nullable=False, doc="Account"),
    Column("customer_id", String, nullable=False, doc="Customer that owns it"),
    Column("opened_at", Instant, nullable=False, doc="Opening"),
    Column("closed_at", Instant, doc="Closing"),
    Column("banned_at", Instant, doc="Ban"),
    Column("signup_ip_hash", String, doc="Salted hash of the address at sign-up"),
    Column("signup_net_hash", String, doc="Salted hash of its network"),
    Column("signup_country", String, doc="ISO 3166-1 alpha-2"),
    Column("signup_device_hash", String, doc="Salted hash of the device at sign-up"),
    Column("email_domain", String, doc="Domain of the e-mail address"),
    Column("email_disposable", Boolean, doc="Whether the domain gives out throw-away addresses"),
    Column("phone_hash", String, doc="Salted hash of the telephone number"),
    Column("programme", String, doc="education, research, startup, none"),
    Column("zero_retention", Boolean, doc="Whether no content is kept"),
    info={"doc": "Accounts, and the customers that own them."},
)

account_tiers = Table(
    "account_tiers",
    source_metadata,
    Column("account_id", String, nullable=False, doc="Account"),
    Column("tier", String, nullable=False, doc="A tier of the policy book"),
    Column("valid_from", Instant, nullable=False, doc="First instant"),
    Column("valid_to", Instant, doc="First instant after; NULL: still valid"),
    info={"doc": "The tier of each account."},
)

api_keys = Table(
    "api_keys",
    source_metadata,
    Column("api_key_hash", String, nullable=False, doc="Salted hash of the key"),
    Column("account_id", String, nullable=False, doc="Account"),
    Column("created_at", Instant, nullable=False, doc="Creation"),
    Column("revoked_at", Instant, doc="Revocation"),
    Column("serverless", Boolean, doc="Declared to run on changing addresses"),
    info={"doc": "Keys and the accounts that they belong to."},
)

account_payments = Table(
    "account_payments",
    source_metadata,
    Column("account_id", String, nullable=False, doc="Account"),
    Column("instrument_hash", String, nullable=False, doc="Salted hash of the instrument"),
    Column("instrument_type", String, doc="card, prepaid, virtual, wire, crypto"),
    Column("bin_country", String, doc="Country that issued the card"),
    Column("valid_from", Instant, nullable=False, doc="First instant"),
    Column("valid_to", Instant, doc="First instant after; NULL: still valid"),
    info={"doc": "Payment instruments of accounts."},
)

payment_events = Table(
    "payment_events",
    source_metadata,
    Column("account_id", String, nullable=False, doc="Account"),
    Column("event_ts", Instant, nullable=False, doc="Time of the event"),
    Column("event_type", String, nullable=False, doc="charge, decline, refund, chargeback"),
    Column("amount_usd", Numeric(18, 2), doc="Amount"),
    info={"doc": "Charges and what became of them."},
)

contracts = Table(
    "contracts",
    source_metadata,
    Column("contract_id", String, nullable=False, doc="Contract"),
    Column("customer_id", String, nullable=False, doc="Customer"),
    Column("commit_tokens", BigInteger, doc="Tokens committed per calendar month"),
    Column("commit_usd", Numeric(18, 2), doc="Amount committed per calendar month"),
    Column("retention_days_max", Integer, doc="Longest retention of content agreed"),
    Column("resale_permitted", Boolean, doc="Whether resale is agreed"),
    Column("valid_from", Instant, nullable=False, doc="First instant"),
    Column("valid_to", Instant, doc="First instant after; NULL: still valid"),
    info={"doc": "What was agreed with a customer."},
)

models = Table(
    "models",
    source_metadata,
    Column("model", String, nullable=False, doc="Name as in usage"),
    Column("family", String, nullable=False, doc="Model family"),
    Column("predecessor", String, doc="Model that it replaces"),
    Column("frontier", Boolean, nullable=False, doc="Whether it is a frontier model"),
    Column("released_at", Instant, nullable=False, doc="Release"),
    Column("retired_at", Instant, doc="Retirement"),
    Column("context_window", BigInteger, doc="Tokens"),
    info={"doc": "The provider's models."},
)

territories = Table(
    "territories",
    source_metadata,
    Column("country", String, nullable=False, doc="ISO 3166-1 alpha-2"),
    Column("status", String, nullable=False, doc="supported, unsupported, sanctioned"),
    Column("valid_from", Instant, nullable=False, doc="First instant"),
    Column("valid_to", Instant, doc="First instant after; NULL: still valid"),
    info={"doc": "Where the service may be used."},
)

sanctions = Table(
    "sanctions",
    source_metadata,
    Column("list_name", String, nullable=False, doc="List"),
    Column("entry_id", String, nullable=False, doc="Entry of the list"),
    Column("customer_id", String, doc="Exact identity match made by screening"),
    Column("match_status", String, nullable=False, doc="confirmed, candidate, cleared"),
    Column("as_of", Instant, nullable=False, doc="Date of the screening"),
    info={"doc": "Entries of sanctions lists that screening compared with customers."},
)
