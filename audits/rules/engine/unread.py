"""Requests of which a rule reads nothing, as rows of the rollups of single requests.

A rule whose ``needs`` are ``bounded`` asks itself what missing columns could change. A request that is known from a
usage bucket alone, or was made on a day that is set aside, is to it one that lacks all columns: its rollup row has NULL
for each, and counts among those of which something is not recorded and among nothing else. Of a share it may be part of
the whole (:func:`unread`): what would be found for want of such requests only is not proven.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, Table, case, cast, false, func, literal, null, select, union_all

from audits.rollups.account_client_day import account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_model_day import account_model_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_retention_day import account_retention_day
from audits.rollups.account_score_day import account_score_day
from audits.rollups.account_topic_day import account_topic_day

if TYPE_CHECKING:
    from audits.rules.engine.scope import Scope

_COUNTED: tuple[Table, ...] = (
    account_client_day, account_model_day, account_prompt_day, account_score_day, account_topic_day,
)  # fmt: skip
_OF_REQUESTS = (*_COUNTED, account_retention_day)
_SAME = ("day", "slice_start", "account_id")
_UNTOLD = ("unknown", "perhaps")
"""What the name of a count of requests has of which something is not recorded."""


def with_unread(scope: Scope, rollup: FromClause) -> FromClause:
    """A rollup as a bounded rule sees it, where anything is unread; any other relation, and for others, as it is."""
    if not scope.spec.needs.bounded or not any(rollup is one for one in _OF_REQUESTS):
        return rollup
    rows = rollup
    if scope.bucketed:
        d = account_day.c
        most = d.n_requests + func.coalesce(d.shared_n_requests, 0)  # no request need be the same as a bucket's
        values = [_unread_value(column, d, most, most).label(column.name) for column in rollup.c]
        buckets = select(*values).where(d.grain == "bucket", most > 0)
        rows = union_all(select(rollup), buckets).subquery(rollup.description)
    if scope.set_aside and any(rollup is one for one in _COUNTED):
        r, read = rows.c, scope.readable(rows)
        seen = [case((read, c), else_=_unread_value(c, r, r.n_requests, r.n_ok)).label(c.name) for c in r]
        rows = select(*seen, (~read).label("set_aside")).subquery(rollup.description)
    return rows


def unread(rows: Any) -> ColumnElement[int]:
    """The sum of the successful requests of days that are set aside, in a select of rows of such a rollup."""
    aside = rows.set_aside if "set_aside" in rows else false()
    return func.coalesce(func.sum(rows.n_ok).filter(aside), 0)


def _unread_value(
    column: ColumnElement[Any], row: Any, requests: ColumnElement[Any], ok: ColumnElement[Any]
) -> ColumnElement[Any]:
    name = str(column.key)
    value: ColumnElement[Any] = null()
    if name in _SAME:
        return row[name]  # type: ignore[no-any-return]
    if name == "n_requests":
        value = requests
    elif name == "n_ok" or any(word in name for word in _UNTOLD):
        value = ok
    elif name.startswith("n_") or name.endswith("_tokens"):
        value = literal(0)
    return cast(value, column.type)
