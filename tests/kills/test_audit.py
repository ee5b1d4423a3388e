"""A whole audit, from the warehouse to the reports: killed at any step, finished by the same command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audits import pipeline
from audits.ledger import open_ledger
from audits.ledger.seal import ledger_differences
from audits.settings import Settings
from reports import verify
from tests.kills.steps import count_steps, kill_at, spread
from tests.ledger.test_made_from import WEEK, rows
from tests.rows import put
from tests.test_pipeline import NOW, settings_for


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    put(f"duckdb:///{folder / 'usage.duckdb'}", rows())
    return folder / "usage.duckdb"


def audit_in(folder: Path, source: Path) -> Callable[[], None]:
    """The audit of a week, with warehouse, ledger and reports in a folder of its own."""
    folder.mkdir()
    shutil.copy(source, folder / "usage.duckdb")
    return lambda: _audit(settings_for(f"duckdb:///{folder / 'usage.duckdb'}", folder))


def _audit(settings: Settings) -> None:
    pipeline.audit(settings, WEEK, now=NOW)


def content(folder: Path) -> dict[str, bytes]:
    out = folder / "out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def kill_an_audit(source: Path, folder: Path, wanted: int) -> None:
    steps = count_steps(audit_in(folder / "whole", source), folder)
    whole = content(folder / "whole")
    assert any(name.endswith("manifest.json") for name in whole)
    for number in spread(steps, wanted):
        work = audit_in(folder / str(number), source)
        kill_at(number, work, folder)
        in_a_process(work, folder)
        assert content(folder / str(number)) == whole, number
        assert verify(folder / str(number) / "out" / WEEK.id / "r1") == []
        with open_ledger(f"sqlite:///{folder / str(number) / 'ledger.sqlite'}") as books, books.session() as session:
            assert list(ledger_differences(session.connection())) == []
        shutil.rmtree(folder / str(number))


def in_a_process(work: Callable[[], None], folder: Path) -> None:
    """DuckDB's threads would not survive the next fork."""
    count_steps(work, folder)


@pytest.mark.slow
def test_an_audit_killed_at_a_hundred_steps(source, tmp_path):
    kill_an_audit(source, tmp_path, 100)
