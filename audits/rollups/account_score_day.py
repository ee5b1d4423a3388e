"""``account_score_day``: how an account's requests scored as elicitation, grading and benchmark items, in tenths.

Scores below a half are one class, 0: no rule looks below it, and nearly every request falls there, so that the table
stays narrow. 5 to 9 are the tenths from there on; NULL is not recorded, so that the rows of a day add up to all of its
requests.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    ColumnElement,
    Date,
    FromClause,
    Select,
    SmallInteger,
    String,
    Table,
    case,
    cast,
    func,
    literal,
    select,
)

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

SCORES = ("cot_elicit_score", "rubric_grade_score", "benchmark_score")

account_score_day = Table(
    "account_score_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    *(Column(f"{name}_tenth", SmallInteger) for name in SCORES),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_ok", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account and combination of classes of the events."""
    e: Any = events.c
    grain = (e.slice_start, e.account_id, *(tenth_of(e[name]).label(f"{name}_tenth") for name in SCORES))
    return select(
        day_of(events),
        *grain,
        func.count().label("n_requests"),
        func.count().filter(e.status_code < 400).label("n_ok"),
        func.sum(e.output_tokens).label("output_tokens"),
    ).group_by(*grain)


def tenth_of(score: ColumnElement[Any]) -> ColumnElement[int]:
    """A score's class as the rollup keeps it: 0 below a half, else its tenth."""
    # Both sides REAL, as the contract has it: the double 0.8 is a hair off the REAL 0.8, and 0.7995 is below either.
    reached = ((score >= cast(literal(tenth / 10), REAL), tenth) for tenth in (9, 8, 7, 6, 5))
    return cast(case((score.is_(None), None), *reached, else_=0), SmallInteger)
