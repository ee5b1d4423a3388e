"""The SQL of an operator's rule (``rule.sql``): what is allowed, and every place where something else stands.

One SELECT over the relations that :mod:`audits.rules.engine.operator_rule` lays out, in PostgreSQL's spelling, with
functions that give the same on every engine. Nothing in it may read a clock, a file or another table: an audit of a
past period must come out the same years later, on another machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from audits.errors import closest
from audits.policy.errors import Problem
from audits.rules.engine.base import RuleSpec

BINDS: Mapping[str, str] = {
    "period_start": "first instant of the period",
    "period_end": "first instant after it",
    "first_day": "first day of the period",
    "last_day": "last day of the period",
    "baseline_day": "first day of the baseline (`baseline_days` of rule.yaml)",
}
_LOWER, _UPPER = {"period_start", "first_day", "baseline_day"}, {"period_end", "last_day"}
CLOCKS = (
    exp.CurrentDate, exp.CurrentDatetime, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentTimestampLTZ,
    exp.Localtime, exp.Localtimestamp, exp.Rand, exp.Randn, exp.Uuid,
)  # fmt: skip
CLOCK_NAMES = {"clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday", "today", "now", "age"}
_FUNCTIONS = (
    exp.Abs, exp.And, exp.Avg, exp.Case, exp.Cast, exp.Ceil, exp.Coalesce, exp.Concat, exp.Count, exp.CumeDist,
    exp.DenseRank, exp.Exists, exp.Exp, exp.Extract, exp.FirstValue, exp.Floor, exp.Greatest, exp.If, exp.Lag,
    exp.LastValue, exp.Lead, exp.Least, exp.Length, exp.Ln, exp.Log, exp.LogicalAnd, exp.LogicalOr, exp.Lower, exp.Max,
    exp.Min, exp.Nullif, exp.Ntile, exp.Or, exp.PercentRank, exp.PercentileCont, exp.PercentileDisc, exp.Pow, exp.Rank,
    exp.Round, exp.RowNumber, exp.Sqrt, exp.StartsWith, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Substring,
    exp.Sum, exp.TimestampTrunc, exp.Trim, exp.Upper, exp.Variance, exp.VariancePop, exp.Xor,
)  # fmt: skip
_SYNTAX = {"and", "case", "cast", "exists", "if", "or", "xor"}
_SPELLED = {"logical_and": "bool_and", "logical_or": "bool_or", "timestamp_trunc": "date_trunc"}
COLUMNS = (
    "subject_id",
    "tier",
    "account_id",
    "customer_id",
    "subject_type",
    "severity",
    "discriminator",
    "one_operator",
)


@dataclass(frozen=True, slots=True)
class RuleSql:
    """A query as it is run: its text with named parameters, the relations it reads and the columns it returns."""

    text: str
    relations: frozenset[str]
    binds: frozenset[str]
    columns: tuple[str, ...]


def check_sql(
    file: str, text: str, spec: RuleSpec, relations: Mapping[str, str]
) -> tuple[exp.Select | None, list[Problem]]:
    """Read a rule's SQL; every problem is named with its place, and the query is None where there is any.

    ``relations`` are the tables that may be read, each with what it holds.
    """
    place = _Places(file, text)
    try:
        statements = [one for one in sqlglot.parse(text, read="postgres") if one is not None]
    except ParseError as error:
        first = error.errors[0]
        what = f"This is no SQL that can be read: {first['description']} at {first['highlight']!r}."
        return None, [place.at(text, first["line"], first["col"] - len(first["highlight"] or ""), what, "one SELECT")]
    except SqlglotError as error:
        return None, [place.at(text, 1, 1, f"This is no SQL that can be read: {error}.", "one SELECT")]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        wrong = statements[min(len(statements), 2) - 1] if statements else None
        return None, [
            place.of(wrong, "A rule is one query.", "exactly one SELECT, with common table expressions or not")
        ]
    select = statements[0]
    problems = [
        *_forbidden(select, place),
        *_tables(select, place, relations),
        *_functions(select, place),
        *_parameters(select, place),
        *_output(select, place, spec),
    ]
    return (None, sorted(problems)) if problems else (select, [])


class _Places:
    """Where in the file a node stands."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text, self.lines = file, text, text.splitlines() or [""]

    def of(self, node: exp.Expr | None, what: str, allowed: str = "", suggestion: str = "") -> Problem:
        start = min((one.meta["start"] for one in node.walk() if "start" in one.meta), default=-1) if node else -1
        if node is not None and start < 0:
            start = self.text.lower().find(_word(node).lower())
        before = self.text[: max(start, 0)]
        line = before.count("\n") + 1
        return self.at(self.text, line, len(before) - before.rfind("\n"), what, allowed, suggestion)

    def at(self, _text: str, line: int, column: int, what: str, allowed: str = "", suggestion: str = "") -> Problem:
        source = self.lines[min(line, len(self.lines)) - 1]
        return Problem(self.file, line, max(column, 1), what, allowed, suggestion and f"'{suggestion}'", source)


def _word(node: exp.Expr) -> str:
    """A word of the node's own, to find it by where the parser kept no place."""
    if isinstance(node, exp.Placeholder):
        return f":{node.name}"
    return node.sql(dialect="postgres").partition("(")[0].partition(" ")[0]


