"""Worlds by number: the same number gives the same world wherever it is drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from audits.periods import Period
from audits.policy import Book
from tests.reference.behaviours import Setting
from tests.reference.worlds import warehouse_rows

WEEK, MONTH = Period.parse("2026-W41"), Period.parse("2026-10")


def drawn(number: int, period: Period, book: Book, worlds: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of so many small worlds in one warehouse, drawn by Hypothesis from a seed.

    Its first example is the simplest one; the second is taken. Nothing is shrunk: a disagreement names its account, and
    accounts of different worlds have nothing in common.
    """
    got = []

    @seed(number)
    @settings(
        max_examples=2, database=None, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(warehouse_rows(Setting(period, book), worlds))
    def draw(rows: dict[str, list[dict[str, Any]]]) -> None:
        got.append(rows)

    draw()
    return got[-1]
