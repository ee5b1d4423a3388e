"""Two audits that record at the same time: nothing is doubled, the second waits and sees what the first did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from audits.ledger import open_ledger
from audits.ledger.models import FindingRow, Run
from audits.ledger.record import record
from audits.ledger.seal import ledger_differences
from tests.reports.world import LAST, Month, audit_of


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


def at_once(*works: Callable[[], None]) -> list[Exception]:
    """Start them together and return what they raised."""
    gate, raised = threading.Barrier(len(works)), []

    def run(work: Callable[[], None]) -> None:
        gate.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 the test shows it
            raised.append(error)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def recording(url: str, month: Month) -> Callable[[], None]:
    audit = audit_of(month)

    def work() -> None:
        with open_ledger(url) as ledger, ledger.recording() as session:
            record(session, audit)

    return work


def test_the_same_audit_twice_at_once_is_one_revision(ledger_url):
    month = Month(LAST, datetime(2026, 11, 5, tzinfo=UTC), tiers=("free",))
    assert at_once(*(recording(ledger_url, month) for _ in range(3))) == []
    with open_ledger(ledger_url) as ledger, ledger.session() as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 1
        doubled = select(FindingRow.finding_id).group_by(FindingRow.finding_id).having(func.count() > 1)
        assert session.scalars(doubled).all() == []


def test_of_several_first_audits_at_once_one_began_the_ledger(ledger_url):
    begun = []

    def work() -> None:
        with open_ledger(ledger_url) as ledger:
            begun.append(ledger.begun)

    assert at_once(work, work, work) == []
    work()
    assert sorted(begun) == [False, False, False, True]


def test_different_audits_at_once_are_one_after_the_other(ledger_url):
    instant = datetime(2026, 11, 5, tzinfo=UTC)
    works = [
        recording(ledger_url, Month(LAST, instant, tiers=("free",))),
        recording(ledger_url, Month(LAST, instant, tiers=("free",), late_rows=True)),
        recording(ledger_url, Month(LAST.previous, instant, tiers=("free",))),
    ]
    assert at_once(*works) == []
    with open_ledger(ledger_url) as ledger, ledger.session() as session:
        rows = session.execute(select(Run.id, Run.period, Run.revision).order_by(Run.id)).all()
        assert [row.id for row in rows] == [1, 2, 3]
        assert sorted((row.period, row.revision) for row in rows) == [("2026-09", 1), ("2026-10", 1), ("2026-10", 2)]
        assert list(ledger_differences(session.connection())) == []
