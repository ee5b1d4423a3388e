"""Proving a rule without a server: its lint and every case of it on one stage."""

from __future__ import annotations

from dataclasses import dataclass

from audits.errors import AuditsError
from audits.policy import Book
from audits.rules.base import Rule
from audits.rules.cases import Stage, differences, read_cases, run_case
from audits.rules.lint import lint


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, where it stands, and every difference to what should be."""

    title: str
    where: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """The number of cases that were played and what failed."""

    cases: int
    failures: tuple[Failure, ...]


def prove(rule: Rule, book: Book, stage: Stage) -> Proof:
    """Lint a rule and play its cases; what cannot even be read is a failure like the others."""
    failures = [Failure("lint", problem.file, (str(problem),)) for problem in lint(rule, book)]
    file = rule.folder / "cases.yaml"
    try:
        cases = read_cases(file)
    except AuditsError as error:
        return Proof(0, (*failures, _unsound(error)))
    for case in cases:
        try:
            problems = differences(case, run_case(rule, case, stage, book))
        except AuditsError as error:
            failures.append(_unsound(error))
            continue
        if problems:
            failures.append(Failure(f"{case.kind}: {case.name}", f"{file}:{case.line}", tuple(problems)))
    return Proof(len(cases), tuple(failures))


def _unsound(error: AuditsError) -> Failure:
    return Failure(error.what, error.where, (error.fix,) if error.fix else ())
