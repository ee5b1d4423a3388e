"""Validity intervals: which row of a dimension is in force for its key at each instant.

The rows of a dimension may overlap. The one that began last is in force while it lasts; when it ends, the next older
one that is still open is in force again. A row that continues another, saying the same from the instant at which that
one ends, began when that one did: it makes no difference into how many rows an interval is split. Rows that end when
or before they begin are never in force. Every dimension with validity is read through :func:`in_force`, in verdicts,
linkage and evidence alike (:mod:`audits.warehouse.dimensions` names them).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    select,
    union,
    union_all,
)

from audits.warehouse.tables import Instant

FAR = literal(datetime.fromisoformat("9999-12-31T00:00:00+00:00"), Instant)
"""The end of an interval that has none."""


def in_force(
    rows: FromClause,
    key: Sequence[str],
    attributes: Sequence[str],
    *,
    precedence: Sequence[ColumnElement[Any]] = (),
    begins: str = "valid_from",
    ends: str = "valid_to",
    where: Sequence[ColumnElement[bool]] = (),
    name: str,
) -> Subquery:
    """The key, the attributes, ``valid_from`` and ``valid_to`` (exclusive, never NULL) of what is in force when.

    The intervals of one key do not overlap, and adjacent ones differ in an attribute. ``precedence`` orders rows that
    begin together, the one in force first, by their attributes; what it does not tell apart is taken in their order.

    The plane sweep over elementary intervals: the boundaries of a key cut time into pieces within which the same rows
    are open; the first of these is taken for each piece, and equal neighbours are coalesced. A key's only row, which
    is what most keys have, is in force as it stands and takes no part in it.
    """
    ranks = [_rank(number) for number in range(len(precedence))]
    every = _open_rows(rows, key, attributes, precedence, begins, ends, where)
    only = select(*_of(every.c, (*key, *attributes, "valid_from", "valid_to"))).where(every.c.of_key == 1)
    several = select(*(column for column in every.c if column.name != "of_key")).where(every.c.of_key > 1).cte()
    open_rows = _continued(several, key, attributes, ranks)
    pieces = _pieces(open_rows, key)
    r, p = open_rows.c, pieces.c
    order = [r.valid_from.desc()]
    order += [column.asc().nulls_last() for column in (*_of(r, ranks), *_of(r, attributes))]
    place = func.row_number().over(partition_by=(*_of(p, key), p.valid_from), order_by=order)
    first = (
        select(*_of(p, key), *_of(r, attributes), p.valid_from, p.valid_to, place.label("place"))
        .where(*(p[column] == r[column] for column in key))
        .where(r.valid_from <= p.valid_from, p.valid_from < r.valid_to)
        .subquery("open_in_piece")
    ).c
    taken = select(*_of(first, key), *_of(first, attributes), first.valid_from, first.valid_to).where(first.place == 1)
    return union_all(only, coalesced(taken.subquery("taken"), key, attributes)).subquery(name)


def holds(interval: Any, at: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an interval, by its columns ``valid_from`` and ``valid_to``, holds at an instant."""
    return and_(interval.valid_from <= at, at < interval.valid_to)


def overlap(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two intervals, by their columns, have an instant in common."""
    return and_(one.valid_from < other.valid_to, other.valid_from < one.valid_to)


def _open_rows(
    rows: FromClause,
    key: Sequence[str],
    attributes: Sequence[str],
    precedence: Sequence[ColumnElement[Any]],
    begins: str,
    ends: str,
    where: Sequence[ColumnElement[bool]],
) -> CTE:
    """The rows that are in force at any time, with an end each and the number of rows ``of_key``."""
    start, end = rows.c[begins], func.coalesce(rows.c[ends], FAR)
    ranks = (expression.label(_rank(number)) for number, expression in enumerate(precedence))
    of_key = func.count().over(partition_by=_of(rows.c, key)).label("of_key")
    return (
        select(
            *_of(rows.c, key), *_of(rows.c, attributes), *ranks, start.label("valid_from"), end.label("valid_to"),
            of_key,
        )
        .where(start < end, *(named.is_not(None) for named in _of(rows.c, key)), *where)
        .cte()
    )  # fmt: skip


def _continued(open_rows: CTE, key: Sequence[str], attributes: Sequence[str], ranks: Sequence[str]) -> CTE:
    """The rows, those that continue another with the begin of the first of them."""
    r, earlier = open_rows.c, open_rows.alias().c

    def continues(before: Any) -> ColumnElement[bool]:
        same = (before[one] == r[one] for one in key)
        alike = (before[one].is_not_distinct_from(r[one]) for one in attributes)
        return and_(*same, before.valid_to == r.valid_from, *alike)

    said = (*_of(r, key), *_of(r, attributes), *_of(r, ranks))
    begun = select(*said, r.valid_from, r.valid_to).where(~exists(select(earlier.valid_to).where(continues(earlier))))
    chain = begun.cte(recursive=True)
    return chain.union(select(*said, chain.c.valid_from, r.valid_to).where(continues(chain.c)))


def _pieces(open_rows: CTE, key: Sequence[str]) -> Subquery:
    """The elementary intervals of each key: from each boundary to the next."""
    r = open_rows.c
    boundary = union(*(select(*_of(r, key), at.label("at")) for at in (r.valid_from, r.valid_to))).subquery("boundary")
    b = boundary.c
    after = func.lead(b.at).over(partition_by=_of(b, key), order_by=b.at)
    return select(*_of(b, key), b.at.label("valid_from"), after.label("valid_to")).subquery("piece")


def coalesced(intervals: FromClause, key: Sequence[str], attributes: Sequence[str]) -> Select[Any]:
    """Intervals of one key that meet and say the same of some attributes as one; none of them may overlap another."""
    t = intervals.c

    def before(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.lag(column).over(partition_by=_of(t, key), order_by=t.valid_from)

    goes_on = and_(
        before(t.valid_to) == t.valid_from, *(before(one).is_not_distinct_from(one) for one in _of(t, attributes))
    )
    s = select(*t, case((goes_on, 0), else_=1).label("begins")).subquery("beginning").c
    run = func.sum(s.begins).over(partition_by=_of(s, key), order_by=s.valid_from, rows=(None, 0))
    n = select(*s, run.label("run")).subquery("numbered").c
    same = (*_of(n, key), *_of(n, attributes))
    return select(*same, func.min(n.valid_from).label("valid_from"), func.max(n.valid_to).label("valid_to")).group_by(
        *same, n.run
    )


def _of(columns: Any, names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [columns[name] for name in names]


def _rank(number: int) -> str:
    return f"precedence_{number}"
