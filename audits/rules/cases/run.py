"""Playing a case: the real rollups, population and evaluation on a real database, and what came out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import psycopg
from sqlalchemy import Connection, insert

from audits.errors import AuditsError
from audits.linkage.kinds import BY_NAME as KINDS
from audits.linkage.strong_sets import strong_sets
from audits.linkage.tables import group_edges, group_members
from audits.periods import Period
from audits.policy import Book
from audits.quality.quarantine import find_duplicates
from audits.rules.cases.fill import filled
from audits.rules.cases.format import Case, Row
from audits.rules.cases.law import book_of
from audits.rules.cases.rolled import RolledUp
from audits.rules.cases.stage import Stage
from audits.rules.engine import population as people
from audits.rules.engine.asking import prepare_evaluation
from audits.rules.engine.base import Found, Rule
from audits.rules.engine.evaluate import Cell, Evaluation, evaluate
from audits.rules.engine.facts import Facts, Gap, put_gaps
from audits.rules.engine.scope import Scope
from audits.rules.engine.wording import summary_of
from audits.warehouse import Warehouse

NATIVE = "native"  # the source of a case's rows, unless they say another
_AT = {"usage_events": "event_ts", "usage_buckets": "bucket_start", "auth_events": "event_ts"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case came to: the subjects found with their sentences, the cells, and evidence that does not hold.

    ``evidence`` has for each finding the rows that its query returned on the bare source; it is empty where none was
    asked for.
    """

    found: tuple[tuple[Found, str], ...]
    cells: tuple[Cell, ...]
    error: str
    bad_evidence: tuple[str, ...] = ()
    evidence: tuple[list[Row], ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What a case puts on a stage: whole rows of the contract's tables, and the law that it is judged under."""

    case: Case
    book: Book
    rows: Mapping[str, list[Row]]


@dataclass(frozen=True, slots=True)
class Scene:
    """A case whose tables and rollups stand: any version of its rule can be asked about it, any number of times."""

    case: Case
    warehouse: Warehouse
    connection: Connection
    scope: Scope
    facts: Facts
    rolled: RolledUp

    def ask(self, rule: Rule, scope: Scope | None = None) -> Evaluation:
        """The rule's evaluation, under the case's own law or another scope."""
        evaluation = evaluate(self.connection, rule, scope or self.scope, self.facts, name_all=True)
        if evaluation.error:
            self.rolled.start_again()
        return evaluation


def setting_of(rule: Rule, case: Case, shipped: Book) -> Setting:
    """A case's rows and law. Raises AuditsError where the case itself is unsound."""
    try:
        return Setting(case, book_of(case, rule, shipped), filled(case))
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        where = f"{rule.folder / 'cases.yaml'}:{case.line}, case {case.name!r}"
        raise AuditsError(f"The case does not fit: {error}", where=where) from error


def run_case(rule: Rule, case: Case, stage: Stage, shipped: Book) -> Outcome:
    """Play a case on a stage. Raises AuditsError where the case itself is unsound."""
    return run_setting(rule, setting_of(rule, case, shipped), stage)


def run_setting(rule: Rule, setting: Setting, stage: Stage) -> Outcome:
    """Play on a stage what was set up."""
    with staged(rule, setting, stage) as played:
        evaluation = played.ask(rule)
        queries = [(one, played.warehouse.standalone_sql(rule.evidence(played.scope, one))) for one in evaluation.found]
    evidence = [_evidence(stage, one, sql) for one, sql in queries]
    return Outcome(
        found=tuple((one, summary_of(rule, one)) for one in evaluation.found),
        cells=tuple(evaluation.each()),
        error=evaluation.error,
        bad_evidence=tuple(problem for _, problem in evidence if problem),
        evidence=tuple(rows for rows, _ in evidence),
    )


@contextmanager
def scene(rule: Rule, case: Case, stage: Stage, shipped: Book) -> Iterator[Scene]:
    """Set a case up on a stage: its tables, rollups, groups, population and law."""
    with staged(rule, setting_of(rule, case, shipped), stage) as played:
        yield played


@contextmanager
def staged(rule: Rule, setting: Setting, stage: Stage) -> Iterator[Scene]:
    """Put on a stage what was set up."""
    case, book, rows = setting.case, setting.book, setting.rows
    period = case.period
    first = period.first_day - timedelta(days=rule.spec.baseline_days)
    with stage.play(rows) as warehouse, warehouse.begin() as connection:
        repeats = len({row["event_id"] for row in rows["usage_events"]}) < len(rows["usage_events"])
        months = _months_with_rows(rows)
        for days in months if repeats else ():
            find_duplicates(connection, *days)
        blocked, aside, incomplete = (
            tuple((day, NATIVE) for day in days) for days in (case.blocked, case.set_aside, case.incomplete)
        )
        rolled = RolledUp(connection, [*((*days, ()) for days in months), *((day, day, (of,)) for day, of in blocked)])
        _put_groups(connection, case)
        people.prepare(connection, period, first, tuple(tier.id for tier in book.tiers), blocked)
        prepare_evaluation(connection, period, set())
        limits = book.limits(rule.id, first, period.last_day, families=rule.spec.families, judged_from=period.first_day)
        unrecorded = frozenset(name for name, many in rows.items() if not many)
        scope = Scope(period, rule.spec, book, limits, unrecorded, blocked, aside, incomplete)
        yield Scene(case, warehouse, connection, scope, Facts(_put_gaps(connection, rule, case)), rolled)


def _put_gaps(connection: Connection, rule: Rule, case: Case) -> tuple[Gap, ...]:
    """The gaps that the case says its data has."""
    reasons = sorted(set(case.doubts.values()))
    put_gaps(
        connection,
        {n: [one for one, why in case.doubts.items() if why == reason] for n, reason in enumerate(reasons)},
    )
    return tuple(Gap(number, reason, frozenset((rule.id,))) for number, reason in enumerate(reasons))


def _months_with_rows(rows: Mapping[str, list[Row]]) -> list[tuple[date, date]]:
    """First and last day of the months in which something happened, if anything did: cases share their statements."""
    days = [row[at].date() for table, at in _AT.items() for row in rows[table]]
    return [(Period.of(min(days), "month").first_day, Period.of(max(days), "month").last_day)] if days else []


def _put_groups(connection: Connection, case: Case) -> None:
    """The groups as linkage would have recorded them, with the values that joined them where the case names any."""
    strong = [
        (account, (group, kind))
        for group, kinds in case.links.items()
        for kind, accounts in kinds.items()
        if KINDS[kind].strong
        for account in accounts
        if account in case.groups[group]
    ]
    together = strong_sets([account for account, _ in strong], [value for _, value in strong])
    members = [
        {
            "period": case.period.id,
            "as_of": case.period.end_day,
            "group_id": group,
            "account_id": account,
            "strong_set": together.get(account),
        }
        for group, accounts in case.groups.items()
        for account in accounts
    ]
    if members:
        connection.execute(insert(group_members), members)
    edges = [
        {
            "period": case.period.id, "group_id": group, "kind": kind, "value_digest": f"{kind}-of-{group}",
            "account_id": account, "customers": len(accounts), "parties": 1, "bits": 10.0, "joins": True,
        }
        for group, kinds in case.links.items()
        for kind, accounts in kinds.items()
        for account in accounts
    ]  # fmt: skip
    if edges:
        connection.execute(insert(group_edges), edges)


def _evidence(stage: Stage, found: Found, sql: str) -> tuple[list[Row], str]:
    """The rows that a finding's evidence query returns on the bare source, and what is wrong with it, if anything."""
    try:
        rows = stage.rows(sql)
    except (duckdb.Error, psycopg.Error) as error:
        return [], f"evidence of {found.subject_id} does not run on the source: {str(error).splitlines()[0]}"
    return rows, "" if rows else f"evidence of {found.subject_id} returns no row:\n{sql}"
