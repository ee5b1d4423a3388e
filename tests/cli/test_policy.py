"""``audits policy``, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audits.cli.policy import app
from audits.errors import AuditsError
from audits.policy import json_schema, load_book
from tests.policy.books import edit, small_book


def said(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "AUDITS_POLICY": ""})
    if isinstance(result.exception, AuditsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_check_needs_no_database_and_names_the_digest() -> None:
    assert load_book().digest in said("check")


def test_check_holds_limits_against_the_catalogue(tmp_path: Path) -> None:
    said("init", tmp_path / "book")
    folder = edit(tmp_path / "book", "limits/R01.yaml", ("limit: requests_a_day", "limit: requests_per_day"))
    with pytest.raises(AuditsError) as caught:
        said("check", folder)
    assert "did you mean 'requests_a_day'?" in caught.value.what
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text", ["[" * 1500, "effective_from: 2026-02-30", "a: 0x_", "\t", "- a list", "rule_folders: 3"]
)
def test_a_book_that_cannot_be_read_is_said_and_no_crash(text: str, tmp_path: Path) -> None:
    said("init", tmp_path / "book")
    (tmp_path / "book" / "book.yaml").write_text(text, "utf-8")
    with pytest.raises(AuditsError) as caught:
        said("check", tmp_path / "book")
    assert "book.yaml" in caught.value.what


def test_show_as_table_and_json() -> None:
    table = said("show", "--tier", "build", "--at", "2026-10-01", "--rule", "R05")
    assert "In force on 2026-10-01 for tier build" in table
    assert "R05 Template repetition" in table
    assert "share_min" in table
    rows = json.loads(said("show", "--tier", "build", "--at", "2026-10-01", "--rule", "R05", "--format", "json"))
    assert {"subject": "R05", "name": "share_min", "value": "0.60"}.items() <= next(
        row for row in rows if row["name"] == "share_min"
    ).items()
    lines = said("show", "--tier", "build", "--at", "2026-10-01", "--rule", "R05", "--format", "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_diff_in_words(tmp_path: Path) -> None:
    said("init", tmp_path / "a")
    said("init", tmp_path / "b")
    edit(tmp_path / "b", "limits/R01.yaml", ("build: 5000", "build: 4000"))
    assert said("diff", tmp_path / "a", tmp_path / "b") == "R01 build requests_a_day 5,000 -> 4,000 from 2020-01-01\n"
    assert said("diff", "shipped", tmp_path / "a") == "Nothing that is in force differs.\n"


def test_a_book_with_limits_that_no_rule_of_the_catalogue_has(tmp_path: Path) -> None:
    with pytest.raises(AuditsError, match="R23 needs a limit 'events_min'"):
        said("check", small_book(tmp_path))


def test_schema() -> None:
    assert json.loads(said("schema")) == json_schema()


def test_show_only_a_part_and_reasons_on_request() -> None:
    whole = said("show", "--tier", "build", "--at", "2026-10-01")
    limits = said("show", "--tier", "build", "--at", "2026-10-01", "--only", "limits")
    assert "requests_a_day" in limits
    assert "grace_days" in whole
    assert "grace_days" not in limits
    assert "The terms bind every" not in whole
    assert "The terms bind every" in said("show", "--tier", "build", "--at", "2026-10-01", "--why")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--tier", "Build"), "build"),
        (("--tier", "build", "--only", "limit"), "limits"),
        (("--tier", "build", "--format", "jsn"), "json"),
        (("--tier", "build", "--rule", "R5"), "R05"),
    ],
)
def test_a_misspelt_option_is_refused_with_what_was_meant(words: tuple[str, ...], meant: str) -> None:
    with pytest.raises(AuditsError) as caught:
        said("show", "--at", "2026-10-01", *words)
    assert f"Did you mean {meant}?" in caught.value.fix


def test_a_part_that_no_rule_has_is_refused_beside_a_rule() -> None:
    with pytest.raises(AuditsError, match="A rule has no clauses: it has limits only") as caught:
        said("show", "--tier", "build", "--at", "2026-10-01", "--rule", "R05", "--only", "clauses")
    assert (caught.value.where, bool(caught.value.fix)) == ("--rule R05, --only clauses", True)
    assert said("show", "--tier", "build", "--at", "2026-10-01", "--rule", "R05", "--only", "limits")


def test_an_empty_day_is_not_today() -> None:
    with pytest.raises(AuditsError, match="'' is not a time"):
        said("show", "--tier", "build", "--at", "")
