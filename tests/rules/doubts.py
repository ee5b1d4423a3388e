"""What is told of a finding without proof: figures that its rows do not prove, conditions that they do not meet."""

from __future__ import annotations

import re
from typing import Any

from audits.rules.cases import Outcome
from audits.rules.engine.base import Found, Rule
from audits.rules.engine.wording import told
from audits.warehouse.vocabulary import COUNTRIES, WORDS
from tests.rules.evidence import DERIVATIONS, TOLERANCE, Row, Rows, alike

_WORDS = {column.name: words for column, words in WORDS.items()}
_COUNTRIES = {column.name for column in COUNTRIES}


def doubts_of(rule: Rule, outcome: Outcome) -> list[str]:
    """What is told of a case's findings without proof, in words."""
    proofs = zip(outcome.found, outcome.evidence, strict=True)
    return [doubt for (found, _), rows in proofs for doubt in (*unproved(rule, found, rows), *misstated(rule, found))]


def unproved(rule: Rule, found: Found, rows: Rows) -> list[str]:
    """Each figure of a finding that its evidence does not prove, in words."""
    proved = DERIVATIONS[rule.id]([as_agreed(row) for row in rows], found)
    return [
        f"{rule.id} {found.subject_id}: {name} is {found.observed[name]}, its {len(rows)} rows prove {value}"
        for name, value in proved.items()
        if found.observed.get(name) is not None and not alike(value, found.observed[name])
    ]


def as_agreed(row: Row) -> Row:
    """A row with the words and countries that the contract agrees on, however spelt; any other is not known."""
    return {name: _agreed(name, value) if isinstance(value, str) else value for name, value in row.items()}


def _agreed(name: str, value: str) -> Any:
    if name in _COUNTRIES:
        code = value.strip().upper()
        return code if len(code) == 2 else None
    said = value.strip().lower()
    return value if name not in _WORDS else said if said in _WORDS[name] else None


def misstated(rule: Rule, found: Found) -> list[str]:
    """Each condition that a finding's sentence states and its figures do not meet, in words."""
    sentence = told(rule.spec.summaries.get(found.discriminator, rule.spec.summary), found)
    problems = []
    for name, how in re.findall(r"\{observed\[(\w+)\](?::([^}]*))?\}", sentence):
        value = found.observed[name]
        limits = {limit: found.limits[limit] for limit in limits_of(rule, name) if found.limits.get(limit) is not None}
        if value is None:
            continue
        if how.startswith("#") and value == 0:
            problems.append(f"{rule.id} {found.subject_id}: the sentence tells of 0 as {name}")
        if limits and not any(meets(value, limit, bound) for limit, bound in limits.items()):
            problems.append(f"{rule.id} {found.subject_id}: {name} is {value}, told beside the limit {limits}")
    return problems


def limits_of(rule: Rule, name: str) -> tuple[str, ...]:
    """The limits that a figure is held against."""
    return tuple(rule.spec.against.get(name, ()))


def meets(value: float, limit: str, bound: float) -> bool:
    """Whether a figure breaks its limit: it is at most a ``_max``, and at least any other."""
    return value <= bound + TOLERANCE if limit.endswith("_max") else value >= bound - TOLERANCE
