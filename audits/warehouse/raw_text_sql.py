"""The detector of :mod:`audits.warehouse.raw_text` as SQL: which columns hold what they must not, and how often.

Columns are read by their distinct values: one statement finds the columns in question, and only those are read once
more to count rows and kinds. No value leaves the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from duckdb_sqlalchemy import Dialect
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    union,
    union_all,
)

from audits.warehouse.dialects import matches
from audits.warehouse.raw_text import RULES, Form, Kind, Rule, form_of, longest, text_columns
from audits.warehouse.raw_text_cards import card_columns, is_card

UNIQUE = frozenset({"event_id", "auth_event_id"})
"""Those that differ from row to row: to look for distinct values takes longer than to look at each."""


@dataclass(frozen=True, slots=True)
class RawText:
    """Rows of one column that hold one kind of what must not stand there."""

    table: str
    column: str
    kind: Kind
    rows: int

    def __str__(self) -> str:
        """In words, with no value."""
        rows = f"{self.rows:,} {'row holds' if self.rows == 1 else 'rows hold'}"
        return f"{rows} what looks like {self.kind.value} in {self.table}.{self.column}"


def find_raw_text(
    connection: Connection,
    table: Table,
    *,
    where: ColumnElement[bool] | None = None,
    columns: Sequence[str] | None = None,
) -> tuple[RawText, ...]:
    """What the text columns of a table (``columns``: some of them) hold that they must not, in the contract's order."""
    held = true() if where is None else where
    in_use = _in_use(connection, table, columns or text_columns(table), held)
    suspects, cards = _suspects(connection, table, in_use, held), card_columns(connection, table, in_use, held)
    order = {name: place for place, name in enumerate(text_columns(table))}
    return tuple(
        found
        for name in sorted(suspects | cards, key=order.__getitem__)
        for found in _count(connection, table, name, held, cards=name in cards)
    )


def is_raw(value: ColumnElement[Any], form: Form, *, cards: bool = False) -> ColumnElement[bool]:
    """Whether a value has no place in a column of this form; never NULL. ``cards``: the column holds those of cards."""
    plain = [rule for rule in RULES[form] if _is_plain(rule)]
    hinted = [(rule.signs[0], rule.hint) for rule in plain if rule.hint]
    joined = "|".join(f"({rule.signs[0]})" for rule in plain if not rule.hint)
    return func.coalesce(
        or_(
            *_too_long(value, form),
            _found(value, *hinted, *([(joined, "")] if joined else ())),
            *_any_holds([rule for rule in RULES[form] if not _is_plain(rule)], value),
            *([is_card(value)] if cards else ()),
        ),
        False,
    )


def hidden(value: ColumnElement[Any], form: Form) -> ColumnElement[str]:
    """The value, or its digest where it has no place in a column of this form: what may be kept of a blocked day."""
    return case((is_raw(value, form), func.concat("md5:", func.md5(value))), else_=value)


def short_digest(value: ColumnElement[Any]) -> ColumnElement[str]:
    """What stands for an identifier where it is shown: it tells identifiers apart, and nobody can use it."""
    return func.substr(func.md5(value), 1, 12)


def kind_in(value: ColumnElement[Any], form: Form, *, cards: bool = False) -> ColumnElement[str | None]:
    """The kind of what a value is, or NULL; ``cards`` as in :func:`is_raw`."""
    rules = RULES[form]
    of_cards = [(is_card(value), literal(Kind.card.value))] if cards else []
    long = [(condition, literal(Kind.text.value)) for condition in _too_long(value, form)]
    return case(*of_cards, *long, *((_holds(rule, value), literal(rule.kind.value)) for rule in rules), else_=None)