def _forbidden(select: exp.Select, place: _Places) -> Iterator[Problem]:
    kinds = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock)
    for node in select.find_all(*kinds):
        if not isinstance(node, exp.Query):
            yield place.of(node, "A rule only reads.", "SELECT without INTO and without FOR UPDATE")
    for node in select.find_all(exp.Select):
        for one in node.expressions:
            if one.is_star:
                yield place.of(
                    one, "A rule names its columns: with * they would change with the table.", "each column by name"
                )


def _tables(select: exp.Select, place: _Places, relations: Mapping[str, str]) -> Iterator[Problem]:
    own = {cte.alias for cte in select.find_all(exp.CTE)}
    allowed = ", ".join(relations)
    for cte in select.find_all(exp.CTE):
        if cte.alias in relations:
            yield place.of(cte.args["alias"], f"{cte.alias} is a table of the audit.", "another name for your own")
    for table in select.find_all(exp.Table):
        name = table.name if isinstance(table.this, exp.Identifier) else ""
        if not name:
            yield place.of(table, "A rule reads tables, not functions.", allowed)
        elif table.args.get("db") or table.args.get("catalog"):
            yield place.of(table, f"{table.sql()} is named with a schema.", f"{name} alone, one of: {allowed}")
        elif name not in relations and name not in own:
            yield place.of(table, f"There is no table {name} for rules.", allowed, closest(name, list(relations)))


def _functions(select: exp.Select, place: _Places) -> Iterator[Problem]:
    for node in select.find_all(exp.Func):
        if isinstance(node, exp.Connector | exp.Query) or isinstance(node.parent, exp.Table):
            continue
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        if isinstance(node, CLOCKS) or name.lower() in CLOCK_NAMES:
            allowed = ", ".join(f":{bind}" for bind in BINDS)
            yield place.of(node, f"{name} differs from run to run; an audit must come out the same again.", allowed)
        elif not isinstance(node, _FUNCTIONS):
            what = f"The function {name} is not known to be the same on every engine."
            yield place.of(node, what, ", ".join(function_names()))


def function_names() -> list[str]:
    """The functions that a query may call, by name."""
    names = {_SPELLED.get(name, name) for kind in _FUNCTIONS if (name := kind.sql_name().lower()) not in _SYNTAX}
    return sorted(names)


def _parameters(select: exp.Select, place: _Places) -> Iterator[Problem]:
    allowed = "; ".join(f":{name} ({meaning})" for name, meaning in BINDS.items())
    used = {node.name for node in select.find_all(exp.Placeholder)}
    for numbered in select.find_all(exp.Parameter):
        yield place.of(numbered, "Parameters have names here.", allowed)
    for node in select.find_all(exp.Placeholder):
        if node.name not in BINDS:
            yield place.of(node, f"There is no parameter :{node.name}.", allowed, closest(node.name, list(BINDS)))
    for bounds, which in ((_LOWER, "begin"), (_UPPER, "end")):
        if not used & bounds:
            yield place.of(
                select,
                f"The query does not say where the period {which}s: it would read all that was ever recorded.",
                ", ".join(f":{bind}" for bind in BINDS if bind in bounds),
            )


def _output(select: exp.Select, place: _Places, spec: RuleSpec) -> Iterator[Problem]:
    names = {one.output_name: one.args.get("alias") or one for one in select.expressions if not one.is_star}
    for needed in ("subject_id", "tier"):
        if needed not in names:
            yield place.of(select, f"The query returns no column {needed}.", "one row a subject and tier")
    allowed = ", ".join((*COLUMNS, "observed_NAME of rule.yaml", "limit_NAME of a parameter"))
    for name, node in names.items():
        kind, _, rest = name.partition("_")
        if kind == "observed" and rest not in spec.observed:
            known = list(spec.observed)
            yield place.of(node, f"rule.yaml does not say what {rest} is.", ", ".join(known), closest(rest, known))
        elif kind == "limit" and rest not in spec.parameters and rest not in spec.limits:
            known = [*spec.parameters, *spec.limits]
            yield place.of(node, f"rule.yaml has no parameter {rest}.", ", ".join(known), closest(rest, known))
        elif kind not in ("observed", "limit") and name not in COLUMNS:
            yield place.of(node, f"A rule returns no column {name or 'without a name'}.", allowed)
    for name in spec.observed:
        if f"observed_{name}" not in names:
            yield place.of(select, f"The query returns no column observed_{name}, which rule.yaml describes.", allowed)


def line_of(node: exp.Expr, text: str) -> int:
    """The line of a text in which a node of its query begins."""
    return _Places("", text).of(node, "").line


def portable(select: exp.Select, relations: Mapping[str, str]) -> RuleSql:
    """A checked query in words that every engine takes alike."""
    read = frozenset(table.name for table in select.find_all(exp.Table)) & relations.keys()
    binds = frozenset(node.name for node in select.find_all(exp.Placeholder))
    columns = tuple(one.output_name for one in select.expressions)
    select = select.copy()
    for node in list(select.find_all(exp.Placeholder)):
        node.replace(exp.column(f"{_MARK}{node.name}"))
    for division in list(select.find_all(exp.Div)):
        # Engines differ in dividing whole numbers and in dividing by zero; here it is of floats, and by zero NULL.
        part, whole = (exp.cast(side, "DOUBLE PRECISION", dialect="postgres") for side in division.unnest_operands())
        division.set("this", part)
        division.set("expression", exp.func("NULLIF", whole, exp.Literal.number(0)))
    text = select.sql(dialect="postgres").replace(":", r"\:").replace(_MARK, ":")
    return RuleSql(text, read, binds, columns)


_MARK = "__bind__"
