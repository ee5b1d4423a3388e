"""`audits doctor` says which rules wait for what is not recorded, and ends with the next step."""

from typer.testing import CliRunner

from audits.cli import app
from tests.rows import REFERENCE, account, events, put, run_sql, together

WORLD = together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)})


def test_the_command_says_which_rules_wait_and_ends_with_the_next_step(duckdb_warehouse, monkeypatch):
    put(duckdb_warehouse, WORLD)
    monkeypatch.setenv("AUDITS_WAREHOUSE_URL", duckdb_warehouse)
    run_sql(duckdb_warehouse, "ALTER TABLE usage_events DROP COLUMN ip_asn")
    fine = CliRunner().invoke(app, ["doctor", "--now", "2026-11-04"])
    assert fine.exit_code == 0
    assert "R17" in fine.output
    assert "audits run" in fine.output
    run_sql(duckdb_warehouse, "DROP TABLE accounts")
    broken = CliRunner().invoke(app, ["doctor", "--now", "2026-11-04"])
    assert broken.exit_code == 1
    assert "accounts" in broken.output


def test_with_an_error_it_still_gives_advice_on_tiers_and_duplicates(duckdb_warehouse, monkeypatch):
    put(duckdb_warehouse, WORLD | {"account_tiers": [tier | {"tier": "Gold"} for tier in WORLD["account_tiers"]]})
    rows = [row | {"output_tokens": 99, "session_id": "two words"} for row in WORLD["usage_events"]]
    put(duckdb_warehouse, {"usage_events": rows})
    monkeypatch.setenv("AUDITS_WAREHOUSE_URL", duckdb_warehouse)
    said = CliRunner().invoke(app, ["doctor", "--now", "2026-11-04"])
    text = " ".join(said.output.split())
    assert said.exit_code == 1
    assert "1 of these is an error: what it concerns cannot be audited." in text
    assert "no tier 'Gold'" in text
    assert "Up to 50% of a day's rows say something else under the event id of another row" in text
    assert "1 day (2026-10-05) will be blocked" in text


def test_rows_that_were_delivered_again_are_no_matter_for_it(duckdb_warehouse, monkeypatch):
    put(duckdb_warehouse, WORLD)
    put(duckdb_warehouse, {"usage_events": WORLD["usage_events"]})
    monkeypatch.setenv("AUDITS_WAREHOUSE_URL", duckdb_warehouse)
    said = CliRunner().invoke(app, ["doctor", "--now", "2026-11-04"])
    assert said.exit_code == 0
    assert "event id" not in said.output
