"""`audits findings`: an option that names nothing is refused, never answered with an empty list."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from audits.cli import app
from audits.errors import AuditsError
from audits.ledger import open_ledger
from tests.reports.world import fill


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}"
    with open_ledger(url) as books, books.session() as session:
        fill(session)
    return url


def typed(ledger: str, *words: str) -> Result:
    environment = {"AUDITS_LEDGER_URL": ledger, "AUDITS_WAREHOUSE_URL": "", "COLUMNS": "160"}
    return CliRunner().invoke(app, ["findings", *words], env=environment)


def test_only_one_rule_of_one_tier(ledger: str) -> None:
    result = typed(ledger, "--period", "2026-10", "--tier", "build", "--rule", "R01", "--format", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert {(row["tier"], row["rule_id"]) for row in rows} == {("build", "R01")}


@pytest.mark.parametrize(
    ("words", "what", "meant"),
    [
        (("--tier", "Build"), "There is no tier 'Build'.", "Did you mean build?"),
        (("--rule", "R1"), "There is no rule 'R1'.", "Did you mean R01?"),
        (("--rule", "R0l"), "There is no rule 'R0l'.", "Did you mean R01?"),
        (("--rule", "RO2"), "There is no rule 'RO2'.", "Did you mean R02?"),
        (("--fail-on", "hihg"), "There is no severity 'hihg'.", "Did you mean high?"),
        (("--format", "jsnol"), "There is no format 'jsnol'.", "Did you mean jsonl?"),
    ],
)
def test_a_name_that_is_not_known(ledger: str, words: tuple[str, ...], what: str, meant: str) -> None:
    error = typed(ledger, "--period", "2026-10", *words).exception
    assert isinstance(error, AuditsError)
    assert (error.what, error.exit_code) == (what, 2)
    assert meant in error.fix


@pytest.mark.parametrize(("period", "meant"), [("2026-1", "2026-01"), ("2026W41", "2026-W41"), ("Q4 2026", "2026-Q4")])
def test_another_spelling_of_a_period(ledger: str, period: str, meant: str) -> None:
    error = typed(ledger, "--period", period).exception
    assert isinstance(error, AuditsError)
    assert f"Did you mean {meant}?" in error.fix
