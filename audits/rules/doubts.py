"""Whose cells a poor day of data puts in doubt: the accounts that its source serves around that day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection, select

from audits.quality import DayVerdict
from audits.rollups.account_day import account_day
from audits.rules.base import Rule

AROUND = timedelta(days=1)
"""An account seen the day before or after counts as served on the day: what is missing may be its use of that day."""


def doubts_of(
    connection: Connection, verdicts: Sequence[DayVerdict], rules: Mapping[str, Rule]
) -> dict[str, dict[str, str]]:
    """rule id -> account -> reason, for every day and source that is degraded or blocked."""
    doubts: dict[str, dict[str, str]] = defaultdict(dict)
    d = account_day.c
    for verdict in verdicts:
        if verdict.verdict == "good":
            continue
        accounts = connection.scalars(
            select(d.account_id)
            .where(d.source_system == verdict.source_system)
            .where(d.day.between(verdict.day - AROUND, verdict.day + AROUND))
            .distinct()
        ).all()
        for reason in verdict.reasons:
            named = tuple(rules) if verdict.verdict == "blocked" else reason.rules
            for rule_id in set(named) & rules.keys():
                for account in reason.accounts or accounts:
                    doubts[rule_id].setdefault(account, f"data quality on {verdict.day}: {reason.what}")
    return doubts
