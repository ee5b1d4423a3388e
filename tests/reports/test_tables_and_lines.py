"""CSV that cannot run, and JSON lines that follow the schema."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy.orm import Session

from audits.display import visible
from audits.ledger.read import findings_of
from reports.formats import csv as tables
from reports.formats import jsonl
from tests.reports.people import HOSTILE

BUILD = "2026-10/r2/build"


def test_every_line_follows_the_schema(rendered: Path) -> None:
    validator = Draft202012Validator(jsonl.schema(), format_checker=FormatChecker())
    lines = [
        line for path in rendered.glob("2026-10/*/*/findings.jsonl") for line in path.read_text("ascii").splitlines()
    ]
    assert len(lines) > 40
    for line in lines:
        validator.validate(json.loads(line))


def test_the_schema_refuses_what_is_no_finding() -> None:
    assert list(Draft202012Validator(jsonl.schema()).iter_errors({"finding_id": "F-1"}))


def test_the_lines_are_those_of_the_period_s_findings(rendered: Path, session: Session) -> None:
    printed = jsonl.lines(findings_of(session, period="2026-10", tiers=("build",)))
    assert (rendered / BUILD / "findings.jsonl").read_text("ascii") == printed


def test_findings_are_stable_across_revisions(rendered: Path) -> None:
    def ids(revision: int) -> set[str]:
        text = (rendered / f"2026-10/r{revision}/build/findings.jsonl").read_text("ascii")
        return {json.loads(line)["finding_id"] for line in text.splitlines()}

    assert len(ids(1) & ids(2)) == len(ids(1)) - 1


def test_the_table_holds_every_finding_and_no_formula(rendered: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((rendered / BUILD / "findings.csv").read_text("utf-8"), newline="")))
    lines = [json.loads(line) for line in (rendered / BUILD / "findings.jsonl").read_text("ascii").splitlines()]
    assert [row["finding_id"] for row in rows] == [line["finding_id"] for line in lines]
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))


RUN_BY_SPREADSHEETS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "  =1", "\u00a0=1", "＝1", "\tx")


@pytest.mark.parametrize("text", RUN_BY_SPREADSHEETS)
def test_a_text_that_a_spreadsheet_would_run_is_made_plain(text: str) -> None:
    assert tables.guarded(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\r=1", "↵=1"), ("\u200b=1", "⟨U+200B⟩=1"), ("\ufeff@x", "⟨U+FEFF⟩@x"), ("\x00=1", "⟨U+0000⟩=1")],
)
def test_a_mark_that_a_spreadsheet_would_skip_is_shown_so_that_nothing_runs(text: str, shown: str) -> None:
    assert tables.guarded(text) == shown


@pytest.mark.parametrize("value", ["Northwind", "", "a=b", "3-4", "'quoted", 12, -12, 1.5, None])
def test_anything_else_stays_as_it_is(value: object) -> None:
    assert tables.guarded(value) == value


@given(st.text(min_size=1))
def test_no_guarded_cell_begins_like_a_formula(text: str) -> None:
    cell = str(tables.guarded(text))
    skipped = {"Cc", "Cf", "Zs", "Zl", "Zp"}
    first = next((char for char in cell if unicodedata.category(char) not in skipped), "")
    assert first not in set("=+-@＝＋－＠")
    assert cell.endswith(visible(text, keep="\n\t"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_a_name_survives_the_table(name: str) -> None:
    line = {
        **dict.fromkeys(tables.COLUMNS, "x"), "customer_ids": ["c-1"], "account_ids": ["a"], "clauses": ["k"],
        "observed": {"n": 1}, "limits": {"n": None},
    }  # fmt: skip
    (_, row) = csv.reader(io.StringIO(tables.table([line], {"c-1": name}), newline=""))
    cell = row[tables.COLUMNS.index("customer_names")]
    shown = visible(name, keep="\n\t")
    assert cell in {shown, f"'{shown}"}


def test_a_cell_is_no_longer_than_a_spreadsheet_takes() -> None:
    assert len(str(tables.guarded("a" * 100_000))) < 32_767


def test_hostile_names_are_in_the_table_whole(rendered: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((rendered / BUILD / "findings.csv").read_text("utf-8"), newline="")))
    names = {row["customer_names"].removeprefix("'") for row in rows}
    assert {visible(HOSTILE[number], keep="\n\t") for number in (0, 3, 6)} <= names


def test_tables_and_lines_are_as_they_were_looked_at(rendered: Path, golden: Callable[[str, str], None]) -> None:
    for name in ("findings.csv", "findings.jsonl"):
        golden(f"build-{name}", (rendered / BUILD / name).read_bytes().decode())
