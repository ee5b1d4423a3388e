"""Mutants of an operator's ``rule.sql``, on its syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlglot import exp

from audits.rules.adequacy.mutants import EXCUSE, Kind, Mutant, steps_of
from audits.rules.engine.base import Rule
from audits.rules.engine.operator_rule import functions_from, read_query
from audits.rules.engine.operator_sql import line_of

_OPPOSITE: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT, exp.EQ: exp.NEQ, exp.NEQ: exp.EQ,
}  # fmt: skip

Change = Callable[[exp.Expr], exp.Expr]


def sql_mutants(rule: Rule) -> Iterator[Mutant]:
    """Every mutant of the rule's query, in order of line."""
    text = (rule.folder / "rule.sql").read_text("utf-8")
    lines = text.splitlines()
    select = read_query(rule.folder, rule.spec)
    found = []
    for index, node in enumerate(select.walk()):
        for kind, what, change in _changes(node):
            line = line_of(node, text)
            found.append((line, index, kind, what, change))
    for line, index, kind, what, change in sorted(found, key=lambda one: one[:2]):
        mutated = select.copy()
        node = next(one for place, one in enumerate(mutated.walk()) if place == index)
        node.replace(change(node))
        functions = functions_from(mutated, rule.spec)
        yield Mutant(kind, f"rule.sql:{line}", what, EXCUSE in lines[line - 1], replace(rule, **functions))


def _changes(node: exp.Expr) -> Iterator[tuple[Kind, str, Change]]:
    text = node.sql(dialect="postgres")
    text = text if len(text) <= 70 else f"{text[:67]}..."
    opposite = _OPPOSITE.get(type(node))
    if opposite:
        yield "comparison", f"{text}, with {opposite.key}", lambda n: opposite(this=n.this, expression=n.expression)
    elif isinstance(node, exp.Between):
        yield "window", f"{text}, without its first", lambda n: _between(n, exp.GT, exp.LTE)
        yield "window", f"{text}, without its last", lambda n: _between(n, exp.GTE, exp.LT)
    elif isinstance(node, exp.And | exp.Or):
        other = exp.Or if isinstance(node, exp.And) else exp.And
        yield "logic", f"{text}, with {other.key}", lambda n: exp.paren(other(this=n.this, expression=n.expression))
    elif isinstance(node, exp.Coalesce | exp.Nullif):
        yield "null", f"{text}, without {node.key}", lambda n: n.this
    elif isinstance(node, exp.Is):
        yield "null", f"{text}, turned round", lambda n: exp.not_(n.copy())
    elif isinstance(node, exp.Join) and node.kind != "CROSS" and (node.args.get("on") or node.args.get("using")):
        side = "" if node.side else "LEFT"
        yield "join", f"{text}, as {side or 'INNER'} JOIN", lambda n: _sided(n, side)
    elif isinstance(node, exp.Literal) and node.is_number and not isinstance(node.parent, exp.DataTypeParam):
        for to in steps_of(float(node.name) if "." in node.name else int(node.name)):
            yield "window", f"{text} as {to}", lambda _n, to=to: exp.Literal.number(to)  # type: ignore[misc]


def _between(node: exp.Expr, above: type[exp.Expr], below: type[exp.Expr]) -> exp.Expr:
    low = above(this=node.this.copy(), expression=node.args["low"])
    return exp.paren(exp.and_(low, below(this=node.this.copy(), expression=node.args["high"])))


def _sided(node: exp.Expr, side: str) -> exp.Expr:
    join = node.copy()
    join.set("side", side)
    join.set("kind", "")
    return join
