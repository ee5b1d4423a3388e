"""Mutants of ``rule.py``, on its syntax tree: of what ``violations`` and its like are made of, not of the evidence."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlalchemy import and_, or_

from audits.rules.adequacy.mutants import EXCUSE, Kind, Mutant, steps_of
from audits.rules.engine.base import Rule

_ASKED = ("violations", "unevaluable", "inapplicable")
_OPPOSITE: dict[type[ast.cmpop], tuple[type[ast.cmpop], str]] = {
    ast.Gt: (ast.GtE, ">="), ast.GtE: (ast.Gt, ">"), ast.Lt: (ast.LtE, "<="), ast.LtE: (ast.Lt, "<"),
    ast.Eq: (ast.NotEq, "!="), ast.NotEq: (ast.Eq, "=="),
}  # fmt: skip
_RENAMED: dict[str, tuple[str, Kind]] = {
    "in_": ("not_in", "comparison"), "not_in": ("in_", "comparison"),
    "is_": ("is_not", "null"), "is_not": ("is_", "null"),
    "join": ("outerjoin", "join"), "outerjoin": ("join", "join"),
    "or_": ("and_", "logic"), "and_": ("or_", "logic"),
}  # fmt: skip
_TYPES = {"Float", "Double", "Numeric", "String", "SmallInteger", "round"}

Change = Callable[[ast.AST], ast.AST]
Found = tuple[Kind, str, Change]


def python_mutants(rule: Rule) -> Iterator[Mutant]:
    """Every mutant of the rule's module, in order of line."""
    source = (rule.folder / "rule.py").read_text("utf-8")
    lines = source.splitlines()
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    asked = {id(node) for top in _asked(tree) for node in ast.walk(top)}
    ignored = {id(inner) for node in nodes for inner in _ignored(node)}
    found = []
    for index, node in enumerate(nodes):
        if id(node) not in asked or id(node) in ignored:
            continue
        for kind, what, change in _changes(node):
            first = getattr(node, "lineno", 1)
            last = getattr(node, "end_lineno", first) or first
            excused = any(EXCUSE in line for line in lines[first - 1 : last])
            found.append((first, index, kind, what, change, excused))
    for line, index, kind, what, change, excused in sorted(found, key=lambda one: one[:2]):
        mutated = _rebuilt(rule, tree, index, change)
        yield Mutant(kind, f"rule.py:{line}", what, excused, mutated)


def _asked(tree: ast.Module) -> list[ast.stmt]:
    """The functions and constants of the module from which what is asked is made."""
    tops = {name: top for top in tree.body for name in _names(top)}
    reached: list[str] = []
    ahead = [name for name in _ASKED if name in tops]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.append(name)
            used = {node.id for node in ast.walk(tops[name]) if isinstance(node, ast.Name)}
            ahead += [other for other in used if other in tops]
    return [tops[name] for name in reached]


def _names(top: ast.stmt) -> list[str]:
    match top:
        case ast.FunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _ignored(node: ast.AST) -> Iterator[ast.AST]:
    """Numbers that are no figures of the rule: in types, places of a sequence, annotations."""
    parts: list[ast.AST] = []
    match node:
        case ast.Call(func=ast.Name(id=name), args=args) if name in _TYPES:
            parts = [*args]
        case ast.Subscript(slice=inner):
            parts = [inner]
        case ast.FunctionDef(args=arguments, returns=returns):
            parts = [arguments, *([returns] if returns else [])]
    for part in parts:
        yield from ast.walk(part)


def _changes(node: ast.AST) -> Iterator[Found]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in _OPPOSITE:
            other, sign = _OPPOSITE[type(op)]
            yield "comparison", f"{_text(node)}, with {sign}", lambda n: _with(n, ops=[other()])
        case ast.BinOp(op=ast.BitOr()):
            yield "logic", f"{_text(node)}, with &", lambda n: _with(n, op=ast.BitAnd())
        case ast.BinOp(op=ast.BitAnd()):
            yield "logic", f"{_text(node)}, with |", lambda n: _with(n, op=ast.BitOr())
        case ast.Call(func=ast.Attribute(attr="between"), args=[_, _]):
            yield "window", f"{_text(node)}, without its first", lambda n: _between(n, ast.Gt, ast.LtE)
            yield "window", f"{_text(node)}, without its last", lambda n: _between(n, ast.GtE, ast.Lt)
        case ast.Call(func=ast.Attribute(attr="coalesce" | "nullif" as name), args=[_, *_]):
            yield "null", f"{_text(node)}, without {name}", lambda n: n.args[0]  # type: ignore[attr-defined]
        case ast.Call(func=ast.Attribute(attr=name)) if name in _RENAMED:
            other_name, kind = _RENAMED[name]
            yield kind, f"{_text(node)}, with {other_name}", lambda n: _renamed(n, other_name)
        case ast.Call(func=ast.Name(id=name)) if name in _RENAMED:
            other_name, kind = _RENAMED[name]
            yield kind, f"{_text(node)}, with {other_name}", lambda n: _renamed(n, other_name)
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            for to in steps_of(value):
                yield "window", f"{value} as {to}", lambda _n, to=to: ast.Constant(to)  # type: ignore[misc]


def _with(node: ast.AST, **fields: object) -> ast.AST:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _renamed(node: ast.AST, name: str) -> ast.AST:
    called = node.func  # type: ignore[attr-defined]
    setattr(called, "attr" if isinstance(called, ast.Attribute) else "id", name)
    return node


def _between(node: ast.AST, above: type[ast.cmpop], below: type[ast.cmpop]) -> ast.AST:
    column, (low, high) = node.func.value, node.args  # type: ignore[attr-defined]
    sides = [ast.Compare(column, [above()], [low]), ast.Compare(copy.deepcopy(column), [below()], [high])]
    return ast.BinOp(sides[0], ast.BitAnd(), sides[1])


def _text(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 70 else f"{text[:67]}..."


class _Swap(ast.NodeTransformer):
    """Changes one node of a tree, found by its place in the walk."""

    def __init__(self, target: ast.AST, change: Change) -> None:
        self.target, self.change = target, change

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.target:
            return self.change(node)
        return self.generic_visit(node)


def _rebuilt(rule: Rule, tree: ast.Module, index: int, change: Change) -> Rule:
    """The rule with the functions of the changed module."""
    changed = copy.deepcopy(tree)
    target = next(node for place, node in enumerate(ast.walk(changed)) if place == index)
    _Swap(target, change).visit(changed)
    code = compile(ast.fix_missing_locations(changed), str(rule.folder / "rule.py"), "exec")
    module: dict[str, object] = {"__name__": f"audits.rules.{rule.folder.name}.rule", "and_": and_, "or_": or_}
    exec(code, module)  # noqa: S102 - the rule's own source, one node of it changed
    return replace(rule, **{name: module[name] for name in _ASKED if name in module})  # type: ignore[arg-type]
