"""The first request of each account that a finding counts, as evidence that the account was used in the period."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select

from audits.rules.engine.scope import Scope
from audits.warehouse.tables import usage_events


def is_first_use(scope: Scope, counts: Callable[[Any], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Evidence: whether a request is its account's first of the period of those that count.

    ``counts`` says of a request, by the columns of ``usage_events``, whether it does.
    """
    e, earlier = usage_events.c, usage_events.alias("earlier")
    x = earlier.c
    before = and_(x.account_id == e.account_id, x.event_ts < e.event_ts, scope.in_period(x.event_ts))
    return ~exists(select(x.event_id).where(before, counts(x), scope.countable(earlier)))
