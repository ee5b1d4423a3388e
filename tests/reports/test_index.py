"""The index over periods and tiers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from audits.ledger.record import record
from reports import render_index
from reports.index import build_index
from tests.reports.conftest import runs_of
from tests.reports.world import LAST, Month, audit_of


def test_every_audited_period_is_there_newest_first(session: Session, rendered: Path) -> None:
    months = build_index(session, rendered)["month"]
    assert [line.period.id for line in months][:3] == ["2026-10", "2026-09", "2026-08"]
    assert len(months) == 12
    assert [revision for revision, _ in months[0].revisions] == [2, 1]


def test_what_was_rendered_is_linked_and_nothing_else(session: Session, rendered: Path) -> None:
    newest, before = build_index(session, rendered)["month"][:2]
    assert [tier.folder for tier in newest.tiers] == [f"2026-10/r2/{tier.tier}" for tier in newest.tiers]
    assert {tier.folder for tier in before.tiers} == {""}


def test_figures_are_those_of_the_reports(session: Session, rendered: Path) -> None:
    build = next(tier for tier in build_index(session, rendered)["month"][0].tiers if tier.tier == "build")
    assert (build.customers, build.checks.planned, build.status) == (120, 1320, "partial")
    assert (sum(build.findings.values()), sum(build.open.values())) == (19, 15)


def test_a_revision_of_one_tier_leaves_the_others_as_they_were(session: Session, tmp_path: Path) -> None:
    record(session, audit_of(Month(LAST, datetime(2026, 11, 22, tzinfo=UTC), tiers=("build",))))
    tiers = {tier.tier: tier.revision for tier in build_index(session, tmp_path)["month"][0].tiers}
    assert tiers == {"free": 2, "build": 3, "scale": 2, "enterprise": 2}


def test_an_empty_ledger_has_an_index_too(session: Session, tmp_path: Path) -> None:
    for table in ("finding_subjects", "findings", "cell_groups", "evaluations", "quality_days", "audited_customers",
                  "tier_figures", "group_dossiers", "run_inputs", "recorded_parts", "runs"):  # fmt: skip
        session.connection().exec_driver_sql(f"DELETE FROM {table}")
    assert "Nothing has been audited yet" in render_index(session, tmp_path).read_text()


def test_the_newest_revision_is_the_last_of_its_period(session: Session) -> None:
    assert [run.revision for run in runs_of(session)] == [1, 2]
