"""`audits doctor`: can this warehouse be audited, and if not, what is to be done?"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import clock, err, out
from audits.settings import Settings

if TYPE_CHECKING:
    from audits.warehouse.fit import Problem

STYLES = {"error": ("■", "red"), "not recorded": ("○", "dim"), "advice": ("▲", "yellow")}


def doctor(
    now: Annotated[
        str | None, typer.Option(help="Check as if it were this instant (UTC).", show_default="the clock")
    ] = None,
) -> None:
    """Check the warehouse: connection, tables, columns, types, time zone and rights. Nothing is written.

    Exit code 0 where audits can run, 1 where something must be put right first, 2 where the warehouse does not open.
    What is merely not recorded is listed with the rules that cannot judge without it.
    """
    from audits.warehouse.check import check  # noqa: PLC0415 - keeps `audits --help` quick

    settings = Settings.from_env()
    problems = check(settings.warehouse_url, settings.rollups_url, now=clock(now))
    if problems:
        out.print(_table(problems))
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        err.print(f"\n[red]{errors} of these must be put right before anything can be audited.[/]")
        err.print("Next   put them right, then: audits doctor")
        raise typer.Exit(1)
    out.print("[green]●[/] The warehouse can be audited.")
    out.print("Next   audits run --period 2026-10 (a day, an ISO week, a month or a quarter)", markup=False)


def _table(problems: tuple[Problem, ...]) -> Table:
    waiting = _rules_that_need()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    table.add_column("", no_wrap=True)
    table.add_column("Where", overflow="fold")
    table.add_column("What, and what to do", overflow="fold", ratio=1)
    for problem in problems:
        mark, colour = STYLES[problem.severity]
        lines = [escape(_sentence(problem.what))]
        if problem.severity == "not recorded" and (rules := waiting[problem.where]):
            lines[0] += f" Not judgeable without it: {', '.join(sorted(rules))}."
        lines.append(f"[dim]{escape(_sentence(problem.fix))}[/]")
        table.add_row(f"[{colour}]{mark} {problem.severity}[/]", escape(problem.where), "\n".join(lines))
    return table


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rules_that_need() -> dict[str, set[str]]:
    """Contract table, or usage_events.column -> the rules that declare it as needed."""
    from audits.rules.catalogue import load_rules  # noqa: PLC0415

    needed: dict[str, set[str]] = defaultdict(set)
    for rule_id, rule in load_rules().items():
        for name in (*rule.spec.needs.tables, *(f"usage_events.{column}" for column in rule.spec.needs.columns)):
            needed[name].add(rule_id)
    return needed
