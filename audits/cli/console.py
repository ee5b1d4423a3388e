"""What the commands share in speaking to a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table

from audits.display import visible, without_passwords
from audits.errors import AuditsError, unknown

if TYPE_CHECKING:
    from audits.periods import Period
    from audits.pipeline import Outcome
    from audits.settings import Settings


class SafeConsole(Console):
    """A console on which no foreign text can move the cursor, change colours, turn text around or show a password.

    Layout is done before: text that is known to be foreign is better passed through :func:`audits.display.visible`
    where it is put together, so that its width is right.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is printed, those of text made safe."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(without_passwords(text), keep="\n"), style)


out = SafeConsole(highlight=False)
err = SafeConsole(stderr=True, highlight=False)

MARKS = {"low": "○", "medium": "▲", "high": "■", "critical": "◆"}
COLOURS = {"low": "dim", "medium": "yellow", "high": "red", "critical": "bold red"}


class Format(StrEnum):
    """How a command prints what it found."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


PERIOD_HELP = "2026-10-05, 2026-W41, 2026-10 or 2026-Q4"


def one_of(kind: str, names: Sequence[str], option: str) -> Callable[[str], str]:
    """A parser for an option that takes one of some names; another name is refused with the one most likely meant."""

    def parse(text: str) -> str:
        if text not in names:
            raise unknown(kind, text, names, where=f"{option} {text}")
        return text

    return parse


LARGEST = 2**31 - 1
"""The largest whole number that every database takes as one."""


def whole_number(option: str, *, low: int, example: int) -> Callable[[str], int]:
    """A parser for an option that takes a whole number from ``low`` on."""

    def parse(text: str) -> int:
        try:
            number = int(str(text))
        except ValueError:
            number = low - 1
        if not low <= number <= LARGEST:
            raise AuditsError(
                f"{str(text)!r} is not a whole number from {low:,} to {LARGEST:,}.",
                where=f"{option} {text}",
                fix=f"Write it in digits, such as {option} {example}.",
            )
        return number

    return parse


def a_day(text: str | None, option: str) -> date | None:
    """The day that an option names, or None where it was not given."""
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError as error:
        raise AuditsError(f"{text!r} is not a day.", where=f"{option} {text}", fix="Write it as 2026-10-31.") from error


def format_option(*allowed: Format, note: str = "") -> Any:
    """The ``--format`` option of a command that can print in these formats."""
    names = [form.value for form in allowed]
    parse = one_of("format", names, "--format")
    return typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        parser=lambda text: Format(parse(str(text))),
        help=f"{', '.join(names)}.{f' {note}' if note else ''}",
    )


def clock(text: str | None = None, option: str = "--now") -> datetime:
    """The instant that the stages take as now: that of an option, or the clock's, which only the command line reads."""
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise AuditsError(
            f"{text!r} is not a time.",
            where=f"{option} {text}",
            fix="Write a day or an instant: 2026-11-04 or 2026-11-04T06:00+00:00.",
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


def when_to_audit(settings: Settings, period: Period) -> str:
    """The command that audits a period, or the day from which it can be audited."""
    from audits.pipeline import auditable_from  # noqa: PLC0415

    closes = auditable_from(settings, period)
    command = f"audits run --period {period}"
    return f"Run: {command}" if clock() >= closes else f"From {closes:%Y-%m-%d} on, run: {command}"


def nothing_evaluated(period: Period, tier: str) -> str:
    """What is said of a tier in which no rule judged anybody, and how to learn why."""
    return f"Nothing was evaluated for tier {tier} in {period}. Why: audits coverage --period {period}"


def print_outcomes(settings: Settings, outcomes: Sequence[Outcome]) -> None:
    """A summary of audited periods: what was audited, what was found, what to open."""
    from audits.ledger import open_ledger  # noqa: PLC0415
    from audits.ledger.summary import summarise  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Period", no_wrap=True)
    table.add_column("Tier")
    for name in ("Customers", "Checks", "Not evaluated"):
        table.add_column(name, justify="right", no_wrap=True)
    for severity, mark in reversed(MARKS.items()):
        table.add_column(mark, justify="right", style=COLOURS[severity], no_wrap=True)
    unevaluated: list[str] = []
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        for outcome in outcomes:
            for number, row in enumerate(summarise(session, outcome.run_id)):
                nothing = row.checks.none_evaluated and not row.severities
                if nothing:
                    unevaluated.append(nothing_evaluated(outcome.period, row.tier))
                table.add_row(
                    f"{outcome.period} r{outcome.revision}" if number == 0 else "",
                    escape(visible(row.tier)),
                    f"{row.customers:,}",
                    f"{row.checks.planned:,}",
                    f"{row.checks.not_evaluated + row.checks.errored:,}",
                    *("–" if nothing else str(row.severities.get(severity, 0)) for severity in reversed(MARKS)),
                )
    out.print(table)
    out.print("   ".join(f"[{COLOURS[name]}]{mark}[/] {name}" for name, mark in reversed(MARKS.items())), style="dim")
    for words in unevaluated:
        out.print(words, markup=False)
    for outcome in outcomes:
        for note in outcome.notes:
            err.print(f"[yellow]note[/] {escape(f'{outcome.period}: {note}')}")
        print_found(outcome.found)


def print_found(found: Iterable[str]) -> None:
    """Say what was altered, missing or extra in sealed reports, and what was done about it."""
    for one in found:
        err.print(f"[yellow]note[/] {escape(one)}", soft_wrap=True)
