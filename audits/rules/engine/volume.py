"""How much was used: between a least and a most, where usage buckets and single requests may count the same.

A rule about volume states its condition once, of what is :func:`counted`. ``violations`` is asked of the least that is
known, which proves what it finds; the engine asks it again of the most (``scope.at_most``), and whoever is found only
then is not evaluated. A figure that speaks for the subject, such as a peer's, is taken at its :func:`other_bound`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Subquery,
    and_,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.rollups.account_day import account_day, last_day
from audits.rules.engine.literal_table import table_of
from audits.warehouse.days import days_between
from audits.warehouse.dialects import midnight

if TYPE_CHECKING:
    from audits.rules.engine.scope import Scope

SHARED = (
    "on which days the requests of usage buckets were made or whether they count the same as other usage is not known: "
    "if all of them count, a limit is exceeded"
)


def counted(scope: Scope, rows: Any, name: str = "n_requests") -> ColumnElement[Any]:
    """A total of rows of ``account_day``: the least that is known or, when doubts are asked, the most that may be."""
    return _most(rows, name) if scope.at_most else _least(rows, name)


def other_bound(scope: Scope, rows: Any, name: str = "n_requests") -> ColumnElement[Any]:
    """The most where :func:`counted` is the least, and the other way round."""
    return _least(rows, name) if scope.at_most else _most(rows, name)


def by_each_day(scope: Scope, rows: FromClause = account_day) -> FromClause:
    """Rows of ``account_day``, for a query by the day: what a bucket of several days may count stands on each of them.

    All of its requests may have been made on any one of its days, and none need have been: each of them has a row with
    so many shared requests and nothing else. ``rows`` may be those by their last day.
    """
    if not scope.lasting:
        return rows
    r: Any = rows.c
    of_scope = days_between(scope.baseline_from, scope.period.last_day)
    days: list[ColumnClause[Any]] = [column("day", Date)]
    each = table_of(days, [(day,) for day in of_scope], "each_day").c
    held = each.day.between(r.first_day if "first_day" in r else r.day, last_day(r))
    lasting = and_(r.grain == "bucket", r.n_requests.is_(None), r.shared_n_requests > 0)
    same = ("account_id", "source_system", "grain", "used_from", "used_until", "shared_n_requests")
    values = {name: r[name] for name in same} | dict.fromkeys(("day", "first_day"), each.day)
    values |= {"slice_start": func.greatest(midnight(each.day), r.slice_start)}
    values |= dict.fromkeys(("input_tokens", "output_tokens"), literal(0))
    beside = select(*(cast(values.get(c.name, null()), c.type).label(c.name) for c in r))
    return union_all(select(rows), beside.where(lasting, held, each.day != r.day)).subquery(rows.description)


def as_counted(scope: Scope, usage: FromClause) -> Subquery:
    """Rows of ``account_day`` for a query that adds up its columns: with what is counted, where that is any use."""
    u: Any = usage.c
    values = [
        _most(u, name, u[name]).label(name) if scope.at_most and f"shared_{name}" in u else u[name]
        for name in u.keys()  # noqa: SIM118 - a column collection, no dict
    ]
    rows = select(*values).subquery("counted").c
    used = or_(rows.n_requests.is_(None), rows.n_requests > 0, rows.input_tokens > 0, rows.output_tokens > 0)
    return select(*rows).where(used).subquery("account_day")


def _least(rows: Any, name: str) -> ColumnElement[Any]:
    """Requests are the successful ones: a bucket counts those that its source served."""
    least: ColumnElement[Any] = func.coalesce(rows.n_ok, rows.n_requests) if name == "n_requests" else rows[name]
    return least


def _most(rows: Any, name: str, least: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """NULL only where neither the least nor what is shared is known."""
    known, shared = _least(rows, name) if least is None else least, rows[f"shared_{name}"]
    return func.coalesce(known + func.coalesce(shared, 0), shared)


def any_buckets(connection: Connection, scope: Scope) -> bool:
    """Whether any usage of the days that a rule reads is known from buckets."""
    return _any(connection, scope, account_day.c.grain == "bucket")


def any_lasting(connection: Connection, scope: Scope) -> bool:
    """Whether any of it is known from buckets of several days that tell a number of requests."""
    d = account_day.c
    return _any(connection, scope, and_(d.grain == "bucket", d.n_requests.is_(None), d.shared_n_requests > 0))


def _any(connection: Connection, scope: Scope, which: ColumnElement[bool]) -> bool:
    d = account_day.c
    days = d.day.between(scope.baseline_from, scope.period.last_day)
    return connection.execute(select(d.day).where(which, days).limit(1)).first() is not None
