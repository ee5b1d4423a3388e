"""Advice that can be followed: the option that was meant, a period that is closed, the part that failed."""

from __future__ import annotations

import json
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audits.display import shortened
from audits.ledger import open_ledger
from audits.ledger.record import record
from audits.warehouse.rollups_file import set_aside
from tests.reports.world import LAST, Month, audit_of


def test_the_option_that_was_most_likely_meant_is_named(audits) -> None:
    code, said = audits("run", "--perod", "2026-10")
    assert code == 2
    assert said.splitlines()[0] == "Error There is no option --perod. Did you mean --period?"
    assert audits("run", "--xyz")[1].splitlines()[0] == "Error There is no option --xyz."


def test_a_period_that_is_not_closed_is_not_to_be_audited_yet(audits, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url) as ledger, ledger.recording() as session:
        record(session, audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC))))
    for command in ("findings", "coverage", "report"):
        said = audits(command, "--period", "2199-10", AUDITS_LEDGER_URL=url)[1]
        assert "do    From 2199-11-" in said
        assert "on, run: audits run --period 2199-10" in said
        assert "do    Run: audits run --period 2026-08" in audits(command, "--period", "2026-08")[1]


def test_an_earlier_period_that_is_advised_is_closed(audits, duckdb_warehouse: str, tmp_path: Path) -> None:
    environment = {"AUDITS_WAREHOUSE_URL": duckdb_warehouse, "AUDITS_OUT": str(tmp_path / "out")}
    said = audits("run", "--period", "2030-05", "--now", "2026-11-01", **environment)[1]
    assert "or an earlier one such as 2026-09." in said


@pytest.mark.parametrize("folder", ["nothing", "other"])
def test_a_folder_without_a_policy_book_is_told_in_three_lines(audits, tmp_path: Path, folder: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.yaml").write_text("a: 1\n")
    code, said = audits("policy", "check", AUDITS_POLICY=str(tmp_path / folder))
    assert (code, len(said.splitlines())) == (2, 3)
    assert said.startswith(f"Error There is no policy book at {tmp_path / folder}.")


def test_policy_show_without_a_tier_shows_all(audits) -> None:
    code, said = audits("policy", "show", "--rule", "R01", "--at", "2026-10-01")
    assert code == 0
    headings = [line.strip() for line in said.splitlines() if line.startswith("In force on")]
    assert headings == [
        f"In force on 2026-10-01 for {whose}"
        for whose in ("every tier", "tier free", "tier build", "tier scale", "tier enterprise")
    ]
    rows = json.loads(audits("policy", "show", "--rule", "R01", "--at", "2026-10-01", "--format", "json")[1])
    assert {row["tier"] for row in rows} == {"free", "build", "scale", "enterprise"}


def test_rollups_that_are_not_a_database_are_not_moved_where_a_setting_names_them(
    audits, duckdb_warehouse: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("id,name\n" * 10)
    code, said = audits(
        "run", "--period", "2026-10-05", AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=str(tmp_path / "out"),
        AUDITS_ROLLUPS_URL=f"duckdb:///{notes}",
    )  # fmt: skip
    assert code == 2
    assert f"The file {notes} is not a DuckDB database." in said
    assert notes.read_text().startswith("id,name")


def test_only_the_last_damaged_rollups_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "usage.rollups.duckdb"
    for content in ("first", "second"):
        file.write_text(content)
        kept = set_aside(file)
    assert [one.name for one in tmp_path.iterdir()] == [kept.name]
    assert kept.read_text() == "second"


def test_a_limit_on_the_size_of_files_is_named(audits, duckdb_warehouse: str, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        code, said = audits(
            "run", "--period", "2026-10-05", AUDITS_WAREHOUSE_URL=duckdb_warehouse, AUDITS_OUT=str(tmp_path / "out")
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code in (1, 2)
    assert "File too large" in said
    assert "do    Raise the limit on the size of files (`ulimit -f unlimited`)" in said
    assert "TMPDIR" not in said


def test_a_long_name_is_shortened_within_a_sentence() -> None:
    assert shortened("gold") == "gold"
    assert shortened("x" * 300) == f"{'x' * 59}…"
