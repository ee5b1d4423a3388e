"""Evaluating one rule for a period, and accounting for every customer.

The rule's selects run on the warehouse; what comes back is one row for each violating subject, and the cells by
verdict and reason (:mod:`audits.rules.engine.verdicts`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, select, union
from sqlalchemy.exc import SQLAlchemyError

from audits.errors import AuditsError
from audits.rules.engine.base import Found, Rule
from audits.rules.engine.facts import Facts, account_facts
from audits.rules.engine.intermediate import Intermediates
from audits.rules.engine.population import audited_groups
from audits.rules.engine.scope import Scope
from audits.rules.engine.verdicts import VERDICTS, Cells, Verdict, all_cells, cells_of
from audits.rules.engine.volume import any_buckets, any_lasting
from audits.warehouse.dialects import contained
from audits.warehouse.failures import PartFailedError
from audits.warehouse.own import make_temporary_tables
from audits.warehouse.staging import insert_in_bulk

__all__ = ["VERDICTS", "Cell", "Cells", "Evaluation", "Verdict", "evaluate"]

_MISTAKES = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)  # in a rule's own code
_temporary = MetaData()

_subjects = Table(
    "found_subjects",
    _temporary,
    Column("subject_type", String, nullable=False),
    Column("subject_id", String, nullable=False),  # of keys and networks: their account
    prefixes=["TEMPORARY"],
)

Owners = Mapping[tuple[str, str], Sequence[tuple[str, str]]]
"""(subject type, subject) -> the (account, customer) pairs that it consists of."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The verdict on one customer under one rule and tier. ``reason`` is empty for compliant and violating ones."""

    customer_id: str
    tier: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of one rule: its cells, which cover every audited customer and tier, and the subjects found."""

    rule: Rule
    cells: tuple[Cells, ...]
    found: tuple[Found, ...] = ()
    error: str = ""

    def count(self, *verdicts: Verdict) -> int:
        """How many cells have one of the verdicts."""
        return sum(cells.count for cells in self.cells if cells.verdict in verdicts)

    def each(self) -> Iterator[Cell]:
        """The cells one by one, as far as their customers are named, in order of customer and tier."""
        cells = [Cell(customer, one.tier, one.verdict, one.reason) for one in self.cells for customer in one.customers]
        return iter(sorted(cells, key=lambda cell: (cell.customer_id, cell.tier)))


def evaluate(connection: Connection, rule: Rule, scope: Scope, facts: Facts, *, name_all: bool = False) -> Evaluation:
    """Evaluate one rule. A rule that fails is errored in every cell and says why; other rules go on.

    Compliant customers are only counted, unless ``name_all``.
    """
    if inapplicable := scope.book.inapplicable(rule.spec.families, scope.period.first_day, scope.period.last_day):
        return Evaluation(rule, all_cells(connection, "not_applicable", inapplicable))
    kept = Intermediates(connection, rule.id)
    scope = replace(scope, intermediates=kept)
    try:
        with contained(connection):
            needs, buckets = rule.spec.needs, any_buckets(connection, scope)
            lasting = buckets and needs.counts and any_lasting(connection, scope)
            scope = replace(scope, bucketed=needs.bounded and buckets, lasting=lasting)
            missing = any(name in scope.unrecorded for name in needs.tables)
            found = [] if missing else _found(connection, rule, scope)
            most = replace(scope, at_most=True, intermediates=None)
            may_be_more = buckets and needs.usage and needs.grain == "bucket"
            possible = _found(connection, rule, most) if may_be_more and not missing else []
            cells = cells_of(connection, rule, scope, facts, found, possible, name_all=name_all)
            kept.drop()
    except PartFailedError:
        raise  # no fault of the rule, and no other rule could be evaluated either
    except (SQLAlchemyError, AuditsError, *_MISTAKES) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        message = f"the rule failed: {type(error).__name__}: {cause}"
        return Evaluation(rule, all_cells(connection, "errored", message), error=message)
    return Evaluation(rule, cells, tuple(found))


def prepare_subjects(connection: Connection) -> None:
    """Make the table in which the accounts of found subjects are looked up."""
    make_temporary_tables(connection, _temporary)


def _found(connection: Connection, rule: Rule, scope: Scope) -> list[Found]:
    rows = [dict(row) for row in connection.execute(rule.violations(scope)).mappings()]
    owners = _owners(connection, rule, rows) if rows else {}
    found = [_as_found(rule, row, owners) for row in rows]
    found.sort(key=lambda one: (one.tier, one.subject_type, one.subject_id, one.discriminator))
    identities = Counter((one.tier, one.subject_type, one.subject_id, one.discriminator) for one in found)
    if twice := [identity for identity, times in identities.items() if times > 1]:
        raise AuditsError(
            f"{rule.id} returned a subject twice: {min(twice)}",
            where=str(rule.folder / "rule.py"),
            fix="Group the select by its subject and tier, or tell the rows apart by a column named discriminator.",
        )
    return found


def _owners(connection: Connection, rule: Rule, rows: Sequence[Mapping[str, Any]]) -> Owners:
    """The accounts and customers behind the rows of a rule's select."""
    wanted = {_looked_up(rule, row) for row in rows}
    connection.execute(delete(_subjects))
    insert_in_bulk(
        connection, _subjects, [{"subject_type": kind, "subject_id": name} for kind, name in sorted(wanted) if name]
    )
    s, f, g = _subjects.c, account_facts.c, audited_groups.c
    pairs = union(
        select(s.subject_type, s.subject_id, f.account_id, f.customer_id).where(
            s.subject_type == "account", f.account_id == s.subject_id
        ),
        select(s.subject_type, s.subject_id, f.account_id, f.customer_id).where(
            s.subject_type == "customer", f.customer_id == s.subject_id
        ),
        select(s.subject_type, s.subject_id, f.account_id, f.customer_id).where(
            s.subject_type == "group", g.group_id == s.subject_id, f.account_id == g.account_id
        ),
    ).subquery("pairs")
    owners: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in connection.execute(select(pairs)):
        owners[row.subject_type, row.subject_id].append((row.account_id, row.customer_id))
    return owners


