"""`audits rules`: what a person and a machine read, and that a failing case fails the command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from audits.cli.rules import app
from audits.errors import AuditsError
from audits.policy import init_book


@pytest.fixture
def book(tmp_path: Path) -> Path:
    init_book(tmp_path / "book")
    return tmp_path / "book"


def run(*arguments: str | Path, code: int = 0) -> str:
    result = attempt(*arguments)
    assert result.exit_code == code, result.output
    return result.stdout


def attempt(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "160", "AUDITS_POLICY": ""})


def test_list_for_machines() -> None:
    rows = json.loads(run("list", "--format", "json", "--at", "2026-10-31"))
    first = rows[0]
    assert [row["rule_id"] for row in rows] == sorted(row["rule_id"] for row in rows)
    assert first | {"version": "1+..."} == first | {
        "rule_id": "R01", "title": "Extraction volume", "unit": "account", "status": "active", "version": "1+...",
        "severity": "medium", "tiers": ["free", "build", "scale", "enterprise"],
    }  # fmt: skip
    assert [json.loads(line) for line in run("list", "-f", "jsonl", "--at", "2026-10-31").splitlines()] == rows
    table = list(csv.DictReader(io.StringIO(run("list", "-f", "csv", "--at", "2026-10-31"))))
    assert [row["rule_id"] for row in table] == [row["rule_id"] for row in rows]
    assert table[0]["tiers"] == "free build scale enterprise"


def test_list_for_people() -> None:
    assert "Extraction volume" in " ".join(run("list").split())


def test_show_says_what_a_rule_asks_and_its_limits() -> None:
    text = run("show", "r01", "--at", "2026-10-31")
    assert "Did an account take more out of the service" in text
    assert "500,000" in text
    assert "operator-compete" in text
    described = json.loads(run("show", "R01", "--at", "2026-10-31", "-f", "json"))
    assert described["limits"]["free"]["requests_a_day"] == 500
    assert described["parameters"]["requests_a_day"]["type"] == "count"


def test_rule_that_is_not_there_is_answered_with_a_near_one() -> None:
    result = attempt("show", "R011")
    assert isinstance(result.exception, AuditsError)
    assert result.exception.what == "There is no rule 'R011'."
    assert "Did you mean R01?" in result.exception.fix


def test_new_rule_is_checked_and_fails_until_it_is_mended(book: Path) -> None:
    written = run("new", "night use", "--book", book)
    folder = book / "rules" / "x01_night_use"
    assert f"audits rules check {folder}" in written

    failed = run("check", folder, "--book", book, code=1)
    assert "✗ X01 Night use: 2 cases" in failed
    assert f"{folder / 'cases.yaml'}:10" in failed
    assert "account a1 in build: observed.peak_requests_a_day: expected 4, got 5" in failed
    assert "1 rules, 2 cases, 2 failures" in failed

    query = folder / "rule.sql"
    wrong = query.read_text()
    query.write_text(
        wrong.replace("SUM(requests) AS", "MAX(requests) AS").replace("SUM(requests) >=", "MAX(requests) >")
    )
    assert "✓ X01 Night use: 2 cases" in run("check", "X01", "--book", book)
    assert "X01" in run("list", "--book", book)
    assert "no problems" in run("lint", book / "rules", "--book", book)


def test_check_plays_a_shipped_rule() -> None:
    assert "✓ R01 Extraction volume" in run("check", "R01")


def test_check_of_a_folder_without_rules_says_so(tmp_path: Path) -> None:
    result = attempt("check", tmp_path)
    assert isinstance(result.exception, AuditsError)
    assert "There is no rule in" in result.exception.what


def test_unsound_cases_fail_with_their_place(book: Path) -> None:
    run("new", "night use", "--book", book)
    cases = book / "rules" / "x01_night_use" / "cases.yaml"
    cases.write_text(cases.read_text().replace("times: 3", "tims: 3"))
    failed = run("check", "X01", "--book", book, code=1)
    assert "usage_events has no column 'tims'" in failed
    assert f"{cases}:18" in failed


def test_lint_names_file_line_and_what_is_allowed(book: Path) -> None:
    run("new", "night use", "--book", book)
    description = book / "rules" / "x01_night_use" / "rule.yaml"
    description.write_text(description.read_text().replace("{limits[requests_a_day]:,.0f}", "{limits[requests]:,.0f}"))
    result = attempt("lint", "X01", "--book", book)
    assert result.exit_code == 1
    assert "rule.yaml:18:1: The summary's {limits[requests]} is never filled." in result.stderr
    assert "did you mean 'limits[requests_a_day]'?" in result.stderr


def test_adequacy_names_the_limits_that_no_case_proves(book: Path) -> None:
    run("new", "night use", "--book", book)
    folder = book / "rules" / "x01_night_use"
    failing = attempt("adequacy", "X01", "--book", book)
    assert isinstance(failing.exception, AuditsError)
    assert failing.exception.what.startswith("X01 fails its own case")

    query = folder / "rule.sql"
    wrong = query.read_text()
    query.write_text(
        wrong.replace("SUM(requests) AS", "MAX(requests) AS").replace("SUM(requests) >=", "MAX(requests) >")
    )
    assert "1/1          2/2     0/2" in run("adequacy", "X01", "--book", book)

    cases = folder / "cases.yaml"
    cases.write_text(cases.read_text().partition("  - name: exactly three")[0])
    text = run("adequacy", "X01", "--book", book, code=1)
    assert "✗ X01 rule.sql:16: MAX(requests) > MIN(limit_requests_a_day), with gte" in text
    assert "✗ X01 rule.yaml:17: requests_a_day - 1" in text


def test_pages_are_written_and_hold_hostile_text_as_text(book: Path, tmp_path: Path) -> None:
    run("new", "night use", "--book", book)
    description = book / "rules" / "x01_night_use" / "rule.yaml"
    description.write_text(description.read_text().replace("title: Night use", "title: <script>alert(1)</script>"))
    out = tmp_path / "pages"
    run("docs", out, "--book", book, "--at", "2026-10-31")
    index, own = (out / "index.html").read_text(), (out / "X01.html").read_text()
    assert "<script>" not in index + own
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in own
    page = (out / "R01.html").read_text()
    assert "500,000" in page
    assert "Calibrated to at least the 99.5th percentile of benign accounts." in page
    clock = (out / "R11.html").read_text()
    assert "Calibrated to at most the 0.5th percentile of benign accounts." in clock
    assert "Not calibrated: says what a day without rest is" in clock
    assert "four requests on a day, three allowed" in page
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    run("docs", out, "--book", book, "--at", "2026-10-31")
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
