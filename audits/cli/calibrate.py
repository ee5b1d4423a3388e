"""`audits policy calibrate`: limits that fit the operator's own customers, as a change to the book."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import Format, a_day, err, format_option, out, progress, whole_number
from audits.display import json_text
from audits.errors import unknown
from audits.settings import Settings

if TYPE_CHECKING:
    from audits.calibration import Calibration, LimitFigure


def calibrate(
    weeks: Annotated[
        int,
        typer.Option(metavar="N", parser=whole_number("--weeks", low=1, example=8), help="Whole weeks to measure."),
    ] = 8,
    until: Annotated[
        str | None, typer.Option(help="The last UTC day, such as 2026-10-31.", show_default="the newest rolled up")
    ] = None,
    book: Annotated[
        Path | None,
        typer.Option("--book", envvar="AUDITS_POLICY", help="Folder of the book; without it, the shipped one."),
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="ID", help="Rules to measure; without it, all.")
    ] = None,
    form: Annotated[Format, format_option(Format.table, Format.json)] = Format.table,
) -> None:
    """Propose each limit as max(what the book says, the tier's 99.5th percentile of benign accounts or groups).

    Of a limit up to which something is found it is the lower of the book's and the 0.5th percentile. Accounts with open
    or confirmed findings in the ledger, and groups with such an account, are left out.

    Nothing is changed or recorded: the proposal is printed in words and as YAML to paste. Exit code 1 where a rule
    could not be measured.
    """
    from audits.calibration import calibrate as measure  # noqa: PLC0415 - keeps other commands quick
    from audits.calibration import suspected_accounts  # noqa: PLC0415
    from audits.ledger import is_there, read_ledger  # noqa: PLC0415
    from audits.rules.engine.loading import load_law  # noqa: PLC0415
    from audits.warehouse import warehouse  # noqa: PLC0415

    settings, last = Settings.from_env(), a_day(until, "--until")
    law, rules = load_law(book)
    for one in rule or ():
        if one not in rules:
            raise unknown("rule", one, list(rules), where=f"--rule {one}")
    rules = {key: one for key, one in rules.items() if not rule or key in rule}
    suspects: frozenset[str] = frozenset()
    if is_there(settings.ledger_url):
        with read_ledger(settings.ledger_url) as books, books.session() as session:
            suspects = suspected_accounts(session)
    else:
        err.print("[yellow]note[/] There is no ledger yet, so that nobody is left out: findings are not known.")
    with progress() as tell, warehouse(settings.warehouse_url, settings.rollups_url) as source:
        result = measure(source, law, rules, suspects, weeks=weeks, until=last, tell=tell)
    if form is Format.json:
        sys.stdout.write(json_text(result.as_json(), indent=2) + "\n")
    else:
        _print(result)
    if result.failures:
        raise typer.Exit(1)


def _print(result: Calibration) -> None:
    out.print(
        f"{len(result.weeks)} weeks, {result.first_day} to {result.last_day}. "
        "An account or group counts by its most suspicious week."
    )
    out.print("Accounts with open or confirmed findings, and groups with one, are left out.\n")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Limit and tier", no_wrap=True)
    for name in ("Now", "P99.5", "Furthest", "Measured", "Left out", "Proposed"):
        table.add_column(name, justify="right", no_wrap=True)
    before = ""
    for one in result.figures:
        whose = " of groups" if one.of == "group" else ""
        limit = f"{one.rule_id} {one.limit}{whose}{', P0.5' if one.upper else ''}"
        if limit != before:
            table.add_row(limit, style="bold")
        table.add_row(f"  {escape(one.tier)}", *_figures(one))
        before = limit
    out.print(table)
    out.print()
    for line in result.differences or ("No limit needs to be higher: nothing is proposed.",):
        out.print(line, markup=False, soft_wrap=True)
    for piece in result.pieces:
        out.print(f"\n[bold]{piece.file}[/], under [bold]limits:[/]", highlight=False)
        out.print(f"[dim]give the entry of {escape(piece.ends)} an[/] effective_to: {result.effective_from}")
        out.print(piece.text.rstrip(), markup=False, soft_wrap=True)
    for note in (*result.failures, *result.notes):
        err.print(f"[yellow]note[/] {escape(note)}")
    if result.pieces:
        out.print("\nNext   paste the pieces into a copy of the book, then see whom it concerns:", markup=False)
        out.print("       audits backtest --policy DIR --from P --to P", markup=False)


def _figures(one: LimitFigure) -> list[str]:
    from reports.text import short  # noqa: PLC0415

    reached = ("–", "–") if one.percentile is None else (short(one.percentile), short(one.furthest or 0))
    proposed = f"[bold green]{one.proposed:,.10g}[/]" if one.changed else "as it is"
    return [short(one.now), *reached, f"{one.measured:,}", f"{one.left_out:,}", proposed]
