"""Numbers of payment cards where digests belong: told by all values of a column that are as long as a card's number.

Sixteen digits may be a digest of eight bytes, or a number that somebody counts by. One such value in forty begins as
cards do and has a right check digit (ISO/IEC 7812), and one in ten of numbers that all begin so. Of cards all have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Table, case, cast, func, literal, select, union_all

from audits.warehouse.dialects import matches
from audits.warehouse.raw_text import OPAQUE, form_of
from audits.warehouse.raw_text_patterns import AS_LONG_AS_CARD, WHOLE_CARD

LENGTHS = (15, 16)


def card_columns(
    connection: Connection, table: Table, columns: Sequence[str], held: ColumnElement[bool]
) -> frozenset[str]:
    """Those of the columns for digests in which most distinct values of a card's length are numbers of cards."""
    opaque = [name for name in columns if form_of(name) in OPAQUE]
    if not opaque:
        return frozenset()
    each = [
        select(literal(name).label("name"), table.c[name].label("value"))
        .where(held, func.length(table.c[name]).in_(LENGTHS))
        .distinct()
        for name in opaque
    ]
    v = union_all(*each).subquery("values_as_long").c
    as_long, cards = _found(v.value, AS_LONG_AS_CARD), is_card(v.value)
    most = 2 * func.count().filter(cards) > func.count().filter(as_long)
    return frozenset(connection.scalars(select(v.name).group_by(v.name).having(most)))


def is_card(value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a value is the number of a card and nothing else, by its first digits, length and check digit."""
    padded = func.lpad(value, 16, "0")
    total: ColumnElement[int] = literal(0, Integer)
    for place in range(16):
        digit = cast(func.substr(padded, 16 - place, 1), Integer)
        total = total + (digit if place % 2 == 0 else 2 * digit - case((digit > 4, 9), else_=0))
    # A CASE, since DuckDB evaluates both sides of an AND, and no letter is a number.
    return case((_found(value, WHOLE_CARD), total % 10 == 0), else_=False)


def _found(value: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return matches(value, literal(pattern), literal(""))
