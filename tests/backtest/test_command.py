"""``audits backtest``, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audits.cli import app
from audits.errors import AuditsError
from audits.policy import init_book

OCTOBER = ("--from", "2026-10", "--to", "2026-10")
LOWER = ("--rule", "R01", "--set", "requests_a_day=20")


def typed(environment: dict[str, str], *words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["backtest", *map(str, words)], env=environment)
    if isinstance(result.exception, AuditsError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def test_table_names_who_and_how_many(environment: dict[str, str]) -> None:
    said = typed(environment, *LOWER, *OCTOBER)
    assert "R01 build requests_a_day 5,000 -> 20 from 2020-01-01" in said
    for words in ("Would gain", "Customer c-b-3 build, 2026-10", "R01: Peak: 30 successful requests", "0 → 2"):
        assert words in said
    assert "0 % → 20 %" in said  # two of ten Build customers
    assert "Would lose" not in said


def test_files_and_json_say_the_same(environment: dict[str, str], tmp_path: Path) -> None:
    printed = json.loads(typed(environment, *LOWER, *OCTOBER, "--format", "json", "--out", tmp_path / "b"))
    assert json.loads((tmp_path / "b" / "backtest.json").read_text()) == printed
    assert (tmp_path / "b" / "backtest.html").read_text().startswith("<!doctype html>")
    assert printed["counts"] == {"before": 0, "after": 3, "gained": 3, "lost": 0, "raised": 0, "lowered": 0}
    assert printed["concerned"]["newly_share"] == 3 / 16
    [build] = [tier for tier in printed["tiers"] if tier["tier"] == "build"]
    assert (build["concerned"]["newly"], build["concerned"]["newly_share"]) == (2, 0.2)
    assert {change["subject_id"] for change in printed["changes"]} == {"b-3", "b-4", "s-1"}
    assert printed["changes"][0]["customers"][0].keys() == {"customer_id", "name"}


def test_nothing_is_written_without_out(environment: dict[str, str]) -> None:
    typed(environment, *LOWER, *OCTOBER)
    assert not Path(environment["AUDITS_OUT"]).exists()
    assert not Path(environment["AUDITS_LEDGER_URL"].removeprefix("sqlite:///")).exists()


def test_a_book_against_the_one_in_force(environment: dict[str, str], tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    file = tmp_path / "book" / "limits" / "R01.yaml"
    file.write_text(file.read_text().replace("build: 5000", "build: 35"))
    said = typed(environment, "--policy", tmp_path / "book", "--rule", "R01", *OCTOBER)
    assert "R01 build requests_a_day 5,000 -> 35" in said
    assert "⟨" not in said
    assert "<script>document.title" in said  # a name is shown as what it is, and sets no style


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (OCTOBER, "Nothing is proposed.", "--rule R01 --set"),
        (("--rule", "R99", *OCTOBER), "There is no rule 'R99'.", "audits rules list"),
        (("--rule", "R1", "--set", "a=1", *OCTOBER), "There is no rule 'R1'.", "Did you mean R01?"),
        (("--rule", "R01", *OCTOBER), "Nothing is proposed: R01 is in force", "requests_a_day, output_tokens_a_week"),
        (
            ("--rule", "R01", "--set", "request_a_day=4", *OCTOBER),
            "There is no parameter of R01 named 'request_a_day'.",
            "Did you mean requests_a_day?",
        ),
        (("--rule", "R01", "--set", "biuld.requests_a_day=4", *OCTOBER), "There is no tier 'biuld'.", "build?"),
        (("--rule", "R08", "--set", "gold.harvest_share_min=1", *OCTOBER), "There is no tier 'gold'.", "free, build"),
        (("--rule", "R09", "--set", "free.requests_min=4", *OCTOBER), "R09 does not speak of tier free.", "build"),
        (("--rule", "R01", "--set", "requests_a_day=many", *OCTOBER), "'many' is no count.", "a whole number"),
        (("--rule", "R01", "--set", "requests_a_day=-4", *OCTOBER), "'-4' is below zero.", "0 or more"),
        (("--rule", "R14", "--set", "share_min=1.5", *OCTOBER), "'1.5' is above 1.", "a share from 0 to 1"),
        (("--rule", "R01", "--set", "requests_a_day=[", *OCTOBER), "'[' is no value.", "a whole number"),
        (("--rule", "R01", "--set", "requests_a_day", *OCTOBER), "'requests_a_day' sets nothing.", "NAME=VALUE"),
        (
            ("--rule", "R01", "--set", "requests_a_day=4", "--set", "requests_a_day=5", *OCTOBER),
            "requests_a_day is set twice.",
            "one value",
        ),
        (
            ("--policy", ".", "--set", "a=1", *OCTOBER),
            "Limits are set one by one, or by a whole book",
            "leave --policy",
        ),
        ((*LOWER, "--from", "2026-10", "--to", "2026-09"), "2026-09 lies before 2026-10.", "Swap"),
        ((*LOWER, "--from", "2026-10", "--to", "2026-W44"), "2026-10 is a month and 2026-W44 is a week.", "one kind"),
        ((*LOWER, "--from", "October", "--to", "2026-10"), "", "Write a day"),
        (
            (*LOWER, "--from", "2027-01", "--to", "2027-01"),
            "1 of 1 periods is not prepared",
            "audits run --period 2027",
        ),
    ],
)
def test_what_cannot_be_tried_is_said(environment: dict[str, str], words: tuple[str, ...], what: str, fix: str) -> None:
    with pytest.raises(AuditsError) as caught:
        typed(environment, *words)
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.where
    assert caught.value.exit_code == 2


def test_the_same_book_proposes_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    with pytest.raises(AuditsError, match="Nothing that is in force differs"):
        typed(environment, "--policy", tmp_path / "book", *OCTOBER)


def test_without_a_warehouse(environment: dict[str, str]) -> None:
    with pytest.raises(AuditsError, match="No warehouse is configured"):
        typed(environment | {"AUDITS_WAREHOUSE_URL": ""}, *LOWER, *OCTOBER)


def test_where_nothing_is_recorded_it_does_not_say_that_nobody_would_notice(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The world has no sign-ins, so that R24 can judge nobody."""
    typed(environment, "--rule", "R24", "--set", "failures_a_day=1", *OCTOBER, "--out", tmp_path / "b")
    page = (tmp_path / "b" / "backtest.html").read_text()
    assert "Nothing could be judged" in page
    assert "Nobody would notice" not in page
