"""A large population for linkage: the dimensions and, since linkage reads no requests, the rollups of five weeks.

A tenth are campaigns of a thousand that share cards, devices and prompts in batches; the others share mail providers,
networks, tools and a popular agent's prompt with heavy tails.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
from sqlalchemy import create_engine

from audits.warehouse import warehouse
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

FIRST = "DATE '2026-09-07'"
U = "(hash({}, i) % 1000003 / 1000003.0)"  # uniform in [0, 1), by a seed


def build(file: Path, accounts: int) -> None:
    """Write the contract's tables into ``file`` and the rollups beside it."""
    engine = create_engine(f"duckdb:///{file}").execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    engine.dispose()
    of = f"FROM range({accounts}) t(i)"
    campaign = f"(i < {accounts // 10})"
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_accounts(of, campaign))
        connection.execute(
            "INSERT INTO account_tiers BY NAME SELECT 'a' || i AS account_id, "
            f"CASE WHEN i % 2 = 0 THEN 'free' ELSE 'build' END AS tier, TIMESTAMPTZ '2024-01-01' AS valid_from {of}"
        )
        card = f"CASE WHEN {campaign} THEN 'c' || i // 1000 || '-' || hash(7, i) % 200 "
        card += "WHEN i % 33 < 2 THEN 'c-' || i // 33 ELSE 'card' || i END"
        connection.execute(
            f"INSERT INTO account_payments BY NAME SELECT 'a' || i AS account_id, {card} AS instrument_hash, "
            f"TIMESTAMPTZ '2026-08-01' AS valid_from {of} WHERE i % 5 > 0"
        )
    with warehouse(f"duckdb:///{file}", write=True):
        pass  # makes the rollups' tables
    with duckdb.connect(str(file.with_name(f"{file.stem}.rollups.duckdb"))) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in _rollups(of, campaign):
            connection.execute(statement)


def _accounts(of: str, campaign: str) -> str:
    return f"""
    INSERT INTO accounts BY NAME
    SELECT 'a' || i AS account_id, 'c' || i AS customer_id,
        TIMESTAMPTZ '2026-09-20' - to_minutes(CAST(CASE WHEN {campaign} THEN i // 1000 * 1440 + i % 1000 // 15 * 90
            + {U.format(1)} * 10 ELSE 864000 * {U.format(1)} END AS BIGINT)) AS opened_at,
        'L' || i % 11 AS signup_country, 'ip' || i AS signup_ip_hash,
        'net' || i % 11 || '-' || CAST(6000 * pow({U.format(2)}, 2) AS INTEGER) AS signup_net_hash,
        CASE WHEN {campaign} THEN 'd' || i // 1000 || '-' || hash(3, i) % 250 ELSE 'dev' || i END AS signup_device_hash,
        CASE WHEN {U.format(4)} < 0.5 THEN 'mail' || i % 3 WHEN {U.format(4)} < 0.7 THEN 'post' || i % 33
            ELSE 'own' || i END AS email_domain,
        {U.format(5)} < 0.03 AS email_disposable, 'tel' || i AS phone_hash {of}
    """


def _rollups(of: str, campaign: str) -> list[str]:
    own = "TIMESTAMPTZ '2026-09-08' AS slice_start, 'a' || i AS account_id"
    a_day = f"{FIRST} + CAST(hash(11, i, d) % 35 AS INTEGER)"
    busy = f"({campaign} OR i % 6 = 0)"
    net = "'net' || i % 11 || '-' || CAST(6000 * pow(hash(12, i, d) % 100003 / 100003.0, 2) AS INTEGER)"
    tool = "'s' || CAST(5000 * pow(hash(13, i, d) % 100003 / 100003.0, 2) AS INTEGER)"
    prompt = f"CASE WHEN {campaign} THEN 'sc' || i // 1000 || '-' || d WHEN d = 0 AND i % 5 = 1 THEN 'harness' "
    prompt += f"WHEN d = 1 THEN {tool} ELSE 's' || i || '-' || d END"
    rate = f"3 + hash(14, i, h) % 9 + CASE WHEN {campaign} THEN hash(i // 1000, d, h) % 25 ELSE 0 END"
    return [
        f"""INSERT INTO audit.account_day BY NAME SELECT {a_day} AS day, {own}, 'native' AS source_system,
            'event' AS grain, 20 AS n_requests, 20 AS n_ok, CAST(4000 * exp({U.format(15)}) AS BIGINT) AS input_tokens,
            CAST(2000 * exp({U.format(16)}) AS BIGINT) AS output_tokens, now() AS used_from, now() AS used_until
            {of}, range(10) s(d)""",
        f"""INSERT INTO audit.account_client_day BY NAME SELECT {a_day} AS day, {own}, 'k' || i AS api_key_hash,
            CASE WHEN d = 2 THEN 'home' || i ELSE {net} END AS client_net_hash, 'L' || i % 11 AS ip_country,
            30 AS n_requests, 30 AS n_ok {of}, range(6) s(d)""",
        f"""INSERT INTO audit.account_prompt_day BY NAME SELECT {a_day} AS day, {own}, {prompt} AS system_prompt_hash,
            'tpl-' || {prompt} AS prompt_template_hash, 30 AS n_requests, 30 AS n_ok, 0 AS n_refused,
            0 AS n_perhaps_several, 900 AS output_tokens {of}, range(4) s(d)""",
        f"""INSERT INTO audit.account_hour BY NAME SELECT {FIRST} + CAST(d AS INTEGER) AS day, {own},
            CAST(h AS SMALLINT) AS hour, {rate} AS n_requests, 3 AS n_ok, 900 AS output_tokens
            {of}, range(35) s(d), range(24) r(h)
            WHERE {busy} AND hash(17, i, d) % 3 > 0 AND hash(18, i, d, h) % 4 = 0""",
    ]
