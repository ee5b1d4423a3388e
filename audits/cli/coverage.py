"""`audits coverage`: what became of every customer under every rule, and why some were not evaluated."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import Format, format_option, out, when_to_audit
from audits.display import json_text, visible
from audits.errors import AuditsError, unknown
from audits.periods import Period
from audits.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from audits.ledger.coverage import CellRecord, Checks, Coverage

_COLUMNS = ("planned", "compliant", "violating", "not_applicable", "not_evaluated", "errored")


def coverage(
    period: Annotated[str, typer.Option("--period", "-p", help="2026-10-05, 2026-W41, 2026-10 or 2026-Q4")],
    tier: Annotated[list[str] | None, typer.Option("--tier", "-t", help="Only this tier; may be repeated.")] = None,
    customer: Annotated[
        str | None,
        typer.Option("--customer", "-c", help="Only this customer: an id, one of an account, or (part of) a name."),
    ] = None,
    rule: Annotated[list[str] | None, typer.Option("--rule", "-r", help="Only this rule; may be repeated.")] = None,
    form: Annotated[
        Format,
        format_option(
            Format.table, Format.json, Format.jsonl, note="json and jsonl list every cell that is not compliant."
        ),
    ] = Format.table,
) -> None:
    """Account for every cell (customer and rule) of a period: counters by verdict, and each reason.

    JSON lists the cells that are not compliant: violating, not applicable, not evaluated or errored. The counters of
    the table prove the rest.
    """
    from audits.ledger import read_ledger  # noqa: PLC0415
    from audits.ledger.coverage import coverage_of  # noqa: PLC0415
    from audits.ledger.customers import customer_named  # noqa: PLC0415
    from audits.ledger.read import latest_runs  # noqa: PLC0415

    settings, wanted = Settings.from_env(), Period.parse(period)
    with read_ledger(settings.ledger_url) as books, books.session() as session:
        if not latest_runs(session, period=wanted.id):
            raise AuditsError(
                f"The period {wanted} has not been audited.",
                where=f"--period {period}",
                fix=when_to_audit(settings, wanted),
            )
        everything = coverage_of(session, wanted.id)
        for name in tier or ():
            if name not in everything.runs:
                raise unknown("tier", name, sorted(everything.runs), where=f"--tier {name}, as audited in {wanted}")
        rules = sorted({rule_id for run in everything.runs.values() for rule_id in run.rules})
        for name in rule or ():
            if name not in rules:
                raise unknown("rule", name, rules, where=f"--rule {name}, as audited in {wanted}")
        whom = None
        if customer is not None:
            newest_first = sorted(((run.id, name) for name, run in everything.runs.items()), reverse=True)
            where = f"--customer {customer}, as audited in {wanted}"
            whom = customer_named(session, customer, newest_first, where=where)
        asked = coverage_of(session, wanted.id, tuple(tier or ()), tuple(rule or ()), whom)
        match form:
            case Format.table:
                _print(session, asked)
            case Format.jsonl:
                for cell in asked.cells(session):
                    sys.stdout.write(json_text(asdict(cell), sort_keys=True) + "\n")
            case _:
                _write_list(asked.cells(session))


def _write_list(cells: Iterable[CellRecord]) -> None:
    """A JSON list, written as it is read."""
    before = "["
    for cell in cells:
        sys.stdout.write(f"{before}\n  {json_text(asdict(cell), sort_keys=True)}")
        before = ","
    sys.stdout.write("[]\n" if before == "[" else "\n]\n")


def _print(session: Session, asked: Coverage) -> None:
    if asked.customer_id is not None:
        _print_customer(session, asked)
        return
    from audits.ledger.coverage import Checks, reasons_of  # noqa: PLC0415

    table = _table("Tier", "Rule", *(name.replace("_", "\n").capitalize() for name in _COLUMNS))
    rows = list(asked.counters(session))
    for row in rows:
        table.add_row(escape(visible(row.tier)), row.rule_id, *_counts(Checks.of([row])))
    totals = Checks.of(rows)
    table.add_section()
    table.add_row("All", "", *_counts(totals), style="bold")
    out.print(table)
    reasons = _table("Verdict", "Rules", "Cells", "Reason", left=("Reason", "Rules"))
    for (verdict, reason), rules in sorted(reasons_of(asked.cells(session)).items()):
        which = ", ".join(sorted(rules)) if len(rules) <= 4 else f"{len(rules)} rules"
        reasons.add_row(verdict.replace("_", " "), which, f"{sum(rules.values()):,}", escape(visible(reason)))
    if reasons.row_count:
        out.print()
        out.print(reasons)
    out.print(
        f"\n{totals.planned:,} cells (customers x rules), each in exactly one column.", style="dim", highlight=False
    )


def _counts(checks: Checks) -> tuple[str, ...]:
    return tuple(f"{getattr(checks, name):,}" for name in _COLUMNS)


def _print_customer(session: Session, asked: Coverage) -> None:
    """One customer's verdict under each rule of its tiers."""
    from audits.ledger.coverage import tiers_of  # noqa: PLC0415

    held = {(cell.tier, cell.rule_id): cell for cell in asked.cells(session)}
    own = tiers_of(session, asked)
    table = _table("Tier", "Rule", "Verdict", "Reason", left=("Verdict", "Reason"))
    for row in asked.counters(session):
        if row.tier in own:
            cell = held.get((row.tier, row.rule_id))
            verdict, reason = (cell.verdict, cell.reason) if cell else ("compliant", "")
            table.add_row(escape(visible(row.tier)), row.rule_id, verdict.replace("_", " "), escape(visible(reason)))
    out.print(table)


def _table(*columns: str, left: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        wrap = name == "Reason"
        table.add_column(name, justify="left" if number < 2 or name in left else "right", no_wrap=not wrap)
    return table
