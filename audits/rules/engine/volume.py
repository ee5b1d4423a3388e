"""How much was used: between a least and a most, where usage buckets and single requests may count the same.

A rule about volume states its condition once, of what is :func:`counted`. ``violations`` is asked of the least that is
known, which proves what it finds; the engine asks it again of the most (``scope.at_most``), and whoever is found only
then is not evaluated. A figure that speaks for the subject, such as a peer's, is taken at its :func:`other_bound`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, FromClause, Subquery, func, or_, select

from audits.rollups.account_day import account_day

if TYPE_CHECKING:
    from audits.rules.engine.scope import Scope

SHARED = "whether usage buckets count the same as other usage is not known: if they do not, a limit is exceeded"


def counted(scope: Scope, rows: Any, name: str = "n_requests") -> ColumnElement[Any]:
    """A total of rows of ``account_day``: the least that is known or, when doubts are asked, the most that may be."""
    return _most(rows, name) if scope.at_most else _least(rows, name)


def other_bound(scope: Scope, rows: Any, name: str = "n_requests") -> ColumnElement[Any]:
    """The most where :func:`counted` is the least, and the other way round."""
    return _least(rows, name) if scope.at_most else _most(rows, name)


def as_counted(scope: Scope, usage: FromClause) -> Subquery:
    """Rows of ``account_day`` for a query that adds up its columns: with what is counted, where that is any use."""
    u: Any = usage.c
    values = [
        (u[name] + func.coalesce(u[f"shared_{name}"], 0)).label(name)
        if scope.at_most and f"shared_{name}" in u
        else u[name]
        for name in u.keys()  # noqa: SIM118 - a column collection, no dict
    ]
    rows = select(*values).subquery("counted").c
    used = or_(rows.n_requests.is_(None), rows.n_requests > 0, rows.input_tokens > 0, rows.output_tokens > 0)
    return select(*rows).where(used).subquery("account_day")


def _least(rows: Any, name: str) -> ColumnElement[Any]:
    """Requests are the successful ones: a bucket counts those that its source served."""
    least: ColumnElement[Any] = func.coalesce(rows.n_ok, rows.n_requests) if name == "n_requests" else rows[name]
    return least


def _most(rows: Any, name: str) -> ColumnElement[Any]:
    return _least(rows, name) + func.coalesce(rows[f"shared_{name}"], 0)


def any_buckets(connection: Connection, scope: Scope) -> bool:
    """Whether any usage of the days that a rule reads is known from buckets."""
    d = account_day.c
    days = d.day.between(scope.baseline_from, scope.period.last_day)
    return connection.execute(select(d.day).where(d.grain == "bucket", days).limit(1)).first() is not None
