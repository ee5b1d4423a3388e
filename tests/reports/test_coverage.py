"""The coverage of a tier: one set of counters on the page, in its files and on the command line, adding up to all."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from audits.cli import app
from audits.ledger.models import CellGroup
from audits.rules.engine.verdicts import NO_LINKS
from reports.build import build_tier_report
from reports.formats import html
from tests.reports.conftest import runs_of
from tests.reports.people import HOSTILE

TIERS = ("free", "build", "scale", "enterprise")
VERDICTS = ("compliant", "violating", "not_applicable", "not_evaluated", "errored")


@pytest.mark.parametrize("tier", TIERS)
def test_every_file_adds_up_to_customers_times_rules(rendered: Path, tier: str) -> None:
    folder = rendered / "2026-10/r2" / tier
    data = json.loads((folder / "coverage.json").read_text("ascii"))
    customers, rules = data["customers"]["audited"], data["rules"]
    assert data["checks"]["planned"] == customers * len(rules) == sum(data["checks"][one] for one in VERDICTS)
    assert data["customers"]["good_standing"] + data["customers"]["not_evaluated"] <= customers
    rows = list(csv.DictReader(io.StringIO((folder / "coverage.csv").read_text("utf-8"))))
    by_rule: Counter[str] = Counter()
    by_verdict: Counter[str] = Counter()
    for row in rows:
        by_rule[row["rule_id"]] += int(row["customers"])
        by_verdict[row["verdict"]] += int(row["customers"])
        assert row["reason"] or row["verdict"] in ("compliant", "violating")
    assert by_rule == {rule["rule_id"]: customers for rule in rules}
    assert {one: by_verdict[one] for one in VERDICTS} == {one: data["checks"][one] for one in VERDICTS}


def test_the_command_prints_the_counters_of_the_page(filled: Path, rendered: Path, tmp_path: Path) -> None:
    env = {"AUDITS_WAREHOUSE_URL": f"duckdb:///{tmp_path / 'none.duckdb'}", "AUDITS_LEDGER_URL": f"sqlite:///{filled}"}
    arguments = ["coverage", "--period", "2026-10", "--tier", "build"]
    printed = CliRunner().invoke(app, arguments, env={**env, "COLUMNS": "200"}).output
    total = next(line for line in printed.splitlines() if line.startswith("All")).split()[1:]
    checks = json.loads((rendered / "2026-10/r2/build/coverage.json").read_text("ascii"))["checks"]
    assert [int(number.replace(",", "")) for number in total] == [checks[one] for one in ("planned", *VERDICTS)]
    page = (rendered / "2026-10/r2/build/report.html").read_text("utf-8")
    footer = page.split("<tfoot>")[1].split("</tfoot>")[0]
    assert [number for number in total if f">{number}</td>" not in footer] == []


def test_the_page_says_what_linking_could_not_see(session: Session) -> None:
    run = runs_of(session)[-1]
    page = html.tier_page(build_tier_report(session, run, "build"))
    said = page.split('id="linking"')[1].split("</section>")[0]
    assert "412 accounts of all tiers were compared. 71 accounts were linked, into 3 groups." in said
    assert "nothing is recorded about payment instrument, sign-up device or telephone" in said
    assert "133 accounts are not reported as one group: 120 customers among them share one system prompt" in said
    assert "Without it they are 2 smaller groups, reported instead." in said
    assert "Without it nothing links them." in said
    assert "Network of requests" in said
    assert HOSTILE[0] not in said
    assert "were not evaluated" not in said


def test_rules_that_need_linked_groups_are_named_where_nothing_links(session: Session) -> None:
    run = runs_of(session)[-1]
    group = session.query(CellGroup).filter_by(run_id=run.id, tier="build", rule_id="R17").first()
    assert group is not None
    group.reason = NO_LINKS
    session.flush()
    page = html.tier_page(build_tier_report(session, run, "build"))
    assert "Rules that need linked groups were not evaluated: R17." in page


def test_an_audit_that_recorded_nothing_of_linking_says_so(session: Session) -> None:
    report = build_tier_report(session, runs_of(session, "2026-09")[0], "build")
    assert report.linking is None
    assert "did not record what linking accounts came to" in html.tier_page(report)
