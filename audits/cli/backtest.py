"""`audits backtest`: what another limit, or another policy book, would have done to past periods."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from audits.cli.console import COLOURS, MARKS, Format, err, format_option, out, progress
from audits.display import json_text, visible
from audits.errors import AuditsError
from audits.periods import Period, between
from audits.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audits.backtest import BackTest, Change, Concerned, Counts

_EXAMPLES = 5  # of each kind of change; the page and the JSON have more
_DIFFERENCES = 12  # between two books
_HEADINGS = {
    "gained": "Would gain a finding", "lost": "Would lose a finding",
    "raised": "Would become more severe", "lowered": "Would become less severe",
}  # fmt: skip


def backtest(
    first: Annotated[str, typer.Option("--from", help="The first period, such as 2026-08.")],
    last: Annotated[str, typer.Option("--to", help="The last period, such as 2026-10.")],
    rule: Annotated[str | None, typer.Option("--rule", help="A rule, such as R01.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Another limit; TIER.NAME=VALUE for one tier. May be repeated."
        ),
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Folder of the proposed policy book.")] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Write backtest.html and backtest.json there.")] = None,
    form: Annotated[Format, format_option(Format.table, Format.json)] = Format.table,
) -> None:
    """Say who would gain or lose findings, or see another severity, under other limits or another policy book.

    The periods must have been audited: their rollups and groups are read, and nothing is recorded. Exit code 1 where a
    rule failed, so that not everything could be compared.
    """
    from audits.backtest import propose_book, propose_limits, run_backtest  # noqa: PLC0415 - keeps `--help` quick
    from audits.warehouse import warehouse  # noqa: PLC0415
    from reports import write_backtest  # noqa: PLC0415

    where = Settings.from_env()
    periods = between(Period.parse(first), Period.parse(last))
    if policy is not None and settings:
        raise AuditsError(
            "Limits are set one by one, or by a whole book, not both.",
            where="--set and --policy",
            fix="Write the limit into the book, or leave --policy out.",
        )
    if policy is not None:
        proposal = propose_book(where.policy, policy, rule)
    elif rule is not None:
        proposal = propose_limits(where.policy, rule, settings or ())
    else:
        raise AuditsError(
            "Nothing is proposed.", where="--rule or --policy", fix="Give --rule R01 --set NAME=VALUE, or --policy DIR."
        )
    with progress() as tell, warehouse(where.warehouse_url, where.rollups_url) as source:
        result = run_backtest(source, proposal, periods, tell)
    files = write_backtest(result, folder) if folder else ()
    if form is Format.json:
        sys.stdout.write(json_text(result.as_json(), indent=2) + "\n")
    else:
        _print(result)
        for file in files:
            out.print(f"Open   {file}", markup=False, soft_wrap=True)
        if not files:
            out.print("Next   the same with --out DIR writes it as a page, with every change", markup=False)
    if result.partial:
        err.print("[yellow]A rule failed, so that not everything could be compared; see above.[/]")
        raise typer.Exit(1)


def _print(result: BackTest) -> None:
    for line in result.proposal[:_DIFFERENCES]:
        out.print(f"  {line}", markup=False, soft_wrap=True)
    if len(result.proposal) > _DIFFERENCES:
        out.print(f"  and {len(result.proposal) - _DIFFERENCES} more differences", markup=False)
    out.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Tier", no_wrap=True)
    with_severity = bool(result.counts.raised or result.counts.lowered)
    for name in (
        "Customers",
        "Findings",
        "Gained",
        "Lost",
        *(("More\nsevere", "Less\nsevere") if with_severity else ()),
        "Affected",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Share", justify="right", no_wrap=True)
    for tier in result.tiers:
        table.add_row(escape(tier.tier), *_figures(tier.counts, tier.concerned, with_severity))
    if len(result.tiers) > 1:
        table.add_row("All", *_figures(result.counts, result.concerned, with_severity), style="bold")
    out.print(table)
    if not result.judged:
        err.print("[yellow]note[/] no customer could be evaluated in these periods: `audits coverage` says why")
    for kind, heading in _HEADINGS.items():
        _examples([one for one in result.changes if one.kind == kind], heading)
    out.print()
    for rule in result.rules:
        if rule.stopped:
            held = f"{rule.rule_id} would find more of the population than its breaker_share allows"
            err.print(f"[yellow]note[/] {held}: held back in {escape(', '.join(rule.stopped))}")
        for failed in rule.errors:
            err.print(f"[yellow]note[/] {rule.rule_id} {escape(failed)}")
    for note in result.notes:
        err.print(f"[yellow]note[/] {escape(note)}")


def _figures(counts: Counts, people: Concerned, with_severity: bool) -> list[str]:
    from reports.text import share  # noqa: PLC0415

    return [
        f"{people.customers:,}",
        f"{counts.before:,} → {counts.after:,}",
        f"+{counts.gained:,}" if counts.gained else "0",
        f"-{counts.lost:,}" if counts.lost else "0",
        *((f"{counts.raised:,}", f"{counts.lowered:,}") if with_severity else ()),
        f"{people.before:,} → {people.after:,}",
        f"{share(people.before, people.customers)} → {share(people.after, people.customers)}",
    ]


def _examples(changes: Sequence[Change], heading: str) -> None:
    if not changes:
        return
    from reports.wording import subject_of  # noqa: PLC0415

    out.print(f"\n[bold]{heading}[/]")
    for one in changes[:_EXAMPLES]:
        mark = f"[{COLOURS[one.severity]}]{MARKS[one.severity]} {one.severity}[/]"
        name = escape(visible(subject_of(one.subject_type, one.subject_id, one.customers)))
        before = f", {one.severity_before} now" if one.severity_before and one.severity_after else ""
        out.print(f"{mark}{before} [bold]{name}[/] [dim]{escape(one.tier)}, {', '.join(one.periods)}[/]")
        out.print(Padding(f"{one.rule_id}: {escape(visible(one.summary))}", (0, 0, 0, 4)))
    if len(changes) > _EXAMPLES:
        out.print(f"and {len(changes) - _EXAMPLES:,} more", style="dim")