def raw_in_duckdb(expression: str, form: Form) -> tuple[str, list[tuple[Kind, str]]]:
    """As SQL of DuckDB, for a value whose SQL is ``expression``: whether it has no place in a column of this form, and
    (kind, condition) for what it then is. The first is one search, the others are several.
    """
    value: ColumnElement[Any] = literal_column(expression, String)
    conditions = [(Kind.text, one) for one in _too_long(value, form)]
    conditions += [(rule.kind, _holds(rule, value)) for rule in RULES[form]]
    return _in_duckdb(is_raw(value, form)), [(kind, _in_duckdb(one)) for kind, one in conditions]


def _in_duckdb(condition: ColumnElement[bool]) -> str:
    return str(condition.compile(dialect=Dialect(paramstyle="named"), compile_kwargs={"literal_binds": True}))


def _too_long(value: ColumnElement[Any], form: Form) -> list[ColumnElement[bool]]:
    return [] if form is Form.prose else [func.length(value) > longest(form)]


def _is_plain(rule: Rule) -> bool:
    return len(rule.signs) == 1 and not rule.but


def _any_holds(rules: Sequence[Rule], value: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Whether any of the rules holds. One search finds the few values that have the first sign of one; a CASE, since
    DuckDB evaluates both sides of an AND.
    """
    if not rules:
        return []
    first = "|".join(dict.fromkeys(f"({rule.signs[0]})" for rule in rules))
    return [case((_found(value, (first, "")), or_(*(_holds(rule, value) for rule in rules))), else_=False)]


def _holds(rule: Rule, value: ColumnElement[Any]) -> ColumnElement[bool]:
    signs = [_found(value, (sign, rule.hint)) for sign in rule.signs]
    return and_(*signs, not_(_found(value, (rule.but, "")))) if rule.but else and_(*signs)


def _found(value: ColumnElement[Any], *patterns: tuple[str, str]) -> ColumnElement[bool]:
    """Whether any of the patterns, each with its hint, is found in a value."""
    return matches(value, *(literal(text) for both in patterns for text in both))


def _in_use(connection: Connection, table: Table, columns: Sequence[str], held: ColumnElement[bool]) -> list[str]:
    """The columns that hold any value: to compile the patterns for the others would take longer than to count."""
    counts = connection.execute(select(*(func.count(table.c[name]).label(name) for name in columns)).where(held)).one()
    return [name for name in columns if counts._mapping[name]]


def _suspects(connection: Connection, table: Table, columns: Sequence[str], held: ColumnElement[bool]) -> set[str]:
    """The columns that hold any value which has no place in them.

    The distinct values of columns of one form are put together before they are looked at, so that an engine compiles
    its patterns once; what is asked for is their maximum, because a condition would be tried on every row.
    """
    stacks: dict[tuple[Form, bool], list[Select[Any]]] = {}
    for name in columns:
        values = select(literal(name).label("name"), table.c[name].label("value")).where(held)
        stacks.setdefault((form_of(name), name in UNIQUE), []).append(values if name in UNIQUE else values.distinct())
    found = []
    for (form, unique), stack in stacks.items():
        v = (union_all(*stack) if unique else union(*stack)).subquery("stack").c
        raw = func.max(case((is_raw(v.value, form), 1), else_=0))
        found.append(select(v.name).group_by(v.name).having(raw == 1))
    return set(connection.scalars(union_all(*found))) if found else set()


def _count(connection: Connection, table: Table, name: str, held: ColumnElement[bool], *, cards: bool) -> list[RawText]:
    values = (
        select(table.c[name].label("value"), func.count().label("n"))
        .where(held)
        .group_by(table.c[name])
        .subquery("held")
    )
    kind = kind_in(values.c.value, form_of(name), cards=cards).label("kind")
    kinds = select(kind, values.c.n).where(is_raw(values.c.value, form_of(name), cards=cards)).subquery("kinds")
    rows = connection.execute(select(kinds.c.kind, func.sum(kinds.c.n).label("n")).group_by(kinds.c.kind))
    counts = {row.kind: int(row.n) for row in rows}
    return [RawText(table.name, name, kind, counts[kind.value]) for kind in Kind if kind.value in counts]
