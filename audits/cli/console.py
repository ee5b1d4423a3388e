"""What the commands share in speaking to a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from audits.errors import AuditsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audits.pipeline import Outcome
    from audits.settings import Settings

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

MARKS = {"low": "○", "medium": "▲", "high": "■", "critical": "◆"}
COLOURS = {"low": "dim", "medium": "yellow", "high": "red", "critical": "bold red"}


class Format(StrEnum):
    """How a command prints what it found."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def clock(text: str | None = None) -> datetime:
    """The instant that the stages are told is now; the command line is where the clock is read."""
    if not text:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise AuditsError(
            f"{text!r} is not an instant.", where="--now", fix="Write 2026-11-04 or 2026-11-04T06:00+00:00."
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show the stage that is under way, on standard error; yields the function that stages tell it to."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("Starting", total=None)

        def tell(message: str) -> None:
            bar.update(task, description=escape(message))
            if not err.is_terminal:
                err.print(message, markup=False)

        yield tell


def print_outcomes(settings: Settings, outcomes: Sequence[Outcome]) -> None:
    """A summary of audited periods: what was audited, what was found, what to open."""
    from audits.ledger import open_ledger  # noqa: PLC0415
    from audits.ledger.summary import summarise  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Period", no_wrap=True)
    table.add_column("Tier")
    for name in ("Customers", "Checks", "Unjudged"):
        table.add_column(name, justify="right", no_wrap=True)
    for severity, mark in reversed(MARKS.items()):
        table.add_column(mark, justify="right", style=COLOURS[severity], no_wrap=True)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        for outcome in outcomes:
            for number, row in enumerate(summarise(session, outcome.run_id)):
                table.add_row(
                    f"{outcome.period} r{outcome.revision}" if number == 0 else "",
                    escape(row.tier),
                    f"{row.customers:,}",
                    f"{row.planned:,}",
                    f"{row.indeterminate:,}",
                    *(str(row.severities.get(severity, 0)) for severity in reversed(MARKS)),
                )
    out.print(table)
    out.print("   ".join(f"[{COLOURS[name]}]{mark}[/] {name}" for name, mark in reversed(MARKS.items())), style="dim")
    for outcome in outcomes:
        for note in outcome.notes:
            err.print(f"[yellow]note[/] {escape(f'{outcome.period}: {note}')}")
