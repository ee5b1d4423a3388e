"""Asking the ledger: revisions, statuses, and what was known when."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from audits.ledger import open_ledger
from audits.ledger.models import Decision, FindingRow
from audits.ledger.read import (
    Status,
    book_of,
    earlier_periods,
    exception_for,
    finding_status,
    findings_of,
    governing_runs,
    known_until,
    latest_runs,
    previous_revision,
    revisions,
)
from audits.ledger.record import record
from audits.periods import Period
from tests.reports.world import LAST, Month, audit_of, decide

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def two_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """September, October twice, and October's Build a third time."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with open_ledger(f"sqlite:///{path}") as ledger, ledger.session() as session:
        record(session, audit_of(Month(LAST.previous, datetime(2026, 10, 3, tzinfo=UTC))))
        record(session, audit_of(Month(LAST, datetime(2026, 11, 3, tzinfo=UTC))))
        record(session, audit_of(Month(LAST, datetime(2026, 11, 9, tzinfo=UTC), late_rows=True)))
        record(session, audit_of(Month(LAST, datetime(2026, 11, 10, tzinfo=UTC), tiers=("build",))))
    return path


@pytest.fixture
def session(two_months: Path, tmp_path: Path) -> Iterator[Session]:
    copy = tmp_path / "ledger.sqlite"
    shutil.copy(two_months, copy)
    with open_ledger(f"sqlite:///{copy}") as ledger, ledger.session() as opened:
        yield opened


def decision(number: int, decided_as: str, until: date | None = None) -> Decision:
    return Decision(
        number=number, finding_id="F-1", decided_as=decided_as, why="why", who="who", decided_at=NOON, until=until,
        previous_digest="", digest="",
    )  # fmt: skip


def test_the_newest_revision_governs_and_each_tier_has_its_own(session: Session) -> None:
    assert [(run.period, run.revision) for run in latest_runs(session)] == [("2026-09", 1), ("2026-10", 3)]
    assert [run.revision for run in latest_runs(session, period="2026-10", tier="free")] == [2]
    governing = {key: run.revision for key, run in governing_runs(session, "2026-10").items()}
    assert governing == {
        ("2026-10", "free"): 2, ("2026-10", "build"): 3, ("2026-10", "scale"): 2, ("2026-10", "enterprise"): 2,
    }  # fmt: skip


def test_findings_of_a_period_come_from_the_governing_revision_of_each_tier(session: Session) -> None:
    lines = findings_of(session, period="2026-10")
    assert {(line["tier"], line["revision"]) for line in lines} == {
        ("free", 2), ("build", 3), ("scale", 2), ("enterprise", 2),
    }  # fmt: skip
    assert {line["tier"] for line in findings_of(session, period="2026-10", tiers=("scale",))} == {"scale"}
    assert findings_of(session, period="2020-01") == []


def test_findings_come_gravest_first(session: Session) -> None:
    severities = [line["severity"] for line in findings_of(session, period="2026-10")]
    assert severities == sorted(severities, key=["critical", "high", "medium", "low"].index)


def test_shadowed_and_held_back_findings_are_not_published(session: Session) -> None:
    assert all(line["rule_id"] != "R05" for line in findings_of(session, period="2026-10"))


def test_times_carry_their_zone(session: Session) -> None:
    line = findings_of(session, period="2026-10")[0]
    assert (line["period_start"], line["period_end"]) == ("2026-10-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00")
    assert datetime.fromisoformat(line["first_seen"]).utcoffset() == timedelta(0)


def test_the_revision_before_is_the_last_that_audited_the_tier(session: Session) -> None:
    third = revisions(session, "2026-10")[2]
    before = previous_revision(session, third, "build")
    assert before is not None
    assert before.revision == 2
    assert previous_revision(session, revisions(session, "2026-10")[0], "build") is None


def test_earlier_periods_are_named_even_where_nobody_audited_them(session: Session) -> None:
    third = revisions(session, "2026-10")[2]
    earlier = earlier_periods(session, third, "build", 3)
    assert {period: run and run.revision for period, run in earlier.items()} == {
        "2026-09": 1,
        "2026-08": None,
        "2026-07": None,
    }


def test_knowledge_of_a_replaced_revision_ends_with_its_successor(session: Session) -> None:
    first, second, third = revisions(session, "2026-10")
    assert known_until(session, first) == second.audited_at
    assert known_until(session, third) is None


@pytest.mark.parametrize(
    ("decisions", "on", "word"),
    [
        ([], date(2026, 11, 5), "open"),
        ([decision(1, "acknowledged")], date(2026, 11, 5), "acknowledged"),
        ([decision(2, "confirmed"), decision(1, "acknowledged")], date(2026, 11, 5), "confirmed"),
        ([decision(1, "excepted", date(2026, 12, 31))], date(2026, 12, 31), "excepted"),
        ([decision(1, "excepted", date(2026, 12, 31))], date(2027, 1, 1), "open"),
        ([decision(1, "false_positive"), decision(2, "excepted", date(2026, 11, 30))], date(2026, 12, 1), "open"),
        ([decision(1, "remediated")], date(2030, 1, 1), "remediated"),
    ],
)
def test_the_last_decision_counts_and_an_exception_runs_out(decisions: list[Decision], on: date, word: str) -> None:
    assert finding_status(decisions, on).word == word


def test_a_book_s_exception_holds_until_someone_decides(session: Session) -> None:
    run = revisions(session, "2026-10")[2]
    book = book_of(session, run.policy_version)
    row = session.query(FindingRow).filter_by(run_id=run.id, rule_id="R01", subject_id="a-0180-0").one()
    exception = exception_for(book, row, Period.parse("2026-10"))
    assert exception is not None
    assert finding_status([], NOON.date(), exception) == Status(
        "excepted", exception.why, "jo@example.com", None, date(2026, 11, 30)
    )
    assert finding_status([decision(1, "confirmed")], NOON.date(), exception).word == "confirmed"


def test_a_book_s_exception_covers_its_rule_subject_and_days_only(session: Session) -> None:
    run = revisions(session, "2026-10")[2]
    book = book_of(session, run.policy_version)
    row = session.query(FindingRow).filter_by(run_id=run.id, rule_id="R01", subject_id="a-0180-0").one()
    assert exception_for(book, row, Period.parse("2026-12")) is None
    assert exception_for(book, row, Period.parse("2026-Q4")) is None
    row.customer_ids = ["c-0180", "c-0181"]
    assert exception_for(book, row, Period.parse("2026-10")) is None
    row.customer_ids, row.rule_id = ["c-0180"], "R02"
    assert exception_for(book, row, Period.parse("2026-10")) is None
    session.rollback()


def test_statuses_hold_as_of_the_last_decision_and_no_clock_is_asked(session: Session) -> None:
    decide(session, NOON)
    statuses = {
        (line["rule_id"], line["subject_id"]): line["status"] for line in findings_of(session, period="2026-10")
    }
    assert statuses["R20", "a-0197-0"] == "excepted"
    group = next(line for line in findings_of(session, period="2026-10") if line["subject_type"] == "group")
    session.execute(
        insert(Decision).values(
            number=9, finding_id=group["finding_id"], decided_as="confirmed", why="w", who="m",
            decided_at=datetime(2027, 2, 1, tzinfo=UTC), until=None, previous_digest="", digest="",
        )
    )  # fmt: skip
    statuses = {
        (line["rule_id"], line["subject_id"]): line["status"] for line in findings_of(session, period="2026-10")
    }
    assert statuses["R20", "a-0197-0"] == "open", "by February the exception has run out"
