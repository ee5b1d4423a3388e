"""Every case of every rule, played on both engines: what it says is found, and both find the same.

Every finding of every case is proved by its evidence, and its sentence states nothing that its figures do not meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from audits.errors import AuditsError
from audits.policy import load_book
from audits.rules.cases import (
    REQUIRED_KINDS,
    Case,
    DuckStage,
    Outcome,
    PostgresStage,
    differences,
    read_cases,
    run_cases,
)
from audits.rules.engine.loading import load_rule, rule_folders
from tests.rules.doubts import doubts_of


def _cases() -> Iterator[Any]:
    for folder in rule_folders():
        name = folder.name.partition("_")[0].upper()
        try:
            yield from (
                pytest.param(folder, case, id=f"{name}-{case.name}", marks=pytest.mark.xdist_group(name))
                for case in read_cases(folder / "cases.yaml")
            )
        except AuditsError as error:  # one file that cannot be read must not hide the cases of the others
            yield pytest.param(folder, error, id=f"{name}-unreadable")


Both = Mapping[str, tuple[Outcome | AuditsError, Outcome | AuditsError]]
"""Case by name -> what it came to on the embedded and on the served engine."""


@pytest.fixture(scope="session")
def both_engines(
    request: pytest.FixtureRequest, duck_stage: DuckStage, postgres_stage: PostgresStage
) -> Callable[[Path], Both]:
    """A rule's cases, as far as they are asked for, played on both engines the first time that one is."""

    @cache
    def play(folder: Path) -> Both:
        asked = [getattr(item, "callspec").params for item in request.session.items if hasattr(item, "callspec")]  # noqa: B009 - of parametrized tests alone
        cases = [one["case"] for one in asked if one.get("folder") == folder and isinstance(one.get("case"), Case)]
        rule, book = load_rule(folder), load_book()
        embedded, served = (run_cases(rule, cases, stage, book) for stage in (duck_stage, postgres_stage))
        return {case.name: both for case, *both in zip(cases, embedded, served, strict=True)}

    return play


@pytest.mark.parametrize(("folder", "case"), _cases())
def test_case_holds_on_both_engines(
    folder: Path, case: Case | AuditsError, both_engines: Callable[[Path], Both]
) -> None:
    if isinstance(case, AuditsError):
        raise case
    embedded, served = both_engines(folder)[case.name]
    for outcome in (embedded, served):
        if isinstance(outcome, AuditsError):
            raise outcome
        assert differences(case, outcome) == []
        assert doubts_of(load_rule(folder), outcome) == []
    assert (served.found, served.cells) == (embedded.found, embedded.cells)


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_rule_is_proved_from_every_side(folder: Path) -> None:
    cases = read_cases(folder / "cases.yaml")
    missing = set(REQUIRED_KINDS) - {case.kind for case in cases}
    assert not missing, f"no case of kind {', '.join(sorted(missing))}"
    sides = {bool(case.find) for case in cases if case.kind == "boundary"}
    assert sides == {True, False}, "cases of kind boundary are needed on both sides: one that finds, one that does not"
