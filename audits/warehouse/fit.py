"""How far an operator's tables fit the contract: what is wrong, and what is merely not recorded.

Without the essential tables, and the columns that a table cannot do without, nothing can be audited. Any other table,
and any column that may be NULL, may be absent altogether: it counts as not recorded, as if it were NULL throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, Table

from audits.errors import AuditsError
from audits.warehouse.catalog import Catalog, FoundTable
from audits.warehouse.families import SPELLING, family_named, family_of, reads_as
from audits.warehouse.tables import source_metadata

Severity = Literal["error", "not recorded", "advice"]

ESSENTIAL = frozenset({"usage_events", "customers", "accounts", "account_tiers"})
"""Tables without which nobody and nothing can be audited."""

UNREADABLE = "the connected role may not read it."


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a warehouse that is wrong, absent or worth changing."""

    severity: Severity
    where: str  # table, table.column, or what else it is about
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.fix}"


def misfits(found: Catalog) -> tuple[Problem, ...]:
    """Every difference between the contract and what is there, in the contract's order."""
    return tuple(
        problem for table in source_metadata.tables.values() for problem in _of_table(table, found.get(table.name))
    )


def absent(found: Catalog) -> frozenset[str]:
    """Names of contract tables, and of their columns as ``table.column``, that are not there or may not be read."""
    names: set[str] = set()
    for table in source_metadata.tables.values():
        there = found.get(table.name)
        if there is None or not _readable(there):
            names.add(table.name)
        names |= {f"{table.name}.{column.name}" for column in table.columns if not _has(there, column.name)}
    return frozenset(names)


def require_fit(problems: Iterable[Problem], url: str) -> None:
    """Raise one error that names everything that keeps the warehouse from being audited."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise AuditsError(
            "\n".join(["The warehouse does not fit the contract.", *(f"  - {problem}" for problem in errors)]),
            where=url,
            fix="Put these right; `audits doctor` checks again and also says what is merely not recorded.",
        )


def _of_table(table: Table, there: FoundTable | None) -> Iterable[Problem]:
    severity: Severity = "error" if table.name in ESSENTIAL else "not recorded"
    if there is None:
        yield Problem(severity, table.name, "there is no such table.", _make(table, essential=severity == "error"))
        return
    if not _readable(there):
        yield Problem(severity, table.name, UNREADABLE, f"GRANT SELECT ON {table.name} TO ...;")
        return
    for column in table.columns:
        yield from _of_column(table, column, there)


def _of_column(table: Table, column: Column[Any], there: FoundTable) -> Iterable[Problem]:
    where, wanted = f"{table.name}.{column.name}", family_of(column.type)
    found = there.columns.get(column.name)
    if found is None or not found.readable:
        yield Problem(
            "not recorded" if column.nullable else "error",
            where,
            "there is no such column." if found is None else UNREADABLE,
            f"GRANT SELECT ON {table.name} TO ...;" if found else _add(there, table, column, SPELLING[wanted]),
        )
    elif not reads_as(family_named(found.type), wanted):
        spelling, cast, guess = SPELLING[wanted], f"CAST({column.name} AS {SPELLING[wanted]})", ""
        if family_named(found.type) == "timestamp without time zone" and wanted == "instant":
            cast, guess = f"{column.name} AT TIME ZONE 'UTC'", ": whether its hours are UTC would be a guess"
        change = _change(
            there, table, f"ALTER COLUMN {column.name} TYPE {spelling} USING {cast}", f"{cast} AS {column.name}"
        )
        what = f"its type is {found.type}, where {spelling} is expected{guess}."
        yield Problem("error", where, what, f"If it is UTC: {change}" if guess else change)


def _add(there: FoundTable, table: Table, column: Column[Any], spelling: str) -> str:
    change = _change(there, table, f"ADD COLUMN {column.name} {spelling}", f"{column.name} as {spelling}")
    return f"Nothing, if it is recorded nowhere; else {change}" if column.nullable else change


def _change(there: FoundTable, table: Table, alteration: str, expression: str) -> str:
    if there.is_view:
        return f"in the view {table.name}, select {expression}"
    return f"ALTER TABLE {table.name} {alteration};"


def _make(table: Table, *, essential: bool) -> str:
    columns = _listed([column.name for column in table.columns if not column.nullable])
    if essential:
        return (
            f"Make a table or view {table.name} with at least {columns}; if there is one, the connection does not "
            "find it: check the schema, the role's search_path and USAGE."
        )
    return f"Nothing, if it is recorded nowhere; else a table or view with at least {columns}."


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _readable(there: FoundTable) -> bool:
    return any(column.readable for column in there.columns.values())


def _has(there: FoundTable | None, column: str) -> bool:
    return there is not None and column in there.columns and there.columns[column].readable
