"""An operator's own rule: a folder with ``rule.yaml``, ``rule.sql`` and ``cases.yaml``, asked like a shipped one.

What its SQL may read:

- every rollup (``account_day``, ``account_hour``, ...): the rows of the period and the rule's baseline; where they
  speak of accounts, with ``customer_id``, ``tier``, ``tier_rank`` and the ``limit_...`` that held for the row;
- ``accounts_in_scope``: the audited accounts with the tier, its stretch (``valid_from``, ``valid_to``) and limits;
- ``groups_in_scope``: ``group_id``, ``account_id``, the group's ``tier`` and limits;
- ``audited_accounts`` and ``audited_groups``: the same without limits;
- ``limits``: ``tier``, ``from_day``, ``to_day`` (exclusive) and a ``limit_...`` column a parameter;
- the tables of the warehouse contract, as they are.

A division is of floats, and by zero NULL, on every engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import FromClause, Select, bindparam, column, select, text
from sqlglot import exp

from audits.policy import PolicyError
from audits.policy.errors import Problem
from audits.rollups import ROLLUPS
from audits.rollups.account_day import account_day
from audits.rules.engine.base import Found, RuleSpec
from audits.rules.engine.operator_sql import RuleSql, check_sql, portable
from audits.rules.engine.population import audited_accounts, audited_groups
from audits.rules.engine.scope import Scope
from audits.rules.engine.volume import as_counted, by_each_day
from audits.warehouse.tables import accounts, source_metadata

_ROLLUPS = {table.name: table for table, _ in ROLLUPS}
_SOURCES = {table.name: table for table in source_metadata.sorted_tables}
_TABLES = {**_ROLLUPS, **_SOURCES, "audited_accounts": audited_accounts, "audited_groups": audited_groups}
_OWN = {
    "accounts_in_scope": [*audited_accounts.c.keys()],
    "groups_in_scope": [*audited_groups.c.keys()],
    "limits": ["tier", "from_day", "to_day"],
}
RELATIONS: Mapping[str, str] = {
    **dict.fromkeys(_ROLLUPS, "a rollup"),
    "accounts_in_scope": "audited accounts with tier and limits",
    "groups_in_scope": "groups with tier and limits",
    "audited_accounts": "audited accounts with tier",
    "audited_groups": "groups with tier",
    "limits": "the rule's limits",
    **dict.fromkeys(_SOURCES, "a table of the warehouse contract"),
}


def columns_of(relation: str) -> list[str]:
    """The columns that a relation has beside ``limit_...``."""
    table = _TABLES.get(relation)
    if table is None:
        return _OWN[relation]
    held = ["customer_id", "tier", "tier_rank"] if relation in _ROLLUPS and "account_id" in table.c else []
    return [*table.c.keys(), *held]


def problems_of(folder: Path, spec: RuleSpec) -> list[Problem]:
    """Everything that is wrong with a folder's ``rule.sql``."""
    return _read(folder, spec)[1]


def read_query(folder: Path, spec: RuleSpec) -> exp.Select:
    """A rule's query as a tree; raises PolicyError with every problem of its text."""
    select, problems = _read(folder, spec)
    if select is None:
        raise PolicyError(
            f"The query of {spec.id} cannot be used.",
            where=str(folder / "rule.sql"),
            fix=f"Correct it, then run `audits rules check {folder}`.",
            problems=problems,
        )
    return select


def functions_from(query: exp.Select, spec: RuleSpec) -> dict[str, Any]:
    """``violations`` and ``evidence`` of a rule from its checked query."""
    return {"violations": partial(_violations, portable(query, RELATIONS)), "evidence": partial(_evidence, spec)}


def _read(folder: Path, spec: RuleSpec) -> tuple[exp.Select | None, list[Problem]]:
    file = folder / "rule.sql"
    return check_sql(str(file), file.read_text("utf-8"), spec, RELATIONS)


def _violations(sql: RuleSql, scope: Scope) -> Select[Any]:
    values = {
        "period_start": scope.period.start,
        "period_end": scope.period.end,
        "first_day": scope.period.first_day,
        "last_day": scope.period.last_day,
        "baseline_day": scope.baseline_from,
    }
    query = text(sql.text).bindparams(*(bindparam(name, values[name], unique=True) for name in sorted(sql.binds)))
    rows = query.columns(*(column(name) for name in sql.columns))
    # Each table under its own name before the operator's text: schemas, periods and limits stay our business.
    rows = rows.add_cte(*(select(*_relation(scope, name).c).cte(name) for name in sorted(sql.relations)))
    found = rows.subquery("found")
    return select(*found.c)


def _relation(scope: Scope, name: str) -> FromClause:
    if name in _ROLLUPS:
        table = _ROLLUPS[name]
        told = by_each_day(scope) if table is account_day and scope.at_most else table
        rows = scope.usage(told, baseline=True) if "account_id" in table.c else table
        return as_counted(scope, rows) if table is account_day else rows
    match name:
        case "accounts_in_scope":
            return scope.accounts()
        case "groups_in_scope":
            return scope.groups()
        case "limits":
            return scope.limit_rows()
    return _TABLES[name]


def _evidence(spec: RuleSpec, scope: Scope, found: Found) -> Select[Any]:
    """The requests, or with them the buckets, of the finding's accounts; for a rule without usage the accounts."""
    if not spec.needs.usage:
        return select(accounts).where(accounts.c.account_id.in_(found.account_ids)).order_by(accounts.c.account_id)
    return scope.usage_of(found.account_ids) if spec.needs.grain == "bucket" else scope.events_of(found.account_ids)
