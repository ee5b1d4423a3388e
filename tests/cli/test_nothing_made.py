"""Commands that only read make nothing where a setting is mistyped, and say in three lines what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

READING = (
    ("findings", "--period", "2026-10"),
    ("coverage", "--period", "2026-10"),
    ("standing", "acme"),
    ("report", "--period", "2026-10"),
    ("verify", "--ledger"),
)
MISTYPED = ({"AUDITS_OUT": "no/reports"}, {"AUDITS_LEDGER_URL": "sqlite:///no/ledger.sqlite"})


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
@pytest.mark.parametrize("setting", MISTYPED, ids=lambda setting: next(iter(setting)))
def test_a_mistyped_setting_makes_no_ledger(audits, tmp_path: Path, monkeypatch, arguments, setting) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = audits(*arguments, **setting)
    what, where, fix = said.splitlines()
    assert code == 2
    assert what == "Error There is no ledger here."
    assert "AUDITS_LEDGER_URL" in where
    assert "AUDITS_OUT" in where
    assert "ledger.sqlite" in where
    assert fix.startswith("  do    Correct the setting.")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_no_ledger_and_stays_empty(audits, tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    file.touch()
    code, said = audits("findings", "--period", "2026-10", AUDITS_LEDGER_URL=f"sqlite:///{file}")
    assert (code, said.splitlines()[0], file.stat().st_size) == (2, "Error There is no ledger here.", 0)


@pytest.mark.postgres
def test_a_database_without_a_ledger_is_left_without_one(audits, postgres_url: str) -> None:
    for _ in range(2):  # the first time makes nothing that the second one finds
        code, said = audits("standing", "acme", AUDITS_LEDGER_URL=postgres_url)
        assert (code, said.splitlines()[0]) == (2, "Error There is no ledger here.")


def test_a_plan_of_a_back_fill_makes_nothing(audits, duckdb_warehouse: str, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    plan = ("backfill", "--from", "2026-08", "--to", "2026-10", "--plan", "--now", "2026-11-10")
    code, said = audits(*plan, AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=str(tmp_path / "out"))
    assert code == 0, said
    assert "2026-10    not audited yet; 62 days to roll up" in said
    assert set(tmp_path.rglob("*")) == before
