"""Holding what a case came to against what it says, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from audits.rules.cases.format import Case, Expected
from audits.rules.cases.run import Outcome
from audits.rules.engine.base import Found
from audits.rules.engine.evaluate import Cell

TOLERANCE = 1e-5  # of observed figures: a case is written by hand, engines agree to six places


def differences(case: Case, outcome: Outcome) -> list[str]:
    """Every difference between a case and its outcome, one a line; empty where they agree."""
    if case.error is not None:
        return [] if case.error in outcome.error else [f"error: expected {case.error!r}, got {outcome.error!r}"]
    if outcome.error:
        return [outcome.error]
    return [
        *_findings(case.find, outcome),
        *_verdicts(case.verdicts, outcome.cells),
        *outcome.bad_evidence,
    ]


def identity(found: Found) -> str:
    """A finding as a reader of a difference knows it."""
    more = f" ({found.discriminator})" if found.discriminator else ""
    return f"{found.subject_type} {found.subject_id} in {found.tier}{more}"


def _findings(expected: Iterable[Expected], outcome: Outcome) -> list[str]:
    counts = map(len, outcome.evidence)
    left = [(one, sentence, rows) for (one, sentence), rows in zip_longest(outcome.found, counts)]
    problems = []
    for one in expected:
        match = next((three for three in left if _is_meant(one, three[0])), None)
        if match is None:
            problems.append(f"not found: {one.type or 'subject'} {one.subject}{f' in {one.tier}' if one.tier else ''}")
        else:
            left.remove(match)
            problems += [f"{identity(match[0])}: {problem}" for problem in _details(one, *match)]
    problems += [f"found, but not expected: {identity(one)}, observed {dict(one.observed)}" for one, *_ in left]
    return problems


def _is_meant(expected: Expected, found: Found) -> bool:
    return expected.subject == found.subject_id and all(
        wanted is None or wanted == got
        for wanted, got in (
            (expected.type, found.subject_type),
            (expected.tier, found.tier),
            (expected.discriminator, found.discriminator),
        )
    )


def _details(expected: Expected, found: Found, sentence: str, rows: int | None) -> list[str]:
    pairs: list[tuple[str, Any, Any]] = [
        ("severity", expected.severity, found.severity),
        ("one_operator", expected.one_operator, found.one_operator),
        ("accounts", expected.accounts and tuple(sorted(expected.accounts)), found.account_ids),
        ("customers", expected.customers and tuple(sorted(expected.customers)), found.customer_ids),
    ]
    problems = [f"{name}: expected {want}, got {got}" for name, want, got in pairs if want is not None and want != got]
    for part, wanted, got in (
        ("observed", expected.observed, found.observed),
        ("limits", expected.limits, found.limits),
    ):
        problems += [
            f"{part}.{name}: expected {value!r}, got {got.get(name, 'nothing')!r}"
            for name, value in wanted.items()
            if name not in got or not same(value, got[name])
        ]
    if expected.summary is not None and expected.summary not in sentence:
        problems.append(f"summary: expected {expected.summary!r} in {sentence!r}")
    if None not in (expected.evidence, rows) and expected.evidence != rows:
        problems.append(f"evidence: expected {expected.evidence} rows, got {rows}")
    return problems


def same(wanted: Any, got: Any) -> bool:
    """Equal, numbers within :data:`TOLERANCE`, instants and days as their ISO text."""
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, int | float) and isinstance(got, int | float):
        return math.isclose(wanted, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if hasattr(wanted, "isoformat"):
        return bool(str(got).startswith(wanted.isoformat()))
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        return len(wanted) == len(got) and all(same(a, b) for a, b in zip(wanted, got, strict=True))
    return bool(wanted == got)


def _verdicts(expected: Mapping[str, list[str]], cells: Iterable[Cell]) -> list[str]:
    got: dict[str, list[Cell]] = {}
    for cell in cells:
        got.setdefault(cell.customer_id, []).append(cell)
        got.setdefault(f"{cell.customer_id}/{cell.tier}", []).append(cell)
    problems = []
    for who, (verdict, *reason) in expected.items():
        judged = got.get(who, [])
        if len(judged) != 1:
            there = ", ".join(f"{cell.customer_id}/{cell.tier}" for cell in judged) or "none"
            problems.append(f"verdict of {who}: expected one cell, got {there}")
        elif judged[0].verdict != verdict or (reason and reason[0] not in judged[0].reason):
            said = f"{judged[0].verdict}{f' ({judged[0].reason})' if judged[0].reason else ''}"
            problems.append(f"verdict of {who}: expected {' '.join([verdict, *reason])}, got {said}")
    return problems
