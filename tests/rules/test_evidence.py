"""Proof of a finding's figures: every rule has a derivation, and what is not proved or not true is noticed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audits.policy import load_book
from audits.rules.cases import DuckStage, Outcome, read_cases, run_case
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import load_rule, rule_folders
from tests.rules.doubts import doubts_of
from tests.rules.evidence import DERIVATIONS


@pytest.fixture(scope="module")
def rule() -> Rule:
    return load_rule(next(folder for folder in rule_folders() if folder.name.startswith("r01")))


@pytest.fixture(scope="module")
def outcome(rule: Rule, duck_stage: DuckStage) -> Outcome:
    """A case with one finding: four requests on a day, where three are allowed."""
    return run_case(
        rule, next(case for case in read_cases(rule.folder / "cases.yaml") if case.find), duck_stage, load_book()
    )


def changed(outcome: Outcome, **parts: Any) -> Outcome:
    """The outcome with other figures or limits of its finding."""
    ((found, sentence),) = outcome.found
    others = {name: dict(getattr(found, name)) | values for name, values in parts.items()}
    return replace(outcome, found=((replace(found, **others), sentence),))


def test_every_rule_has_a_derivation() -> None:
    assert set(DERIVATIONS) == {load_rule(folder).id for folder in rule_folders()}


def test_what_is_proved_and_true_raises_no_doubt(rule: Rule, outcome: Outcome) -> None:
    assert doubts_of(rule, outcome) == []


def test_a_figure_that_its_rows_do_not_prove_is_noticed(rule: Rule, outcome: Outcome) -> None:
    assert doubts_of(rule, changed(outcome, observed={"peak_requests_a_day": 5})) == [
        "R01 a1: peak_requests_a_day is 5, its 4 rows prove 4"
    ]
    fewer = replace(outcome, evidence=(outcome.evidence[0][1:],))
    assert doubts_of(rule, fewer) == ["R01 a1: peak_requests_a_day is 4, its 3 rows prove 3"]


def test_a_sentence_that_tells_of_a_limit_that_was_kept_is_noticed(rule: Rule, outcome: Outcome) -> None:
    (doubt,) = doubts_of(rule, changed(outcome, limits={"requests_a_day": 5}))
    assert doubt == "R01 a1: peak_requests_a_day is 4, told beside the limit {'requests_a_day': 5}"


def test_a_sentence_that_counts_nothing_is_noticed(rule: Rule, outcome: Outcome) -> None:
    observed = {"peak_requests_a_day": 0, "peak_day": None}
    none = changed(replace(outcome, evidence=([],)), observed=observed, limits={"requests_a_day": 0})
    assert doubts_of(rule, none) == ["R01 a1: the sentence tells of 0 as peak_requests_a_day"]
