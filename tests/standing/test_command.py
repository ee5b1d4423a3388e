"""``audits standing``, as an account manager types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audits.cli import app
from audits.errors import AuditsError
from audits.ledger import open_ledger
from tests.reports.world import fill


@pytest.fixture(scope="module")
def ledger_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}"
    with open_ledger(url) as ledger, ledger.session() as session:
        fill(session)
    return url


@pytest.fixture
def environment(ledger_url: str, tmp_path: Path) -> dict[str, str]:
    warehouse = f"duckdb:///{tmp_path / 'none.duckdb'}"
    return {"AUDITS_WAREHOUSE_URL": warehouse, "AUDITS_LEDGER_URL": ledger_url, "COLUMNS": "160"}


def test_the_answer_for_somebody_on_the_phone(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["standing", "c-0203", "--at", "2026-11-24"], env=environment)
    assert result.exit_code == 0, result.output
    for words in (
        "Northwind Ltd", "▲ WATCH since 1 Oct 2026", "You may say", "Was this planned?", "History",
        "checks that apply in 2026-10 were evaluated",
    ):  # fmt: skip
        assert words in result.output
    assert "fraud" not in result.output


def test_the_same_for_a_program(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(
        app, ["standing", "a-0203-0", "--at", "2026-11-24", "--format", "json"], env=environment
    )
    data = json.loads(result.output)
    assert (data["customer_id"], data["standing"], data["as_of"]) == ("c-0203", "watch", "2026-11-24")
    assert data["reasons"][0]["rule_id"] == "R02"


def test_a_hostile_name_cannot_move_the_cursor_or_set_a_style(environment: dict[str, str]) -> None:
    for customer, shown in (("c-0186", "bell"), ("c-0185", "⟨U+202E⟩gnp.exe txet"), ("c-0303", "<b onmouseover=")):
        output = CliRunner().invoke(app, ["standing", customer, "--at", "2026-11-24"], env=environment).output
        assert shown in output
        assert "\x07" not in output
        assert "\u202e" not in output


def test_somebody_unknown_is_said_to_be_unknown(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["standing", "Nordwind"], env=environment)
    assert isinstance(result.exception, AuditsError)
    assert result.exception.what == "There is no customer 'Nordwind'."
    assert "Did you mean Northwind" in result.exception.fix


@pytest.mark.parametrize("command", [["standing"], ["coverage", "--period", "2026-10", "--customer"]])
def test_a_part_of_a_name_that_many_have_lists_them(
    environment: dict[str, str], audits: Callable[..., tuple[int, str]], command: list[str]
) -> None:
    code, said = audits(*command, "juniper", **environment)
    lines = said.splitlines()
    assert code == 2
    assert "customers have 'juniper' in their name." in lines[0]
    assert lines[2] == "  do    Give the id of one, or more of its name:"
    assert len(lines) == 3 + 10 + 1
    assert all(line.startswith("        c-0") and line.index("Juniper") == 16 for line in lines[3:-1])
    assert lines[-1].strip().startswith("and ")
    assert lines[-1].endswith(" more")


@pytest.mark.parametrize("who", ["c-0203", "a-0203-0", "harbour analytics gmbh", "<B ONMOUSE"])
def test_coverage_takes_a_customer_as_standing_does(
    environment: dict[str, str], audits: Callable[..., tuple[int, str]], who: str
) -> None:
    code, said = audits("coverage", "--period", "2026-10", "--customer", who, **environment)
    assert code == 0, said
    assert "Verdict" in said


@pytest.mark.parametrize("nobody", ["", " "])
def test_nobody_is_refused(environment: dict[str, str], nobody: str) -> None:
    result = CliRunner().invoke(app, ["standing", nobody], env=environment)
    assert isinstance(result.exception, AuditsError)
    assert (result.exception.what, result.exception.exit_code) == ("No customer is named.", 2)
    assert result.exception.where
    assert result.exception.fix


def test_a_day_that_is_none(environment: dict[str, str]) -> None:
    result = CliRunner().invoke(app, ["standing", "c-0203", "--at", "31 October"], env=environment)
    assert isinstance(result.exception, AuditsError)
    assert result.exception.where == "--at 31 October"