def _looked_up(rule: Rule, row: Mapping[str, Any]) -> tuple[str, str]:
    """What has to be looked up for a row: the subject itself, or the account of a key or network."""
    kind, subject = row.get("subject_type") or rule.spec.units[0], str(row["subject_id"])
    return (
        (kind, subject) if kind in ("account", "group", "customer") else ("account", str(row.get("account_id") or ""))
    )


def _as_found(rule: Rule, row: Mapping[str, Any], owners: Owners) -> Found:
    kind, subject = row.get("subject_type") or rule.spec.units[0], str(row["subject_id"])
    looked_up = _looked_up(rule, row)
    only = row.get("customer_id")
    pairs = tuple(sorted(pair for pair in owners.get(looked_up, ()) if only is None or pair[1] == only))
    if not pairs and (kind != "network" or looked_up[1]):
        whose = f", whose account {looked_up[1]}" if kind in ("key", "network") and looked_up[1] else ""
        raise AuditsError(
            f"{rule.id} returned {kind} {subject}{whose}, which is not among the audited ones.",
            where=str(rule.folder / "rule.py"),
            fix="Select from scope.usage(...), scope.accounts() or scope.groups(), which hold audited accounts only; "
            "a key needs its account_id.",
        )
    return Found(
        subject_type=kind,
        subject_id=subject,
        tier=row["tier"],
        severity=row.get("severity") or rule.spec.severity,
        discriminator=str(row.get("discriminator") or ""),
        account_ids=tuple(sorted({account for account, _ in pairs})),
        customer_ids=tuple(sorted({customer for _, customer in pairs})),
        observed=_part(row, "observed_"),
        limits=_part(row, "limit_"),
        one_operator=bool(row.get("one_operator")),
        owners=pairs,
    )


def _part(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): plain(value) for name, value in row.items() if name.startswith(prefix)}


def plain(value: Any) -> Any:
    """A value as JSON has it, the same on every engine: whole numbers as int, others rounded to six places."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    number = round(float(value), 6)
    return int(number) if number.is_integer() else number
