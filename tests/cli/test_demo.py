"""`audits demo` makes its own folder anew and touches nobody else's warehouse."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from audits.cli import app
from audits.errors import AuditsError


def test_a_warehouse_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "warehouse.duckdb"
    mine.write_bytes(b"precious")
    said = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert isinstance(said.exception, AuditsError)
    assert "--out" in said.exception.fix
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"precious"]
