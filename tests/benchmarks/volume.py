"""A month of made-up usage of any size in DuckDB, by SQL alone: heavy-tailed accounts, few clients and templates."""

from __future__ import annotations

from pathlib import Path

import duckdb
from sqlalchemy import create_engine

from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

START = "2026-10-01 00:00:00+00"
MONTH_US = 31 * 86_400 * 1_000_000


def build(file: Path, events: int, accounts: int) -> None:
    """Write the contract's tables with ``events`` requests of ``accounts`` accounts in October 2026."""
    engine = create_engine(f"duckdb:///{file}").execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    engine.dispose()
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = true")
        for statement in _people(accounts):
            connection.execute(statement)
        connection.execute(_usage(events, accounts))


def _people(accounts: int) -> list[str]:
    since, verified = "TIMESTAMPTZ '2024-01-01 00:00:00+00'", "TIMESTAMPTZ '2026-06-01 00:00:00+00'"
    tier = "list_extract(['free', 'free', 'free', 'free', 'build', 'build', 'build', 'scale', 'scale', 'enterprise'], "
    tier += "i % 10 + 1)"
    of = f"FROM range({accounts}) t(i)"
    return [
        f"INSERT INTO customers BY NAME SELECT 'c' || i AS customer_id, 'Customer ' || i AS name, 'US' AS country, "
        f"'US' AS parent_country, 'verified' AS kyc_status, {verified} AS kyc_verified_at, {since} AS valid_from {of}",
        f"INSERT INTO accounts BY NAME SELECT 'a' || i AS account_id, 'c' || i AS customer_id, {since} AS opened_at, "
        f"'ip' || i AS signup_ip_hash, 'net' || (i // 2) AS signup_net_hash, 'dev' || i AS signup_device_hash, "
        f"'mail' || (i % 900) AS email_domain, false AS zero_retention {of}",
        f"INSERT INTO account_tiers BY NAME SELECT 'a' || i AS account_id, {tier} AS tier, {since} AS valid_from {of}",
        f"INSERT INTO api_keys BY NAME SELECT 'k' || i AS api_key_hash, 'a' || i AS account_id, {since} AS created_at, "
        f"false AS serverless {of}",
        f"INSERT INTO account_payments BY NAME SELECT 'a' || i AS account_id, 'card' || i AS instrument_hash, "
        f"'card' AS instrument_type, {since} AS valid_from {of}",
        "INSERT INTO models BY NAME SELECT 'm' || i AS model, 'm' AS family, false AS frontier, "
        f"{since} AS released_at, 200000 AS context_window FROM range(4) t(i)",
        f"INSERT INTO territories BY NAME SELECT 'XX' AS country, 'unsupported' AS status, {since} AS valid_from",
    ]


def _usage(events: int, accounts: int) -> str:
    # u is uniform in [0, 1) and its third power heavy-tailed: a tenth of the accounts makes half of the requests.
    return f"""
    INSERT INTO usage_events BY NAME
    WITH drawn AS (
        SELECT i, CAST(floor(pow((hash(i) % 1000003) / 1000003.0, 3) * {accounts}) AS BIGINT) AS a,
            hash(i, 1) AS h1, hash(i, 2) AS h2, hash(i, 3) AS h3
        FROM range({events}) t(i)
    )
    SELECT 'native:' || i AS event_id, 'native' AS source_system,
        TIMESTAMPTZ '{START}' + to_microseconds(CAST(i * {MONTH_US / events} AS BIGINT)) AS event_ts,
        event_ts + to_microseconds(CAST(h1 % 60000000 AS BIGINT)) AS ingested_ts,
        'a' || a AS account_id, 'k' || a AS api_key_hash, 's' || (i // 7) AS session_id, 'native' AS access_path,
        'chat' AS operation, 'm' || ((a + h1 % 2) % 4) AS model_requested, model_requested AS model_served,
        CAST(h2 % 3000 AS BIGINT) AS input_tokens, CAST(h2 % 100 AS BIGINT) AS cached_input_tokens,
        CAST(h3 % 900 AS BIGINT) AS output_tokens, CAST(0 AS BIGINT) AS reasoning_tokens, 0.002 AS cost_usd,
        CASE WHEN h3 % 40 = 0 THEN 429 ELSE 200 END AS status_code, 'stop' AS finish_reason, 0 AS top_logprobs,
        0 AS logit_bias_n, 'none' AS reasoning_visibility, false AS content_stored, false AS moderation_flagged,
        'ip' || a || '-' || h1 % 3 AS client_ip_hash, 'net' || a || '-' || h1 % 3 AS client_net_hash,
        CASE WHEN a % 10 = 0 THEN 'DE' ELSE 'US' END AS ip_country, CAST(a % 300 AS INTEGER) AS ip_asn,
        'corporate' AS ip_type, CASE WHEN h2 % 9 = 0 THEN 'node' ELSE 'python' END AS user_agent_family,
        'sys' || a % 4000 AS system_prompt_hash, 'tpl' || a || '-' || h3 % 5 AS prompt_template_hash,
        CAST(h1 % 1000000007 AS BIGINT) AS prompt_simhash, CAST((a + h2 % 5) % 60 AS INTEGER) AS topic_id, 'en' AS lang,
        (h2 % 40) / 100.0 AS cot_elicit_score, (h3 % 30) / 100.0 AS rubric_grade_score, 0.1 AS benchmark_score,
        true AS content_available
    FROM drawn
    """
