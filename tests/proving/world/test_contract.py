"""A world's file is a warehouse of the contract: its tables, its columns, and rows that fit together."""

from __future__ import annotations

import duckdb
import pytest

from audits.warehouse.tables import source_metadata
from tests.proving.world.conftest import Built

COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal ORDER BY 1, 2"
)


def test_the_file_holds_the_contracts_tables_and_nothing_else(world: Built, duckdb_warehouse: str) -> None:
    with duckdb.connect(duckdb_warehouse.removeprefix("duckdb:///"), read_only=True) as reference:
        expected = reference.execute(COLUMNS).fetchall()
    assert world.rows(COLUMNS) == expected
    assert set(world.summary.tables) == {table.name for table in source_metadata.tables.values()}


def test_every_table_has_rows_and_the_summary_counts_them(world: Built) -> None:
    for table, rows in world.summary.tables.items():
        assert rows > 0, table
        assert world.value(f"SELECT count(*) FROM {table}") == rows


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("accounts", "signup_ip_hash"),
        ("accounts", "phone_hash"),
        ("customers", "account_manager"),
        ("customers", "parent_ownership_pct"),
        ("usage_events", "api_key_hash"),
        ("usage_events", "client_ip_hash"),
        ("usage_events", "system_prompt_hash"),
        ("usage_events", "reasoning_tokens"),
        ("usage_events", "end_user_hash"),
    ],
)
def test_a_nullable_column_is_sometimes_recorded_and_sometimes_not(world: Built, table: str, column: str) -> None:
    share = world.value(f"SELECT avg(({column} IS NULL)::INT) FROM {table}")
    assert 0 < share < 1


@pytest.mark.parametrize(
    "misfits",
    [
        "FROM usage_events e ANTI JOIN accounts USING (account_id)",
        "FROM accounts ANTI JOIN customers USING (customer_id)",
        "FROM account_tiers ANTI JOIN accounts USING (account_id)",
        "FROM account_payments ANTI JOIN accounts USING (account_id)",
        "FROM contracts ANTI JOIN customers USING (customer_id)",
        "FROM usage_buckets ANTI JOIN accounts USING (account_id)",
        "FROM billed_usage ANTI JOIN accounts USING (account_id)",
        "FROM usage_events e JOIN api_keys k USING (api_key_hash) WHERE e.account_id <> k.account_id",
        "FROM usage_events e ANTI JOIN models m ON m.model = e.model_served WHERE model_served IS NOT NULL",
        "FROM usage_events e ANTI JOIN api_keys USING (api_key_hash) WHERE api_key_hash IS NOT NULL",
        "FROM usage_events e JOIN api_keys k USING (api_key_hash) WHERE event_ts < created_at - INTERVAL 1 SECOND",
        "FROM usage_events e JOIN accounts a USING (account_id) WHERE event_ts < opened_at - INTERVAL 1 SECOND",
        "FROM usage_events e JOIN accounts a USING (account_id) WHERE event_ts > closed_at + INTERVAL 1 SECOND",
        "FROM usage_events e JOIN models m ON m.model = e.model_served WHERE event_ts < released_at",
        "FROM usage_events e JOIN models m ON m.model = e.model_served WHERE event_ts >= retired_at",
        "FROM usage_events WHERE cached_input_tokens > input_tokens OR reasoning_tokens > output_tokens",
        "FROM usage_events WHERE input_tokens < 0 OR output_tokens < 0 OR ingested_ts < event_ts",
        "FROM usage_events WHERE status_code = 200 AND error_class IS NOT NULL",
        "FROM (FROM usage_events SELECT event_id GROUP BY event_id HAVING count(*) > 1)",
        "FROM usage_events WHERE NOT content_available AND prompt_template_hash IS NOT NULL",
        "FROM accounts a ANTI JOIN account_tiers t ON t.account_id = a.account_id AND t.valid_from = a.opened_at",
        "FROM account_tiers WHERE valid_to <= valid_from",
        "FROM customers WHERE valid_to <= valid_from",
        "FROM api_keys WHERE revoked_at <= created_at",
    ],
)
def test_without_planted_faults_nothing_misfits(calm: Built, misfits: str) -> None:
    assert calm.value(f"SELECT count(*) {misfits}") == 0


def test_all_requests_lie_in_the_world_and_arrive_within_a_day(calm: Built) -> None:
    first, last, slowest = calm.rows(
        "SELECT min(event_ts), max(event_ts), max(ingested_ts - event_ts) FROM usage_events"
    )[0]
    assert calm.summary.begin <= first
    assert last < calm.summary.end
    assert slowest.total_seconds() < 86_400


def test_bills_agree_with_usage_to_the_cent(calm: Built) -> None:
    differing = calm.value("""
        WITH used AS (SELECT account_id, sum(cost_usd) AS cost FROM usage_events GROUP BY 1),
            billed AS (SELECT account_id, sum(cost_usd) AS cost FROM billed_usage GROUP BY 1)
        SELECT count(*) FROM used JOIN billed USING (account_id) WHERE abs(used.cost - billed.cost) > 0.05
    """)
    assert differing == 0


def test_names_that_attack_the_reader_are_among_the_customers(world: Built) -> None:
    names = {name for (name,) in world.rows("SELECT name FROM customers")}
    for part in ("<script>", "=cmd|", "\n", "\u202e", "DROP TABLE", "🚀"):
        assert any(part in name for name in names), part
