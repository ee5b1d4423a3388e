"""The changed versions of one rule: of its Python or SQL, and of its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from audits.policy import LimitRow
from audits.rules.engine.base import SEVERITIES, Rule
from audits.rules.engine.scope import Scope

Kind = Literal["comparison", "limit", "window", "join", "null", "logic"]
KINDS: tuple[Kind, ...] = ("comparison", "limit", "window", "join", "null", "logic")
REQUIRED: tuple[Kind, ...] = ("comparison", "limit")
"""Kinds of which no mutant may live."""

EXCUSE = "adequacy: equivalent"

_SHARE_STEP = 0.05
_FACTOR_STEP = 0.1  # of the value itself


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where it stands, what it does, and the rule and scope under it."""

    kind: Kind
    where: str  # file:line
    what: str
    excused: bool
    rule: Rule
    scope: Callable[[Scope], Scope] = lambda scope: scope

    @property
    def required(self) -> bool:
        """Whether the cases must notice it."""
        return self.kind in REQUIRED and not self.excused


def steps_of(value: float) -> list[float]:
    """The numbers beside a constant: one more and one less, of a fraction a tenth."""
    return [value + 1, value - 1] if isinstance(value, int) else [value * 1.1, value * 0.9]


def mutants_of(rule: Rule) -> list[Mutant]:
    """Every mutant of a rule, in order of the file."""
    from audits.rules.adequacy.python import python_mutants  # noqa: PLC0415 - they build on Mutant
    from audits.rules.adequacy.sql import sql_mutants  # noqa: PLC0415

    of_code = sql_mutants if (rule.folder / "rule.sql").is_file() else python_mutants
    return [*of_code(rule), *_limits(rule)]


def _limits(rule: Rule) -> Iterator[Mutant]:
    """Each limit a step higher and a step lower, on every tier and day."""
    lines = (rule.folder / "rule.yaml").read_text("utf-8").splitlines()
    for name, parameter in rule.spec.parameters.items():
        number = next((n for n, line in enumerate(lines, 1) if line.strip().startswith(f"{name}:")), 1)
        excused = EXCUSE in lines[number - 1]
        for what, step in _steps(parameter.type):
            yield Mutant("limit", f"rule.yaml:{number}", f"{name} {what}", excused, rule, _Stepped(name, step))


@dataclass(frozen=True, slots=True)
class _Stepped:
    """A scope with one limit changed."""

    name: str
    step: Callable[[Any], Any]

    def __call__(self, scope: Scope) -> Scope:
        rows = tuple(
            LimitRow(row.tier, row.from_day, row.to_day, {**row.values, self.name: self.step(row.values[self.name])})
            for row in scope.limits
        )
        return replace(scope, limits=rows)


def _steps(kind: str) -> list[tuple[str, Callable[[Any], Any]]]:
    match kind:
        case "flag":
            return [("turned round", lambda value: not value)]
        case "severity":
            return [("another", lambda value: SEVERITIES[SEVERITIES.index(value) - 1])]
        case "words":
            return [("without its words", lambda _: ())]
        case "share" | "score":
            return [
                (f"+ {_SHARE_STEP}", lambda value: value + _SHARE_STEP),
                (f"- {_SHARE_STEP}", lambda value: value - _SHARE_STEP),
            ]
        case "tenth":
            return [("+ 0.1", lambda value: value + 0.1), ("- 0.1", lambda value: value - 0.1)]
        case "factor" | "usd" | "percent":
            return [
                ("+ 10 %", lambda value: value * (1 + _FACTOR_STEP)),
                ("- 10 %", lambda value: value * (1 - _FACTOR_STEP)),
            ]
        case _:
            return [("+ 1", lambda value: value + 1), ("- 1", lambda value: value - 1)]
