"""AUDITS_ROLLUPS_URL: a DuckDB file beside a DuckDB warehouse; anything else is refused, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.errors import AuditsError
from audits.warehouse import warehouse


@pytest.mark.parametrize(
    "rollups", ["postgresql://audits:secret@127.0.0.1/rollups", "sqlite:///rollups.db", "duckdb://", "rollups.duckdb"]
)
def test_rollups_that_are_no_duckdb_file_are_refused(
    duckdb_warehouse: str, rollups: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    with (
        pytest.raises(AuditsError, match="The rollups of a DuckDB warehouse are a DuckDB file") as caught,
        warehouse(duckdb_warehouse, rollups, write=True),
    ):
        pass
    assert (caught.value.where, caught.value.exit_code) == ("setting AUDITS_ROLLUPS_URL", 2)
    assert caught.value.fix
    assert "secret" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("rollups", ["postgresql://audits@127.0.0.1/rollups", "duckdb:///rollups.duckdb"])
def test_a_postgresql_warehouse_takes_no_place_for_its_rollups(rollups: str) -> None:
    what = "Rollups of a PostgreSQL warehouse are in its own schema audit"
    with pytest.raises(AuditsError, match=what) as caught, warehouse("postgresql://nobody@127.0.0.1:1/usage", rollups):
        pass
    assert caught.value.where == "setting AUDITS_ROLLUPS_URL"
    assert caught.value.fix


def test_a_duckdb_file_elsewhere_is_taken(duckdb_warehouse: str, tmp_path: Path) -> None:
    with warehouse(duckdb_warehouse, f"duckdb:///{tmp_path / 'elsewhere.duckdb'}", write=True):
        pass
    assert (tmp_path / "elsewhere.duckdb").is_file()
