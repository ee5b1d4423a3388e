"""The same reports from a ledger on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.ledger import open_ledger
from tests.reports.conftest import render_all
from tests.reports.world import fill


@pytest.mark.postgres
def test_another_engine_gives_the_same_bytes(rendered: Path, postgres_url: str, tmp_path: Path) -> None:
    with open_ledger(postgres_url) as ledger, ledger.session() as session:
        fill(session)
        render_all(session, tmp_path)
    first = {path.relative_to(rendered): path.read_bytes() for path in rendered.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == first
