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
    from audits.pipeline import publish  # noqa: PLC0415

    settings, wanted = Settings.from_env(), Period.parse(period)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        run = revision_of(session, wanted, revision)
        if run is None:
            raise AuditsError(
                f"There is no revision {revision} of {wanted}." if revision else f"{wanted} has not been audited.",
                where=f"ledger {settings.ledger_url}",
                fix=f"Run: audits run --period {wanted}",
            )
        run_id = run.id
    manifest = publish(settings, run_id)
    out.print(f"Open   {manifest.parent / 'index.html'}", markup=False, soft_wrap=True)
    out.print(f"Next   audits verify {manifest.parent}", markup=False, soft_wrap=True)


def verify(
    directory: Annotated[
        Path | None, typer.Argument(help="A folder <out>/<period>/r<revision>.", show_default="none")
    ] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Check the ledger of AUDITS_LEDGER_URL.")] = False,
) -> None:
    """Check offline that reports, the ledger or both are as they were sealed.

    A folder is compared with its manifest, file by file; the ledger with the digests of every run, row by row. With
    both, the folder must have been sealed from what the ledger holds; with the ledger alone, every folder of
    AUDITS_OUT.
    """
    problems: list[str] = []
    if directory is None and not ledger:
        raise AuditsError(
            "Nothing was named to verify.",
            where="audits verify",
            fix="Name a folder such as audits-out/2026-10/r1, or give --ledger, or both.",
        )
    if directory is not None:
        from reports import verify as verify_folder  # noqa: PLC0415

        problems += [str(problem) for problem in verify_folder(directory)]
    if ledger:
        problems += _ledger_problems(Settings.from_env(), directory)
    for problem in problems:
        err.print(f"[red]✗[/] {escape(problem)}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    if directory is not None:
        out.print(f"[green]✓[/] {escape(str(directory))}: every file is as it was sealed.", soft_wrap=True)
    if ledger:
        out.print("[green]✓[/] The ledger: every run is as it was recorded.")


def _ledger_problems(settings: Settings, directory: Path | None) -> list[str]:
    from audits.ledger.engine import is_there, open_ledger  # noqa: PLC0415
    from audits.ledger.seal import ledger_differences  # noqa: PLC0415
    from reports import seal_problems, sealed_folders  # noqa: PLC0415

    if not is_there(settings.ledger_url):
        raise AuditsError(
            "There is no ledger to verify.",
            where=f"setting AUDITS_LEDGER_URL: {settings.ledger_url}",
            fix="Name the ledger, or the folder in which it lies as ledger.sqlite with AUDITS_OUT.",
        )
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        found = [str(one) for one in ledger_differences(session.connection())]
        if directory:
            return found + [str(one) for one in seal_problems(session, directory)]
        return found + [
            f"{folder}: {one}" for folder in sealed_folders(settings.out) for one in seal_problems(session, folder)
        ]
