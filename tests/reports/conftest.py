"""A filled ledger, made once a worker, and reports rendered from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger import Run, open_ledger
from reports import render_index, render_tier, seal
from tests.reports.world import LAST, fill

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger as thirteen months of audits leave it; tests that write take a copy."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with open_ledger(f"sqlite:///{path}") as ledger, ledger.session() as session:
        fill(session)
    return path


@pytest.fixture
def session(filled: Path, tmp_path: Path) -> Iterator[Session]:
    """A session on a copy of the filled ledger."""
    copy = tmp_path / "copy.sqlite"
    shutil.copy(filled, copy)
    with open_ledger(f"sqlite:///{copy}") as ledger, ledger.session() as session:
        yield session


@pytest.fixture(scope="session")
def rendered(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the reports of both revisions of the last month and the index."""
    out = tmp_path_factory.mktemp("out")
    with open_ledger(f"sqlite:///{filled}") as ledger, ledger.session() as session:
        render_all(session, out)
    return out


def render_all(session: Session, out: Path) -> None:
    """Both revisions of the last month, as the pipeline publishes them."""
    for run in runs_of(session):
        for tier in run.tiers:
            render_tier(session, run.id, tier, out)
        render_index(session, out)
        seal(session, run.id, out)
    render_index(session, out)


def runs_of(session: Session, period: str = LAST.id) -> list[Run]:
    """The revisions of a period, in order."""
    return list(session.scalars(select(Run).where(Run.period == period).order_by(Run.revision)))


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name; UPDATE_GOLDEN=1 writes it anew."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        wanted = path.read_bytes().decode()
        assert text == wanted, f"{name} differs from its golden file; look at it, then UPDATE_GOLDEN=1 to accept"

    return compare
