"""Every case of every rule, played on both engines: what it says is found, and both find the same."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from audits.policy import load_book
from audits.rules.base import Rule
from audits.rules.cases import Case, DuckStage, PostgresStage, differences, read_cases, run_case
from audits.rules.catalogue import load_rules

RULES = load_rules()
CASES = [
    pytest.param(rule, case, id=f"{rule.id}-{case.name}")
    for rule in RULES.values()
    if (rule.folder / "cases.yaml").is_file()
    for case in read_cases(rule.folder / "cases.yaml")
]


@pytest.fixture(scope="session")
def duck_stage(tmp_path_factory: pytest.TempPathFactory) -> DuckStage:
    return DuckStage(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="session")
def postgres_stage(postgres_server: str) -> Iterator[PostgresStage]:
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE rule_cases")
    stage = PostgresStage(f"{postgres_server}/rule_cases")
    yield stage
    stage.close()


@pytest.mark.parametrize(("rule", "case"), CASES)
def test_case_holds_on_both_engines(
    rule: Rule, case: Case, duck_stage: DuckStage, postgres_stage: PostgresStage
) -> None:
    embedded = run_case(rule, case, duck_stage, load_book())
    assert differences(case, embedded) == []

    served = run_case(rule, case, postgres_stage, load_book())
    assert differences(case, served) == []
    assert (served.found, served.cells) == (embedded.found, embedded.cells)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rule_has_cases(rule: Rule) -> None:
    assert (rule.folder / "cases.yaml").is_file()
