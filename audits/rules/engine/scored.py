"""Requests that a score tells something of: how many reach the limit, how many are scored at all, how many are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from audits.rollups.account_score_day import account_score_day
from audits.rules.engine.levels import stretch, subject_levels
from audits.rules.engine.scope import Scope
from audits.rules.engine.unread import unread


def scored_requests(scope: Scope, score: str, limits: Iterable[str]) -> FromClause:
    """Successful requests of every subject and stretch of the period under the same ``limits``.

    ``hits`` reach ``score_min``, ``scored`` have the score recorded, ``missing`` do not; of these ``unread``
    are not to be read.
    """
    return scope.computed_once("scored_requests", lambda: _scored_requests(scope, score, limits))


def _scored_requests(scope: Scope, score: str, limits: Iterable[str]) -> Select[Any]:
    u = subject_levels(scope, account_score_day).c
    key, tenth = stretch(u, limits), u[f"{score}_tenth"]

    def requests(which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(u.n_ok).filter(which), 0)

    return select(
        *key,
        requests(tenth >= u.limit_score_min * 10).label("hits"),
        requests(tenth.is_not(None)).label("scored"),
        requests(tenth.is_(None)).label("missing"),
        unread(u).label("unread"),
    ).group_by(*key)
