"""Relations whose rows a statement carries itself: limits, territories of the book, distances."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnClause, String, Subquery, cast, false, literal, null, select, union_all, values
from sqlalchemy.types import Boolean, Float, TypeEngine

LONG = 50
"""Most rows of a table of our own that are written as SELECTs: of more it takes longer than compiling VALUES does."""


def table_of(columns: list[ColumnClause[Any]], rows: list[tuple[Any, ...]], name: str) -> Subquery:
    """Rows of our own as a relation; none at all is a relation too, though SQL has no empty VALUES."""
    if not rows:
        return select(*(cast(null(), c.type).label(c.name) for c in columns)).where(false()).subquery(name)
    if len(rows) <= LONG:
        # SELECTs and no VALUES: a statement with VALUES in it is never cached, and compiled anew each time it is asked.
        selects = [
            select(*(cast(literal(value, c.type), c.type).label(c.name) for c, value in zip(columns, row, strict=True)))
            for row in rows
        ]
        return (union_all(*selects) if len(selects) > 1 else selects[0]).subquery(name)
    v = values(*columns, name=f"{name}_values").data(rows).c
    # The casts give the literals their types on engines that take a bare VALUES for text.
    return select(*(cast(c, c.type).label(c.name) for c in v)).subquery(name)


def sql_type(kind: str) -> TypeEngine[Any]:
    """The type of a column that holds a rule's parameter of a kind."""
    match kind:
        case "severity" | "words":
            return String()
        case "flag":
            return Boolean()
        case _:
            return Float(53)


def literal_of(value: Any, kind: TypeEngine[Any]) -> Any:
    """A limit of the book as a value of its column; words as one text."""
    if isinstance(kind, String):
        return ",".join(value) if isinstance(value, list | tuple) else str(value)
    return bool(value) if isinstance(kind, Boolean) else float(value)
