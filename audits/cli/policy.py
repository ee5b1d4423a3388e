"""``audits policy``: check, show, compare, copy and calibrate the policy book. Only calibrating needs a database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.calibrate import calibrate
from audits.cli.console import Format, clock, format_option, one_of, out
from audits.display import json_text, visible
from audits.policy import Book, ShownRow, init_book, json_schema, policy_diff, policy_show
from audits.policy.show import PARTS

app = typer.Typer(no_args_is_help=True)
app.command()(calibrate)

_Book = Annotated[
    Path | None,
    typer.Option("--book", envvar="AUDITS_POLICY", help="Folder of the book; without it, the shipped one."),
]


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(envvar="AUDITS_POLICY", help="Folder of the book; without it, the shipped one.")
    ] = None,
) -> None:
    """Read a book and name everything that is wrong in it."""
    book = _load(folder)
    out.print(
        f"[green]✓[/] {escape(book.title)}: {len(book.rules)} rules, {len(book.tiers)} tiers, "
        f"{len(book.exceptions)} exceptions, {len(book.subscriptions)} subscriptions."
    )
    out.print(f"  {book.digest}", soft_wrap=True)


@app.command()
def show(
    tier: Annotated[str | None, typer.Option(help="Only what is in force for this tier.")] = None,
    at: Annotated[str | None, typer.Option(help="The UTC day, such as 2026-10-01; without it, today.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule, such as R05.")] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="PART", parser=one_of("part", PARTS, "--only"), help=f"Only {', '.join(PARTS)}."),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Add the reason for every value; always there with --rule.")
    ] = False,
    book: _Book = None,
    form: Annotated[Format, format_option(Format.table, Format.json, Format.jsonl)] = Format.table,
) -> None:
    """Print what was in force on a day: limits, entitlements, clauses, standing, settings.

    What holds for every tier comes first, then what each tier has of its own; with --tier, all that holds for it.

    In a terminal a table longer than the screen opens in the pager (PAGER, or less).
    """
    from audits.rules.engine.loading import load_law  # noqa: PLC0415 - keeps other commands quick

    day = clock(at, "--at").date()
    law, rules = load_law(book)
    tiers = [tier] if tier is not None else [one.id for one in law.tiers]
    rows = {one: policy_show(law, day, one, rule, only) for one in tiers}
    told = [{"tier": one, **asdict(row)} for one in tiers for row in rows[one]]
    match form:
        case Format.json:
            typer.echo(json_text(told, default=str, indent=2))
        case Format.jsonl:
            for line in told:
                typer.echo(json_text(line, default=str))
        case _:
            titles = {rule_id: f"{rule_id} {one.spec.title}" for rule_id, one in rules.items()}
            parts = _by_tier(rows) if tier is None else [(f"for tier {tier}", rows[tier])]
            tables = [
                _table(its, titles, f"In force on {day} {whose}", reasons=why or rule is not None)
                for whose, its in parts
                if its
            ]
            _print_tables(tables, sum(len(its) for _, its in parts))


def _by_tier(rows: Mapping[str, list[ShownRow]]) -> list[tuple[str, list[ShownRow]]]:
    """What holds for every tier, then what each has of its own."""
    first, *others = rows.values()
    common = [row for row in first if all(row in its for its in others)]
    own = [(f"for tier {tier}", [row for row in its if row not in common]) for tier, its in rows.items()]
    return [("for every tier", common), *own]


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Folder of one book; 'shipped' for the shipped one.")],
    after: Annotated[Path, typer.Argument(help="Folder of the other.")],
) -> None:
    """Say in words what changed from one book to another."""
    sentences = policy_diff(*(_load(None if str(folder) == "shipped" else folder) for folder in (before, after)))
    for sentence in sentences or ["Nothing that is in force differs."]:
        typer.echo(visible(sentence))


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Copy the shipped book out, as the start of your own."""
    files = init_book(folder)
    out.print(f"{len(files)} files in {escape(str(folder))}. Begin with book.yaml, tiers.yaml and clauses/.")
    out.print(f"Then: audits policy check {escape(str(folder))}, and export AUDITS_POLICY={escape(str(folder))}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the book's files, for editors."""
    typer.echo(json_text(json_schema(), indent=2))


def _table(rows: list[ShownRow], titles: Mapping[str, str], heading: str, *, reasons: bool) -> Table:
    table = Table(
        title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold"
    )
    table.add_column("Name", overflow="fold")
    table.add_column("Value", overflow="fold")
    table.add_column("In force", no_wrap=True, style="dim")
    if reasons:
        table.add_column("Why", ratio=1, style="dim", overflow="fold")
    subject = ""
    for row in rows:
        if row.subject != subject:
            table.add_row(f"[bold]{escape(titles.get(row.subject, row.subject.capitalize()))}[/]")
            subject = row.subject
        held = f"{row.from_day} to {row.to_day}" if row.to_day else f"{row.from_day} on"
        table.add_row(f"  {escape(row.name)}", escape(row.value), held, *((escape(row.why),) if reasons else ()))
    return table


def _print_tables(tables: list[Table], n_rows: int) -> None:
    if out.is_terminal and n_rows > out.height:
        os.environ.setdefault("LESS", "-RFX")
        with out.pager(styles=True):
            out.print(*tables, sep="\n")
    else:
        out.print(*tables, sep="\n")


def _load(folder: Path | None) -> Book:
    from audits.rules.engine.loading import load_law  # noqa: PLC0415 - keeps other commands quick

    return load_law(folder)[0]
