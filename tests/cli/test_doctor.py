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
