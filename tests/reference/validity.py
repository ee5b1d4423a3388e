"""Validity intervals: which row of a dimension is in force at an instant, where rows overlap or are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

Row = dict[str, Any]


def covers(row: Row, at: datetime) -> bool:
    """Whether a row's interval [valid_from, valid_to) contains an instant; no valid_to is "still so"."""
    return row["valid_from"] <= at and (row.get("valid_to") is None or at < row["valid_to"])


def in_force(rows: Iterable[Row], at: datetime, rank: Callable[[Row], Any] = lambda _row: 0) -> Row | None:
    """The row that began last of those that cover an instant; of two that begin together, the one of higher rank.

    When the interval that began last ends, the next older one that is still open is in force again: it covers the
    instant, and nothing that began later does.
    """
    covering = [row for row in rows if covers(row, at)]
    return max(covering, key=lambda row: (row["valid_from"], rank(row)), default=None)


def instants_of_change(rows: Iterable[Row], start: datetime, end: datetime) -> list[datetime]:
    """The instants in [start, end) from which another row may be in force, the start first."""
    edges = {row[name] for row in rows for name in ("valid_from", "valid_to") if row.get(name) is not None}
    return [start, *sorted(edge for edge in edges if start < edge < end)]


def rows_in_force(
    rows: Sequence[Row], start: datetime, end: datetime, rank: Callable[[Row], Any] = lambda _row: 0
) -> list[tuple[datetime, Row]]:
    """Every row that is in force at some time in [start, end), with the instant from which on."""
    held = [(at, in_force(rows, at, rank)) for at in instants_of_change(rows, start, end)]
    return [(at, row) for at, row in held if row is not None]
