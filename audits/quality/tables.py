"""What quality keeps in the audit's own schema: the profile of each day, and the verdict on it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Numeric, SmallInteger, String, Table, Text

from audits.warehouse.tables import Instant, audit_metadata

COUNTS = (
    "n_failed",  # HTTP status 400 or above
    "n_keyed",  # a key is recorded
    "n_keyless",
    "n_repeated",  # rows delivered again, that say what another says: set aside, and not among the rows
    "n_conflicting",  # rows that say something else under the id of the row that counts
    "n_elsewhere",  # buckets that another source has as well
    "n_negative",  # input, output or cost below zero
    "n_cached_above_input",
    "n_reasoning_above_output",
    "n_impossible",  # any of the three
    "n_over_context",  # input and output above so many context windows of the model
    "n_unmapped",  # the source names no account
    "n_unknown_account",  # an account that the dimensions do not have
    "n_unknown_key",  # a key that the dimensions do not have
    "n_revoked_key",  # a request that succeeded with a key revoked before it
    "n_unknown_model",
    "n_late",  # arrived so many hours after the request
    "n_future",  # arrived so many minutes before the request
    "n_raw",  # a key, address or prompt in a text column
    "n_overlapping",  # buckets that another bucket counts too
)
"""What is counted in an hour of a source, besides its rows."""

quality_profiles = Table(
    "quality_profiles",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("version", String, nullable=False),  # of the profile, with all beside rows that its counts are made with
    Column("n_rows", BigInteger, nullable=False),  # the source's rows when the day was profiled
    Column("watermark", Instant),
    Column("other_days", String, nullable=False),  # digest of what rows of other days repeat or overlap of it
)

quality_hours = Table(
    "quality_hours",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("hour", SmallInteger, primary_key=True),  # 0 to 23
    Column("source_system", String, primary_key=True),
    Column("grain", String, primary_key=True),  # event, bucket
    Column("n_rows", BigInteger, nullable=False),
    Column("n_accounts", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in COUNTS),
)

quality_clients = Table(
    "quality_clients",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("source_system", String, primary_key=True),
    Column("n_addressed", BigInteger, nullable=False),  # rows whose client address is recorded
    Column("n_busiest", BigInteger, nullable=False),  # those of the busiest address
    Column("n_accounts", BigInteger, nullable=False),  # accounts that used the busiest address
)

quality_delays = Table(
    "quality_delays",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("source_system", String, primary_key=True),
    Column("quarters", BigInteger, primary_key=True),  # quarter hours from the request to its arrival, rounded down
    Column("n_rows", BigInteger, nullable=False),
)

quality_accounts = Table(
    "quality_accounts",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("source_system", String, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("n_rows", BigInteger, nullable=False),  # requests, or buckets where only those are known
    Column("n_failed", BigInteger),  # NULL: not known of buckets
    Column("n_costed", BigInteger, nullable=False),  # rows whose cost is recorded
    Column("tokens", BigInteger, nullable=False),  # input and output
    Column("cost_usd", Numeric(18, 8)),
)

quality_raw_text = Table(
    "quality_raw_text",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("source_system", String, primary_key=True),
    Column("table_name", String, primary_key=True),
    Column("column_name", String, primary_key=True),
    Column("kind", String, primary_key=True),  # what it looks like
    Column("n_rows", BigInteger, nullable=False),
)

quality_days = Table(
    "quality_days",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("source_system", String, primary_key=True),
    Column("verdict", String, nullable=False),  # good, degraded, blocked
    Column("reasons", Text, nullable=False),  # JSON
    Column("figures", Text, nullable=False),  # JSON: check -> the figure that was held against its limit
    Column("inputs", String, nullable=False),  # digest of the figures and limits that were judged
)
