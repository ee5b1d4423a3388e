"""`audits findings`: the findings of a period, for people and for machines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding

from audits.cli.console import COLOURS, MARKS, Format, err, format_option, nothing_evaluated, one_of, out, when_to_audit
from audits.display import json_text, short_id, visible
from audits.errors import AuditsError, unknown
from audits.periods import Period
from audits.settings import Settings


def findings(
    period: Annotated[str, typer.Option("--period", "-p", help="2026-10-05, 2026-W41, 2026-10 or 2026-Q4")],
    tier: Annotated[list[str] | None, typer.Option("--tier", "-t", help="Only this tier; may be repeated.")] = None,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only this rule; may be repeated.")] = None,
    form: Annotated[Format, format_option(*Format, note="jsonl follows the finding schema.")] = Format.table,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="SEVERITY",
            parser=one_of("severity", tuple(MARKS), "--fail-on"),
            help=f"Exit 1 if an open finding is at least this severe ({', '.join(MARKS)}).",
        ),
    ] = None,
) -> None:
    """Print the findings of a period's newest revision."""
    from audits.ledger import read_ledger  # noqa: PLC0415
    from audits.ledger.coverage import unevaluated_tiers  # noqa: PLC0415
    from audits.ledger.read import customer_names, findings_of, governing_runs, latest_runs, revisions  # noqa: PLC0415

    settings, wanted = Settings.from_env(), Period.parse(period)
    with read_ledger(settings.ledger_url) as books, books.session() as session:
        runs = latest_runs(session, period=wanted.id)
        if not runs:
            raise AuditsError(
                f"The period {wanted} has not been audited.",
                where=f"ledger {settings.ledger_url}",
                fix=when_to_audit(settings, wanted),
            )
        _known("tier", tier, sorted({audited for run in runs for audited in run.tiers}), wanted)
        _known("rule", rule, sorted({asked for run in runs for asked in run.rules}), wanted)
        rows = findings_of(session, period=wanted.id, tiers=tuple(tier or ()))
        rows = [row for row in rows if not rule or row["rule_id"] in rule]
        names = customer_names(session, [run.id for run in revisions(session, wanted.id)])
        governing = {name: run.id for (_, name), run in governing_runs(session, wanted.id).items()}
        silent = unevaluated_tiers(session, {name: run for name, run in governing.items() if not tier or name in tier})
    _print(rows, names, form)
    for name in silent:
        err.print(nothing_evaluated(wanted, name), markup=False)  # an empty list alone would read as compliance
    severities = list(MARKS)
    if fail_on:
        bar = severities.index(fail_on)
        if any(row["status"] == "open" and severities.index(row["severity"]) >= bar for row in rows):
            raise typer.Exit(1)


def _known(option: str, names: list[str] | None, known: list[str], period: Period) -> None:
    """Refuse a tier or rule that no revision of the period audited."""
    for name in names or ():
        if name not in known:
            raise unknown(option, name, known, where=f"--{option} {name}, as audited in {period}")


_SHORT = ("tier", "status")


def _print(rows: list[dict[str, object]], names: dict[str, str], form: Format) -> None:
    match form:
        case Format.jsonl:
            from reports.formats import jsonl  # noqa: PLC0415

            sys.stdout.write(jsonl.lines(rows))
        case Format.json:
            sys.stdout.write(json_text(rows, sort_keys=True, indent=2) + "\n")
        case Format.csv:
            from reports.formats import csv  # noqa: PLC0415

            sys.stdout.write(csv.table(rows, names))
        case Format.table:
            widths = [max((len(str(row[name])) for row in rows), default=0) for name in _SHORT]
            for row in rows:
                severity = str(row["severity"])
                mark = f"[{COLOURS[severity]}]{MARKS[severity]} {severity:8}[/]"
                tier, status = (
                    escape(visible(str(row[name])).ljust(w)) for name, w in zip(_SHORT, widths, strict=True)
                )
                kind = str(row["subject_type"])
                subject = escape(visible(f"{kind} {short_id(kind, str(row['subject_id']))}"))
                out.print(f"[bold]{row['finding_id']}[/]  {mark}  {row['rule_id']}  {tier}  {status}")
                summary = f"{subject}: [dim]{escape(visible(str(row['summary'])))}[/]"
                out.print(Padding(summary, (0, 0, 0, 4)))
            out.print(f"\n{len(rows):,} {'finding' if len(rows) == 1 else 'findings'}")
