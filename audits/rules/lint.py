"""What can be said of a rule without asking it: no clock, the period's bounds, the columns that make a finding."""

from __future__ import annotations

import ast
import string
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import sqlglot
from sqlalchemy import Select
from sqlglot import exp
from sqlglot.errors import SqlglotError

from audits.errors import closest
from audits.periods import Period
from audits.policy import Book, LimitRow
from audits.policy.errors import Problem
from audits.rules.engine.base import Rule
from audits.rules.engine.operator_rule import problems_of
from audits.rules.engine.operator_sql import CLOCK_NAMES, CLOCKS, COLUMNS
from audits.rules.engine.scope import Scope

_PERIOD = Period.parse("2026-10")
_PYTHON_CLOCKS = {"now", "utcnow", "today", "current_date", "current_timestamp", "localtimestamp", "clock_timestamp"}
_PYTHON_MODULES = {"time", "random", "uuid", "secrets", "os"}
_ANY: dict[str, Any] = {"severity": "medium", "flag": True, "words": ("word",)}


def lint(rule: Rule, book: Book) -> list[Problem]:
    """Every problem of a rule's files, in order of file and line."""
    if (rule.folder / "rule.sql").is_file():
        found = [*_summary(rule, None), *problems_of(rule.folder, rule.spec)]
    else:
        found = [*_python(rule), *_compiled(rule, book)]
    return sorted(found)


def _python(rule: Rule) -> Iterator[Problem]:
    """Clocks and chance in ``rule.py``."""
    file = rule.folder / "rule.py"
    source = file.read_text("utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        name = ""
        if isinstance(node, ast.Attribute) and node.attr in _PYTHON_CLOCKS:
            name = node.attr
        elif isinstance(node, ast.Import):
            name = next((one.name for one in node.names if one.name in _PYTHON_MODULES), "")
        elif isinstance(node, ast.ImportFrom) and node.module in _PYTHON_MODULES:
            name = node.module or ""
        if name and isinstance(node, ast.expr | ast.stmt):
            what = f"{name} differs from run to run; an audit must come out the same again."
            line = lines[node.lineno - 1]
            yield Problem(str(file), node.lineno, node.col_offset + 1, what, "scope.period and its days", "", line)


def _compiled(rule: Rule, book: Book) -> Iterator[Problem]:
    """The rule's selects, as SQL."""
    scope = _scope(rule, book)
    for function in (rule.violations, rule.unevaluable, rule.inapplicable):
        if function is None:
            continue
        try:
            statement = function(scope)
            yield from _select(rule, function, statement, scope)
        except (SqlglotError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            yield _at(
                rule, function.__name__, f"{function.__name__} cannot be compiled: {error}", "a SQLAlchemy select"
            )
            continue
        if function is rule.violations:
            yield from _summary(rule, {column.name for column in statement.selected_columns})


def _select(
    rule: Rule, function: Callable[[Scope], Select[Any]], statement: Select[Any], scope: Scope
) -> Iterator[Problem]:
    name = function.__name__
    compiled = statement.compile()
    tree = sqlglot.parse_one(str(compiled), read="postgres")
    clocks = {node.sql_name().lower() for node in tree.find_all(*CLOCKS)}
    clocks |= {node.name.lower() for node in tree.find_all(exp.Anonymous)} & CLOCK_NAMES
    for clock in sorted(clocks):
        what = f"{clock} differs from run to run; an audit must come out the same again."
        yield _at(rule, name, what, "scope.period and its days")
    values = list(compiled.params.values())
    if rule.spec.needs.usage and name == "violations":
        begins, ends = {scope.period.start, scope.period.first_day}, {scope.period.end, scope.period.last_day}
        begins |= {scope.baseline_from, datetime.combine(scope.baseline_from, scope.period.start.timetz())}
        for bounds, which in ((begins, "begins"), (ends | {scope.period.end_day}, "ends")):
            if not any(value in bounds for value in values if isinstance(value, date)):
                yield _at(
                    rule, name, f"The query does not say where the period {which}.", "scope.usage(...) and its like"
                )
    needed = ("subject_id", "tier") if name == "violations" else ("account_id", "reason")
    columns = [column.name for column in statement.selected_columns]
    for missing in set(needed) - set(columns):
        yield _at(rule, name, f"The query returns no column {missing}.", ", ".join(needed))
    if name == "violations":
        yield from _columns(rule, columns)


def _columns(rule: Rule, columns: list[str]) -> Iterator[Problem]:
    spec = rule.spec
    for column in columns:
        kind, _, rest = column.partition("_")
        if kind == "observed" and rest not in spec.observed:
            known = list(spec.observed)
            yield _at(
                rule, "violations", f"rule.yaml does not say what {rest} is.", ", ".join(known), closest(rest, known)
            )
        elif kind == "limit" and rest not in spec.parameters and rest not in spec.limits:
            known = [*spec.parameters, *spec.limits]
            what = f"rule.yaml has no parameter {rest}, nor says under `limits` what it is."
            yield _at(rule, "violations", what, ", ".join(known), closest(rest, known))
        elif kind not in ("observed", "limit") and column not in COLUMNS:
            yield _at(rule, "violations", f"A rule returns no column {column}.", ", ".join(COLUMNS))
    for name in spec.observed:
        if f"observed_{name}" not in columns:
            yield _at(rule, "violations", f"The query returns no column observed_{name}, which rule.yaml describes.")


def _summary(rule: Rule, columns: set[str] | None) -> Iterator[Problem]:
    """Placeholders of the sentence that no finding can fill."""
    file = rule.folder / "rule.yaml"
    spec = rule.spec
    filled = {f"observed[{name}]" for name in spec.observed}
    named = (*spec.parameters, *spec.limits)
    filled |= {f"limits[{name}]" for name in named if columns is None or f"limit_{name}" in columns}
    for sentence in (spec.summary, *spec.summaries.values()):
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(sentence) if field is not None]
        except ValueError as error:
            yield _in(file, "summary:", f"The summary cannot be filled: {error}.", ", ".join(sorted(filled)))
            continue
        for field in fields:
            if field not in filled:
                known = sorted(filled)
                what = f"The summary's {{{field}}} is never filled."
                yield _in(file, "summary:", what, ", ".join(known), closest(field, known))


def _at(rule: Rule, function: str, what: str, allowed: str = "", suggestion: str = "") -> Problem:
    return _in(rule.folder / "rule.py", f"def {function}", what, allowed, suggestion)


def _in(file: Any, mark: str, what: str, allowed: str = "", suggestion: str = "") -> Problem:
    """A problem at the line that begins with a mark."""
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if line.startswith(mark):
            return Problem(str(file), number, 1, what, allowed, suggestion and f"'{suggestion}'", line)
    return Problem(str(file), 0, 0, what, allowed, suggestion and f"'{suggestion}'")


def _scope(rule: Rule, book: Book) -> Scope:
    """The rule's view of some month; where the book has no limits for it, any do."""
    first = Scope(_PERIOD, rule.spec, book, ()).baseline_from
    limits = book.limits(rule.id, first, _PERIOD.last_day)
    if not limits:
        values = {name: _ANY.get(parameter.type, 1) for name, parameter in rule.spec.parameters.items()}
        limits = (LimitRow(book.tiers[0].id, first, None, values),)
    return Scope(_PERIOD, rule.spec, book, limits)
