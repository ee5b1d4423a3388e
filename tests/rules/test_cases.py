"""Every case of every rule, played on both engines: what it says is found, and both find the same.

Every finding of every case is proved by its evidence, and its sentence states nothing that its figures do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audits.errors import AuditsError
from audits.policy import load_book
from audits.rules.cases import REQUIRED_KINDS, Case, DuckStage, PostgresStage, differences, read_cases, run_case
from audits.rules.engine.loading import load_rule, rule_folders
from tests.rules.doubts import doubts_of


def _cases() -> Iterator[Any]:
    for folder in rule_folders():
        name = folder.name.partition("_")[0].upper()
        try:
            yield from (
                pytest.param(folder, case, id=f"{name}-{case.name}") for case in read_cases(folder / "cases.yaml")
            )
        except AuditsError as error:  # one file that cannot be read must not hide the cases of the others
            yield pytest.param(folder, error, id=f"{name}-unreadable")


@pytest.mark.parametrize(("folder", "case"), _cases())
def test_case_holds_on_both_engines(
    folder: Path, case: Case | AuditsError, duck_stage: DuckStage, postgres_stage: PostgresStage
) -> None:
    if isinstance(case, AuditsError):
        raise case
    rule = load_rule(folder)
    embedded = run_case(rule, case, duck_stage, load_book())
    served = run_case(rule, case, postgres_stage, load_book())
    for outcome in (embedded, served):
        assert differences(case, outcome) == []
        assert doubts_of(rule, outcome) == []
    assert (served.found, served.cells) == (embedded.found, embedded.cells)


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_rule_is_proved_from_every_side(folder: Path) -> None:
    cases = read_cases(folder / "cases.yaml")
    missing = set(REQUIRED_KINDS) - {case.kind for case in cases}
    assert not missing, f"no case of kind {', '.join(sorted(missing))}"
    sides = {bool(case.find) for case in cases if case.kind == "boundary"}
    assert sides == {True, False}, "cases of kind boundary are needed on both sides: one that finds, one that does not"
