"""`audits run` on a warehouse without usage says what is missing and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from audits.cli import app
from tests.rows import REFERENCE, account, events, put, together

WEEK = ("--period", "2026-W41", "--now", "2026-11-10")


def run(url: str, folder: Path, *words: str) -> Result:
    environment = {"AUDITS_WAREHOUSE_URL": url, "AUDITS_OUT": str(folder / "out"), "COLUMNS": "300"}
    return CliRunner().invoke(app, words, env=environment)


def test_a_warehouse_without_usage_is_said_to_have_none(url: str, tmp_path: Path) -> None:
    put(url, together(account("a"), REFERENCE))
    said = run(url, tmp_path, "run", *WEEK)
    assert said.exit_code == 0, said.output
    assert "The warehouse has no usage in 2026-W41" in said.output
    assert "usage_events and usage_buckets have no rows" in said.output
    assert "Next   audits source load" in said.output


@pytest.mark.parametrize(("day", "missing"), [("2026-10-05", ""), ("2026-11-05", "from 2026-11-05 to 2026-11-05")])
def test_only_a_period_without_usage_is_named(duckdb_warehouse: str, tmp_path: Path, day: str, missing: str) -> None:
    put(duckdb_warehouse, together(account("a"), REFERENCE, {"usage_events": events("a", day, 3)}))
    said = run(duckdb_warehouse, tmp_path, "run", *WEEK)
    assert ("The warehouse has no usage" in said.output) == bool(missing)
    assert missing in said.output
