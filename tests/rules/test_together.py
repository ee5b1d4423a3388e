"""Cases that share a stage come to what each comes to alone, and one that is wrong is named alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audits.policy import load_book
from audits.rules.cases import Case, DuckStage, PostgresStage, Stage, read_cases, run_case, run_cases
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import load_rule, rule_folders
from audits.rules.engine.proof import prove

SAMPLE = 8  # cases of a rule, from all over its file


@contextmanager
def counted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The times that something is put on a stage."""
    plays: list[Any] = []
    play = stage.play
    with monkeypatch.context() as patched:
        patched.setattr(stage, "play", lambda rows: (plays.append(rows), play(rows))[1])
        yield plays


def sample_of(rule: Rule) -> list[Case]:
    cases = read_cases(rule.folder / "cases.yaml")
    return list(cases[:: len(cases) // SAMPLE][:SAMPLE])


def folder_of(rule_id: str) -> Path:
    return next(folder for folder in rule_folders() if folder.name.startswith(f"{rule_id.lower()}_"))


@pytest.mark.parametrize("rule_id", ["R07", "R10", "R17", "R25"])  # accounts, groups, keys, customers
def test_cases_come_to_the_same_side_by_side(
    rule_id: str, duck_stage: DuckStage, postgres_stage: PostgresStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, book = load_rule(folder_of(rule_id)), load_book()
    cases = sample_of(rule)
    for stage in (duck_stage, postgres_stage):
        alone = [run_case(rule, case, stage, book) for case in cases]
        with counted(stage, monkeypatch) as plays:
            assert run_cases(rule, cases, stage, book) == alone
        assert len(plays) < len(cases)


def test_each_case_of_a_rule_that_compares_with_the_population_is_played_alone(
    duck_stage: DuckStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = load_rule(folder_of("R03"))
    cases = sample_of(rule)
    with counted(duck_stage, monkeypatch) as plays:
        run_cases(rule, cases, duck_stage, load_book())
    assert len(plays) == len(cases)


CASES = """
defaults: {period: 2026-10, limits: {all: {requests_a_day: 3, output_tokens_a_week: 1000000}}}
cases:
  - name: four requests on a day
    kind: boundary
    rows: {usage_events: [{at: 2026-10-05T10:00, times: 4}]}
    find: [{subject: a1, accounts: [a1], customers: [c1], evidence: 4}]
  - name: one more
    kind: boundary
    rows: {usage_events: [{at: 2026-10-05T10:00, times: 5}]}
    find: [{subject: a1, observed: {peak_requests_a_day: 4}}]
  - name: one less
    kind: boundary
    rows: {usage_events: [{at: 2026-10-05T10:00, times: 3}]}
    verdicts: {c1: compliant}
  - name: of a tier that is not there
    kind: miss
    limits: {unheard: {requests_a_day: 3}}
"""


def test_case_that_is_wrong_is_the_one_that_fails(tmp_path: Path, duck_stage: DuckStage) -> None:
    shipped = load_rule(folder_of("R01"))
    rule = replace(shipped, folder=tmp_path / "r01")
    shutil.copytree(shipped.folder, rule.folder)
    file = rule.folder / "cases.yaml"
    file.write_text(CASES)
    proof = prove(rule, load_book(), duck_stage)
    wrong, unsound = proof.failures
    assert proof.cases == 4
    assert (wrong.title, wrong.where) == ("boundary: one more", f"{file}:8")
    assert wrong.lines == ("account a1 in build: observed.peak_requests_a_day: expected 4, got 5",)
    assert "there is no tier 'unheard'" in unsound.title
    assert unsound.where.startswith(f"{file}:16")
