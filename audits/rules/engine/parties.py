"""How often each party used what the population is asked about: a template, a topic.

A party (an entity) is a customer, or a linked group as one, so that the accounts of a campaign count once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from audits.rules.engine.population import audited_accounts, audited_groups, held
from audits.rules.engine.scope import Scope


def uses_by_party(scope: Scope, rollup: FromClause, used: ColumnElement[Any], requests: ColumnElement[Any]) -> Any:
    """``used`` and ``uses``: a row for each party of the period and each recorded value of a rollup's column."""
    r: Any = rollup.c
    a, g = audited_accounts.c, audited_groups.c
    party = func.coalesce(g.group_id, a.customer_id, r.account_id)
    return (
        select(used.label("used"), func.sum(requests).label("uses"))
        .select_from(
            rollup.outerjoin(audited_accounts, held(rollup)).outerjoin(audited_groups, g.account_id == r.account_id)
        )
        .where(used.is_not(None), r.day.between(scope.period.first_day, scope.period.last_day))
        .group_by(party, used)
        .subquery("uses_by_party")
    ).c  # fmt: skip


def number_of_parties(scope: Scope, rollup: FromClause) -> Select[Any]:
    """How many parties a rollup has rows of in the period, as ``parties``: customers, or linked groups as one each.

    So a campaign does not make its own ways common. An account under several tiers appears once for each, which a
    count of distinct parties does not mind.
    """
    r: Any = rollup.c
    a, g = audited_accounts.c, audited_groups.c
    used = rollup.join(audited_accounts, a.account_id == r.account_id)
    return (
        select(func.count(func.coalesce(g.group_id, a.customer_id).distinct()).label("parties"))
        .select_from(used.outerjoin(audited_groups, g.account_id == r.account_id))
        .where(r.day.between(scope.period.first_day, scope.period.last_day))
    )
