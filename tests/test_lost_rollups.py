"""A lost rollups file, and audits in another order, change nothing: the warehouse and the book alone decide."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from audits import pipeline
from audits.ledger import open_ledger
from audits.ledger.models import QualityDay, Run, RunInput
from audits.periods import Period
from audits.settings import Settings
from tests.quality.data import ACCOUNTS, requests
from tests.rows import LONG_AGO, REFERENCE, account, at, put, run_sql, together

NOW = datetime(2026, 11, 10, 6, tzinfo=UTC)
W41 = Period.parse("2026-W41")
FIRST, SILENT = date(2026, 7, 1), date(2026, 9, 12)
"""A day in the baseline of W41 on which most hours are missing."""


@pytest.fixture
def rows():
    days = [FIRST + timedelta(days=n) for n in range((W41.end_day - FIRST).days)]
    usage = [row for day in days for row in requests(day, hours=(9,) if day == SILENT else (9, 20))]
    cards = [
        {"account_id": one, "instrument_hash": f"card-{one}", "valid_from": LONG_AGO}
        if one in "cdef"
        else {"account_id": one, "instrument_hash": "card", "valid_from": LONG_AGO}
        for one in ACCOUNTS
    ]
    crowd = [account(f"x{n}") for n in range(200)]
    return together(*map(account, ACCOUNTS), *crowd, REFERENCE, {"usage_events": usage, "account_payments": cards})


def settings_for(folder: Path, rows) -> Settings:
    folder.mkdir()
    url = f"duckdb:///{folder / 'usage.duckdb'}"
    put(url, rows)
    return Settings(warehouse_url=url, ledger_url=f"sqlite:///{folder / 'ledger.sqlite'}", out=folder / "out")


def audit(settings: Settings, period: str) -> pipeline.Outcome:
    return pipeline.audit(settings, Period.parse(period), now=NOW)


def outcome_of_w41(settings: Settings) -> tuple[list, dict]:
    """The newest verdicts on the days of W41 and its baseline, and its linked groups."""
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        run = session.scalar(select(Run).where(Run.period == W41.id).order_by(Run.revision.desc()))
        days = select(QualityDay).where(QualityDay.run_id == run.id).order_by(QualityDay.day, QualityDay.source_system)
        judged = [(one.day, one.source_system, one.verdict, one.reasons) for one in session.scalars(days)]
        inputs = {part: session.get(RunInput, (run.id, part)).items for part in ("quality", "linkage")}
        return judged, inputs


def lose_rollups(settings: Settings) -> None:
    Path(settings.warehouse_url.removeprefix("duckdb:///")).with_name("usage.rollups.duckdb").unlink()


def test_verdicts_are_the_same_alone_after_others_and_without_rollups(tmp_path, rows):
    alone = settings_for(tmp_path / "alone", rows)
    audit(alone, "2026-W41")
    after_others = settings_for(tmp_path / "after-others", rows)
    for period in ("2026-W30", "2026-W39", "2026-W41"):
        audit(after_others, period)
    assert outcome_of_w41(after_others) == outcome_of_w41(alone)
    _, inputs = outcome_of_w41(alone)
    assert inputs["linkage"]["groups"]
    for settings in (alone, after_others):
        lose_rollups(settings)
        again = audit(settings, "2026-W41")
        assert (again.revision, again.changed) == (1, False)


def test_a_group_keeps_its_name_where_the_rollups_were_lost(tmp_path, rows):
    settings = settings_for(tmp_path / "one", rows)
    audit(settings, "2026-W39")
    elder = account("elder", opened_at=at("2019-01-01"))
    card = {"account_payments": [{"account_id": "elder", "instrument_hash": "card", "valid_from": LONG_AGO}]}
    put(settings.warehouse_url, together(elder, card))  # a new group would be named after it
    audit(settings, "2026-W41")
    _, before = outcome_of_w41(settings)
    lose_rollups(settings)
    assert audit(settings, "2026-W41").changed is False
    _, after = outcome_of_w41(settings)
    assert after == before


def test_a_dimension_that_changed_counts_before_and_after_the_rollups_are_lost(tmp_path, rows):
    settings = settings_for(tmp_path / "one", rows)
    audit(settings, "2026-W41")
    run_sql(settings.warehouse_url, "UPDATE api_keys SET revoked_at = TIMESTAMPTZ '2026-10-06 00:00:00+00'")
    assert audit(settings, "2026-W41").revision == 2
    lose_rollups(settings)
    assert audit(settings, "2026-W41").changed is False
