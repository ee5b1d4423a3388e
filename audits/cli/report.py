"""`audits report` renders again from the ledger alone; `audits verify` checks a sealed folder offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from audits.cli.console import err, out
from audits.errors import AuditsError
from audits.periods import Period
from audits.settings import Settings


def report(
    period: Annotated[str, typer.Option("--period", "-p", help="2026-10-05, 2026-W41, 2026-10 or 2026-Q4")],
    revision: Annotated[int | None, typer.Option(min=1, help="The revision to render.", show_default="newest")] = None,
) -> None:
    """Render a period's reports again, from the ledger alone."""
    from audits.ledger import open_ledger  # noqa: PLC0415
    from audits.ledger.record import revision_of  # noqa: PLC0415
    from audits.pipeline import publish, render  # noqa: PLC0415

    settings, wanted = Settings.from_env(), Period.parse(period)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        run = revision_of(session, wanted, revision)
        if run is None:
            raise AuditsError(
                f"There is no revision {revision} of {wanted}." if revision else f"{wanted} has not been audited.",
                where=f"ledger {settings.ledger_url}",
                fix=f"Run: audits run --period {wanted}",
            )
        run_id, tiers = run.id, list(run.tiers)
    for tier in tiers:
        render(settings, run_id, tier)
    manifest = publish(settings, run_id)
    out.print(f"Open   {manifest.parent / 'index.html'}", markup=False, soft_wrap=True)
    out.print(f"Next   audits verify {manifest.parent}", markup=False, soft_wrap=True)


def verify(directory: Annotated[Path, typer.Argument(help="A folder <out>/<period>/r<revision>.")]) -> None:
    """Check offline that a report folder is whole and unchanged: every file against the manifest."""
    from reports import verify as verify_folder  # noqa: PLC0415

    problems = verify_folder(directory)
    for problem in problems:
        err.print(f"[red]✗[/] {escape(str(problem))}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    out.print(f"[green]✓[/] {escape(str(directory))}: every file is as it was sealed.", soft_wrap=True)
