"""What an audit is made from, part by part and item by item, as digests.

A stage counts by what it *produced*: the rollups of each day, the verdict on each day's data, the linked groups with
their evidence. What has no product of its own counts by its content: reference data, the law in force, and the code
that judges. The same data gives the same digests on DuckDB and PostgreSQL, and on any machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import astuple
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, case, select
from sqlalchemy.orm import Session

from audits.ledger.causes import ARRIVED, BELOW_ZERO, NOT_LOADED, TIERS
from audits.ledger.models import Run, RunInput
from audits.ledger.record import digest
from audits.linkage.identity import nearest
from audits.linkage.tables import group_edges, group_members, linkage_against, linkage_groups, linkage_runs
from audits.periods import Period
from audits.policy import Book
from audits.quality import impossible_rows, not_loaded
from audits.quality.tables import quality_days
from audits.rollups.state import rollup_days
from audits.rules.engine.base import Rule
from audits.rules.engine.code import code_digests, rule_digest
from audits.warehouse.dialects import row_digest
from audits.warehouse.tables import (
    account_payments,
    account_tiers,
    accounts,
    api_keys,
    billed_usage,
    contracts,
    customers,
    models,
    payment_events,
    sanctions,
    territories,
)

_BEGINS: tuple[tuple[Table, str], ...] = (
    (customers, "valid_from"),
    (accounts, "opened_at"),
    (account_tiers, "valid_from"),
    (api_keys, "created_at"),
    (account_payments, "valid_from"),
    (payment_events, "event_ts"),
    (contracts, "valid_from"),
    (models, "released_at"),
    (territories, "valid_from"),
    (sanctions, "as_of"),
    (billed_usage, "usage_day"),
)
"""Reference tables and the column from which a row exists."""

_ENDS = {"valid_to", "closed_at", "banned_at", "revoked_at", "retired_at"}
"""Columns that say until when: an end after the period was not known in it and does not count as a change."""


def made_from(
    connection: Connection,
    period: Period,
    baseline_from: date,
    book: Book,
    rules: Mapping[str, Rule],
    tiers: list[str],
) -> dict[str, dict[str, Any]]:
    """Part -> item -> digest, for all that may change the outcome of the period."""
    d, q = rollup_days.c, quality_days.c
    days = connection.execute(select(rollup_days).where(d.day.between(baseline_from, period.last_day)))
    built = {row.day.isoformat(): row for row in sorted(days, key=lambda row: row.day)}
    judged = connection.execute(
        select(q.day, q.source_system, q.verdict, q.reasons).where(q.day.between(baseline_from, period.last_day))
    )
    return {
        "data": {day: row.digest for day, row in built.items() if row.digest},
        ARRIVED: {day: digest([row.n_rows, row.watermark]) for day, row in built.items()},
        "quality": {f"{row.day} {row.source_system}": digest([row.verdict, row.reasons]) for row in judged},
        "rejected": _rejected(connection, period),
        "dimensions": {table.name: _known(connection, table, begins, period) for table, begins in _BEGINS},
        "linkage": _linkage(connection, period),
        "policy": _policy(book, period, baseline_from),
        "rules": {rule_id: f"{rule.spec.version}+{rule_digest(rule)[:16]}" for rule_id, rule in rules.items()},
        "code": code_digests(),
        TIERS: dict.fromkeys(tiers, ""),
    }


def named_groups(session: Session, period: Period) -> dict[str, tuple[date, dict[str, list[str]]]]:
    """Period -> the first day after it, and the accounts of its linked groups by name as its newest audit had them; of
    the periods whose names count for one.
    """
    newest = {run.period: run for run in session.scalars(select(Run).order_by(Run.period, Run.revision))}
    found = {}
    for one in nearest({known: run.end_day for known, run in newest.items()}, period):
        linked = session.get(RunInput, (newest[one].id, "linkage"))
        groups = linked.items.get("groups", {}) if linked else {}
        found[one] = (newest[one].end_day, {name: group["accounts"] for name, group in groups.items()})
    return found


def _rejected(connection: Connection, period: Period) -> dict[str, int]:
    """Kind and source -> the rows that no audit of the period counts."""
    below_zero, refused = (
        impossible_rows(connection, period.first_day, period.last_day),
        not_loaded(connection, period.start, period.end),
    )
    return {
        **{f"{BELOW_ZERO} {source}": n for source, n in below_zero.items()},
        **{f"{NOT_LOADED} {source}": n for source, n in refused.items()},
    }


def _known(connection: Connection, table: Table, begins: str, period: Period) -> str:
    """The digest of a reference table's rows, as far as they were known in the period."""
    at = table.c[begins]
    columns = [
        case((column < period.end, column), else_=None).label(column.name) if column.name in _ENDS else column
        for column in table.c
    ]
    end = period.end_day if begins == "usage_day" else period.end
    rows = select(*columns).where(at < end).subquery("known")
    return str(connection.scalar(select(row_digest(*rows.c)).select_from(rows)))


def _linkage(connection: Connection, period: Period) -> dict[str, Any]:
    """The groups by name, each with its accounts and the digest of its evidence; and what linking reported."""
    m = group_members.c
    members: dict[str, list[str]] = defaultdict(list)
    for group, account in connection.execute(select(m.group_id, m.account_id).where(m.period == period.id)):
        members[group].append(account)
    evidence: dict[str, list[str]] = defaultdict(list)
    for table in (linkage_groups, group_edges, linkage_against):
        columns = [column for column in table.c if column.name not in ("period", "group_id")]
        by_group = select(table.c.group_id, row_digest(*columns)).where(table.c.period == period.id)
        for group, found in connection.execute(by_group.group_by(table.c.group_id)):
            evidence[group].append(f"{table.name} {found}")
    report = connection.scalar(select(linkage_runs.c.report).where(linkage_runs.c.period == period.id))
    return {
        "groups": {
            group: {"accounts": sorted(accounts), "evidence": digest(evidence[group])}
            for group, accounts in sorted(members.items())
        },
        "report": digest(report),
    }


def _policy(book: Book, period: Period, baseline_from: date) -> dict[str, str]:
    """The law in force on the days that the audit reads, and the exceptions that hold for all of the period."""
    exceptions = [
        astuple(one) for one in book.exceptions if one.from_day <= period.first_day and period.end_day <= one.to_day
    ]
    return {
        "from": baseline_from.isoformat(),
        "to": period.last_day.isoformat(),
        "law": digest(book.in_force(baseline_from, period.last_day)),
        "exceptions": digest(sorted(exceptions, key=str)),
    }
