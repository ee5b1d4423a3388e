"""Proving a rule without a server: its lint and every case of it on one stage."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from audits.cycles import CREATED
from audits.errors import AuditsError
from audits.policy import Book
from audits.rules.cases import DuckStage, Stage, differences, read_cases, run_cases
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import load_law, load_rule
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
    for case, outcome in zip(cases, run_cases(rule, cases, stage, book), strict=True):
        if isinstance(outcome, AuditsError):
            failures.append(_unsound(outcome))
        elif problems := differences(case, outcome):
            failures.append(Failure(f"{case.kind}: {case.name}", f"{file}:{case.line}", tuple(problems)))
    return Proof(len(cases), tuple(failures))


def prove_all(rules: Sequence[Rule], policy: Path | None) -> Iterator[tuple[Rule, Proof]]:
    """Every rule with its proof, in order, on embedded databases; several rules are proven side by side in processes.

    ``policy`` is the folder of the policy book, None for the shipped one.
    """
    if len(rules) == 1:
        book, _ = load_law(policy)
        stage = DuckStage()
        yield rules[0], prove(rules[0], book, stage)
        stage.close()
        return
    # Processes that start afresh: a fork would share the database engine of this one.
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(rules)), mp_context=get_context("spawn")) as pool:
        proofs = [pool.submit(_prove_in, rule.folder, policy) for rule in rules]
        for rule, proof in zip(rules, proofs, strict=True):
            yield rule, proof.result()


def _prove_in(folder: Path, policy: Path | None) -> Proof:
    """The proof of the rule in a folder, by a process of the pool."""
    book, rules, stage = _equipment(policy)
    rule = next((one for one in rules.values() if one.folder == folder), None) or load_rule(folder)
    return prove(rule, book, stage)


@cache
def _equipment(policy: Path | None) -> tuple[Book, dict[str, Rule], Stage]:
    """What a process of the pool needs, once for all the rules that it proves."""
    gc.set_threshold(CREATED)
    equipment = *load_law(policy), DuckStage()
    gc.freeze()  # nor is it looked for in all that stays
    return equipment


def _unsound(error: AuditsError) -> Failure:
    return Failure(error.what, error.where, (error.fix,) if error.fix else ())
