"""Rows that no audit can count: they are said, and the audit that lacks them is partial."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert

from audits import pipeline
from audits.ledger import open_ledger
from audits.ledger.models import Run
from audits.periods import Period
from audits.settings import Settings
from audits.sources.base import rejected_rows
from audits.warehouse.loading import target
from audits.warehouse.tables import SOURCE_SCHEMA
from tests.rows import REFERENCE, account, at, events, put, run_sql, together
from tests.test_pipeline import NOW, settings_for

WEEK = Period.parse("2026-W41")  # 5 to 11 October


def rows(**changed: Any) -> dict[str, list[dict[str, Any]]]:
    """An account with use of which one request may be changed."""
    usage = events("one", "2026-10-05", 200)
    usage[0] |= changed
    return together(account("one"), REFERENCE, {"usage_events": usage})


def audited(settings: Settings) -> Run:
    pipeline.prepare(settings, WEEK, now=NOW)
    run_id = pipeline.evaluate(settings, WEEK, now=NOW).run_id
    with open_ledger(settings.ledger_url) as ledger, ledger.session() as session:
        run = session.get_one(Run, run_id)
        session.expunge(run)
        return run


def refuse(url: str, loaded_at: datetime, occurred_at: datetime | None = None) -> None:
    """A row that a load could not bring in."""
    row = {"source_system": "files", "position": "usage.csv:7", "reason": "no whole number", "column_name": "n",
           "row_digest": "d", "loaded_at": loaded_at, "occurred_at": occurred_at}  # fmt: skip
    with target(url, [rejected_rows]) as warehouse, warehouse.begin() as connection:
        connection.execute(insert(rejected_rows), [row])


def test_a_request_below_zero_makes_the_audit_partial(url: str, tmp_path: Any):
    put(url, rows(output_tokens=-4))
    run = audited(settings_for(url, tmp_path))
    assert run.status == "partial"
    assert [note for note in run.notes if "below zero" in note] == [
        "native: rows left out because their tokens or cost are below zero: 1"
    ]


def test_the_data_quality_page_names_the_rows_that_made_the_audit_partial(url: str, tmp_path: Any):
    settings = settings_for(url, tmp_path)
    put(url, rows(output_tokens=-4, event_id="below"))
    put(url, {"usage_events": events("one", "2026-10-07", 3, cost_usd=-1)})
    refuse(url, at("2026-10-06"))
    folder = pipeline.audit(settings, WEEK, now=NOW).folder
    page = re.sub(r"<[^>]+>", " ", (folder / "data-quality.html").read_text())
    of = " ".join(page.split("Rows that were not audited", 1)[1].split())
    assert "files 1 Rows that could not be loaded and may belong to this period not recorded" in of
    below = "native 4 Rows left out because their tokens or cost are below zero 2 days, 5 Oct 2026 to 7 Oct 2026"
    assert below in of
    assert "1 row left out because its tokens or cost are below zero (negative_rows) 1 event id below" in of
    assert "3 rows left out because their tokens or cost are below zero" in of


@pytest.mark.parametrize(("loaded_at", "status"), [("2026-10-05", "partial"), ("2026-10-04T23:59", "complete")])
def test_rows_that_were_not_loaded_since_the_period_began_may_belong_to_it(
    url: str, tmp_path: Any, loaded_at: str, status: str
):
    put(url, rows())
    refuse(url, at(loaded_at))
    run = audited(settings_for(url, tmp_path))
    assert run.status == status
    assert any("files: rows that could not be loaded" in note for note in run.notes) == (status == "partial")


@pytest.mark.parametrize(
    ("occurred_at", "status"),
    [
        ("2026-10-05", "partial"),
        ("2026-10-11T23:59:59", "partial"),
        ("2026-10-04T23:59:59", "complete"),
        ("2026-10-12", "complete"),
    ],
)
def test_a_row_whose_time_is_known_counts_in_its_own_period_only(
    url: str, tmp_path: Any, occurred_at: str, status: str
):
    put(url, rows())
    refuse(url, at("2026-10-20"), at(occurred_at))
    assert audited(settings_for(url, tmp_path)).status == status


def test_rejects_of_a_load_that_kept_no_times_still_count(url: str, tmp_path: Any):
    put(url, rows())
    refuse(url, at("2026-10-20"))
    run_sql(url, "ALTER TABLE rejected_rows DROP COLUMN occurred_at")
    assert audited(settings_for(url, tmp_path)).status == "partial"


def test_another_table_of_that_name_tells_nothing(url: str, tmp_path: Any):
    put(url, rows())
    with target(url, [Table("rejected_rows", MetaData(schema=SOURCE_SCHEMA), Column("mine", String))]):
        pass
    assert audited(settings_for(url, tmp_path)).status == "complete"


def test_a_row_that_is_rejected_later_makes_a_revision_that_says_so(duckdb_warehouse: str, tmp_path: Any):
    settings = settings_for(duckdb_warehouse, tmp_path)
    put(duckdb_warehouse, rows())
    assert audited(settings).status == "complete"
    refuse(duckdb_warehouse, at("2026-10-06"))
    again = audited(settings)
    assert (again.revision, again.status) == (2, "partial")
    assert again.causes == ["files: rows that could not be loaded and may belong to this period: 1 instead of 0"]


def test_a_revision_counts_rejected_rows_as_its_notes_do(duckdb_warehouse: str, tmp_path: Any):
    settings = settings_for(duckdb_warehouse, tmp_path)
    put(duckdb_warehouse, rows(output_tokens=-4))
    refuse(duckdb_warehouse, at("2026-10-06"))
    audited(settings)
    refuse(duckdb_warehouse, at("2026-10-07"))
    again = audited(settings)
    [note] = [note for note in again.notes if "could not be loaded" in note]
    assert note.startswith("files: rows that could not be loaded and may belong to this period: 2;")
    assert again.causes == ["files: rows that could not be loaded and may belong to this period: 2 instead of 1"]
