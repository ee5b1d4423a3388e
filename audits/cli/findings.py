"""`audits findings`: the findings of a period, for people and for machines."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding

from audits.cli.console import COLOURS, MARKS, Format, out
from audits.errors import AuditsError
from audits.periods import Period
from audits.settings import Settings


def findings(
    period: Annotated[str, typer.Option("--period", "-p", help="2026-10-05, 2026-W41, 2026-10 or 2026-Q4")],
    tier: Annotated[list[str] | None, typer.Option("--tier", "-t", help="Only this tier; may be repeated.")] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="jsonl follows the finding schema.")] = Format.table,
    fail_on: Annotated[
        str | None,
        typer.Option(help="Exit 1 if an open finding is at least this severe (low, medium, high, critical)."),
    ] = None,
) -> None:
    """Print the findings of a period's newest revision."""
    from audits.ledger import open_ledger  # noqa: PLC0415
    from audits.ledger.read import customer_names, findings_of, latest_runs, revisions  # noqa: PLC0415

    settings, wanted = Settings.from_env(), Period.parse(period)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        runs = latest_runs(session, period=wanted.id)
        if not runs:
            raise AuditsError(
                f"The period {wanted} has not been audited.",
                where=f"ledger {settings.ledger_url}",
                fix=f"Run: audits run --period {wanted}",
            )
        rows = findings_of(session, period=wanted.id, tiers=tuple(tier or ()))
        names = customer_names(session, [run.id for run in revisions(session, wanted.id)])
    _print(rows, names, form)
    severities = list(MARKS)
    if fail_on:
        if fail_on not in severities:
            raise AuditsError(
                f"{fail_on!r} is no severity.", where="--fail-on", fix=f"Use one of {', '.join(severities)}."
            )
        bar = severities.index(fail_on)
        if any(row["status"] == "open" and severities.index(row["severity"]) >= bar for row in rows):
            raise typer.Exit(1)


_SHORT = ("tier", "status")


def _print(rows: list[dict[str, object]], names: dict[str, str], form: Format) -> None:
    match form:
        case Format.jsonl:
            from reports.formats import jsonl  # noqa: PLC0415

            sys.stdout.write(jsonl.lines(rows))
        case Format.json:
            sys.stdout.write(json.dumps(rows, sort_keys=True, indent=2) + "\n")
        case Format.csv:
            from reports.formats import csv  # noqa: PLC0415

            sys.stdout.write(csv.table(rows, names))
        case Format.table:
            from reports.text import visible  # noqa: PLC0415

            widths = [max((len(str(row[name])) for row in rows), default=0) for name in _SHORT]
            for row in rows:
                severity = str(row["severity"])
                mark = f"[{COLOURS[severity]}]{MARKS[severity]} {severity:8}[/]"
                tier, status = (
                    escape(visible(str(row[name])).ljust(w)) for name, w in zip(_SHORT, widths, strict=True)
                )
                subject = escape(visible(f"{row['subject_type']} {row['subject_id']}"))
                out.print(f"[bold]{row['finding_id']}[/]  {mark}  {row['rule_id']}  {tier}  {status}")
                summary = f"{subject}: [dim]{escape(visible(str(row['summary'])))}[/]"
                out.print(Padding(summary, (0, 0, 0, 4)))
            out.print(f"\n{len(rows):,} {'finding' if len(rows) == 1 else 'findings'}")
