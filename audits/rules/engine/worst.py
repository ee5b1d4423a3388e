"""The worst row of a subject: what was seen, the limit it was held against and its interval, all from one row.

Limits, tiers and what else is in force may change inside a period. What is held against each of them is a row, and a
finding reports one of these rows: a figure of one interval beside the limit of another would prove nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, func, select


def worst(
    rows: FromClause, per: Sequence[str], order: Sequence[ColumnElement[Any]], *where: ColumnElement[bool]
) -> Any:
    """The columns of each subject's first row in an order, of those that meet the conditions."""
    c = rows.c
    place = func.row_number().over(partition_by=[c[name] for name in per], order_by=order).label("place")
    placed = select(*c, place).where(*where).subquery().c
    return select(*(placed[column.name] for column in c)).where(placed.place == 1).subquery("worst").c


def worst_first(
    over: ColumnElement[bool], figure: ColumnElement[Any], at: ColumnElement[Any], per: Sequence[ColumnElement[Any]]
) -> ColumnElement[int]:
    """The place of each row among its subject's: those over their limit first, the largest figure of them at 1."""
    return func.row_number().over(partition_by=per, order_by=(case((over, 0), else_=1), figure.desc().nulls_last(), at))


def of_worst(
    place: ColumnElement[int], column: ColumnElement[Any], over: ColumnElement[bool] | None = None
) -> ColumnElement[Any]:
    """A column of the row at place 1, in a select grouped by subject; NULL where that row is not over its limit."""
    first = place == 1
    return func.max(case((first if over is None else first & over, column)))
