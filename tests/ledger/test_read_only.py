"""A ledger in a folder that cannot be written is read all the same, and writing to it is refused in words."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from audits.errors import AuditsError
from audits.ledger import engine, failures, open_ledger
from audits.ledger.read import latest_runs
from audits.ledger.record import record
from audits.ledger.seal import ledger_differences
from tests.reports.world import LAST, Month, audit_of

AUDIT = audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC)))


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a ledger with one run. To a superuser no folder is closed but on a read-only disk."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_ledger(url) as books, books.recording() as session:
        record(session, AUDIT)
    assert not (tmp_path / "ledger.sqlite-wal").exists()
    monkeypatch.setattr(engine.os, "access", lambda path, mode: mode != os.W_OK and Path(path).exists())
    return url


def test_a_ledger_on_a_read_only_disk_is_read_and_verified(ledger, tmp_path):
    with open_ledger(ledger) as books, books.session() as session:
        assert [run.period for run in latest_runs(session)] == [LAST.id]
        assert list(ledger_differences(session.connection())) == []
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_what_would_be_recorded_in_it_is_refused(ledger):
    later = audit_of(Month(LAST, datetime(2026, 11, 9, tzinfo=UTC), late_rows=True))
    with (
        open_ledger(ledger) as books,
        pytest.raises(AuditsError, match="may not be written") as caught,
        books.recording() as session,
    ):
        record(session, later)
    assert "What was recorded before is unchanged" in caught.value.fix


def test_an_error_of_a_disk_without_room_is_said_to_be_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "ledger.sqlite").write_bytes(b"")
    monkeypatch.setattr(failures, "_is_full", lambda _url: True)
    error = engine.DBAPIError("BEGIN", {}, Exception("disk I/O error"))
    told = failures.failure(error, make_url(f"sqlite:///{tmp_path / 'ledger.sqlite'}"))
    assert told is not None
    assert "is full" in told.what
