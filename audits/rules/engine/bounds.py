"""Whether what is not recorded could have changed an answer.

*Compliant* means that nothing missing could have changed the answer. So a rule states its condition once, as a function
of a row of figures and of how many requests are added to those that count against its subject::

    def _over(row, more=0):
        return and_(row.hits + more >= row.limit_requests_min, ratio(row.hits + more, row.scored + more) >= ...)

``violations`` asks it of what is known, ``_over(row)``, and ``unevaluable`` of the worst that what is missing allows::

    def unevaluable(scope):
        return undecided(_figures(scope), _over, "not recorded: benchmark_score")

``_figures`` has a row for each subject (``subject_type`` and ``subject_id``, or ``account_id``), ``tier`` and stretch,
with ``missing``: the number of requests that lack the column, each of which may count. Each figure is taken at the
worst that these requests allow: every one of them may add a distinct value, lie below the limit of a median, or have
the highest score. Accounts that were found need not be left out: violating takes precedence. Where a rule has several
conditions, each is asked by itself and :func:`any_of` combines them; of an account's reasons, the first in alphabetical
order is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, String, and_, cast, literal, null, select, union_all

from audits.rules.engine.population import audited_groups

Over = Callable[[Any, Any], ColumnElement[bool]]
"""Whether a row of figures is over its limits, if so many more requests count against its subject."""


def undecided(figures: FromClause, over: Over, reason: str | Callable[[Any], ColumnElement[str]]) -> Select[Any]:
    """(account_id, tier, reason) of the accounts, alone or as members of a group, that missing requests could put over.

    ``reason`` is the same for all, or told by the row. An account by itself is in question under the tier of its row;
    members of a group are so under whatever tier.
    """
    f: Any = figures.c
    might, anywhere = and_(f.missing > 0, over(f, f.missing)), cast(null(), String)
    why = (literal(reason) if isinstance(reason, str) else reason(f)).label("reason")
    if "account_id" in f:
        return select(f.account_id, f.tier, why).where(might)
    subjects = select(f.subject_type, f.subject_id, f.tier, why).where(might).subquery("undecided")
    s, g = subjects.c, audited_groups.c
    return any_of(
        select(s.subject_id.label("account_id"), s.tier, s.reason).where(s.subject_type == "account"),
        select(g.account_id, anywhere, s.reason).where(s.subject_type == "group", g.group_id == s.subject_id),
    )


def any_of(*reasons: Select[Any]) -> Select[Any]:
    """The rows of all of the selects, which have the same columns."""
    return select(union_all(*reasons).subquery("reasons"))
