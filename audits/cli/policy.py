"""``audits policy``: check, show, compare, copy and calibrate the policy book. Only calibrating needs a database."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audits.cli.calibrate import calibrate
from audits.cli.console import Format, clock
from audits.errors import AuditsError
from audits.policy import Book, ShownRow, init_book, json_schema, policy_diff, policy_show

app = typer.Typer(no_args_is_help=True)
app.command()(calibrate)
_out = Console(highlight=False)

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
    _out.print(
        f"[green]✓[/] {escape(book.title)}: {len(book.rules)} rules, {len(book.tiers)} tiers, "
        f"{len(book.exceptions)} exceptions, {len(book.subscriptions)} subscriptions."
    )
    _out.print(f"  {book.digest}", soft_wrap=True)


@app.command()
def show(
    tier: Annotated[str, typer.Option(help="A tier of the book.")],
    at: Annotated[str, typer.Option(help="The UTC day, such as 2026-10-01; without it, today.")] = "",
    rule: Annotated[str | None, typer.Option(help="Only this rule, such as R05.")] = None,
    book: _Book = None,
    format_: Annotated[Format, typer.Option("--format", help="table, json or jsonl.")] = Format.table,
) -> None:
    """Print what was in force for a tier on a day: limits, entitlements, clauses, settings."""
    day = clock(at).date()
    rows = policy_show(_load(book), day, tier, rule)
    match format_:
        case Format.table:
            _table(rows, f"In force on {day} for tier {tier}")
        case Format.json:
            typer.echo(json.dumps([asdict(row) for row in rows], default=str, indent=2, ensure_ascii=False))
        case Format.jsonl:
            for row in rows:
                typer.echo(json.dumps(asdict(row), default=str, ensure_ascii=False))
        case Format.csv:
            raise AuditsError("What is in force is not printed as csv.", where="--format csv", fix="Use --format json.")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Folder of one book; 'shipped' for the shipped one.")],
    after: Annotated[Path, typer.Argument(help="Folder of the other.")],
) -> None:
    """Say in words what changed from one book to another."""
    sentences = policy_diff(*(_load(None if str(folder) == "shipped" else folder) for folder in (before, after)))
    for sentence in sentences or ["Nothing that is in force differs."]:
        typer.echo(sentence)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Copy the shipped book out, as the start of your own."""
    files = init_book(folder)
    _out.print(f"{len(files)} files in {escape(str(folder))}. Begin with book.yaml, tiers.yaml and clauses/.")
    _out.print(f"Then: audits policy check {escape(str(folder))}, and export AUDITS_POLICY={escape(str(folder))}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the book's files, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _load(folder: Path | None) -> Book:
    from audits.rules.catalogue import load_law  # noqa: PLC0415 - keeps other commands quick

    return load_law(folder)[0]


def _table(rows: list[ShownRow], title: str) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold")
    table.add_column("Subject", no_wrap=True)
    table.add_column("Name")
    table.add_column("Value")
    table.add_column("In force", no_wrap=True, style="dim")
    table.add_column("Why", ratio=1, style="dim")
    before, reason = "", ""
    for row in rows:
        held = f"{row.from_day} to {row.to_day}" if row.to_day else f"{row.from_day} on"
        subject = "" if row.subject == before else row.subject
        why = "" if row.why == reason else row.why
        table.add_row(escape(subject), escape(row.name), escape(row.value), held, escape(why))
        before, reason = row.subject, row.why
    _out.print(table)
