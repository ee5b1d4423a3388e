"""`audits report` renders again from the ledger alone; `audits verify` checks a sealed folder offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from audits.cli.console import err, out, print_found, when_to_audit, whole_number
from audits.errors import AuditsError
from audits.periods import Period
from audits.settings import Settings


def report(
    period: Annotated[str, typer.Option("--period", "-p", help="2026-10-05, 2026-W41, 2026-10 or 2026-Q4")],
    revision: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number("--revision", low=1, example=2),
            help="The revision to render.",
            show_default="newest",
        ),
    ] = None,
) -> None:
    """Render a period's reports again, from the ledger alone; name what was altered, missing or extra before."""
    from audits.ledger import read_ledger  # noqa: PLC0415
    from audits.ledger.record import revision_of  # noqa: PLC0415
    from audits.pipeline import publish  # noqa: PLC0415

    settings, wanted = Settings.from_env(), Period.parse(period)
    with read_ledger(settings.ledger_url) as books, books.session() as session:
        run = revision_of(session, wanted, revision)
        if run is None:
            raise AuditsError(
                f"There is no revision {revision} of {wanted}." if revision else f"{wanted} has not been audited.",
                where=f"ledger {settings.ledger_url}",
                fix=when_to_audit(settings, wanted),
            )
        run_id = run.id
    published = publish(settings, run_id)
    print_found(published.found)
    manifest = published.manifest
    out.print(f"Open   {manifest.parent / 'index.html'}", markup=False, soft_wrap=True)
    out.print(f"Next   audits verify {manifest.parent}", markup=False, soft_wrap=True)


def verify(
    directory: Annotated[
        Path | None,
        typer.Argument(help="The folder of a revision, a period or all reports (AUDITS_OUT).", show_default="none"),
    ] = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Check the ledger of AUDITS_LEDGER_URL.")] = False,
) -> None:
    """Check offline that reports, the ledger or both are as they were sealed.

    Every revision in the folder is compared with its manifest, file by file; the ledger with the digests of every run,
    row by row. With both, the folder must have been sealed from what the ledger holds; with the ledger alone, every
    folder of AUDITS_OUT is checked, and none that was published may be missing. The index over all reports changes with
    every audit, so that no manifest seals it: with the ledger it is rendered again and compared.
    """
    if directory is None and not ledger:
        raise AuditsError(
            "Nothing was named to verify.",
            where="audits verify",
            fix="Name a folder such as audits-out/2026-10/r1, or give --ledger, or both.",
        )
    settings = Settings.from_env()
    folders = _revisions(directory) if directory is not None else _sealed(settings.out)
    found = {str(folder): _problems(folder) for folder in folders}
    if ledger:
        _compare_with_ledger(settings, folders, directory or settings.out, found)
    for name, problems in found.items():
        for problem in problems:
            err.print(f"[red]✗[/] {escape(f'{name}: {problem}')}", soft_wrap=True)
        if not problems:
            what = _WHOLE.get(Path(name).name, "every file is as it was sealed")
            out.print(f"[green]✓[/] {escape(name)}: {what}.", soft_wrap=True)
    if directory is not None and not ledger and _sealed(directory) and (index := directory / INDEX).is_file():
        err.print(
            f"[yellow]note[/] {escape(str(index))} is not sealed and was not checked; --ledger compares it.",
            soft_wrap=True,
        )
    if any(found.values()):
        raise typer.Exit(1)
    if not ledger:
        out.print("[dim]A manifest altered together with its pages is detected only with --ledger.[/]")


_LEDGER, INDEX = "The ledger", "index.html"
_WHOLE = {_LEDGER: "every run is as it was recorded", INDEX: "matches the ledger"}
"""What is said of something that is not a sealed folder and has no problem."""


def _revisions(directory: Path) -> list[Path]:
    from reports import revision_folders  # noqa: PLC0415

    if folders := revision_folders(directory):
        return folders
    raise AuditsError(
        "The folder has no revision of a report." if directory.is_dir() else "There is no such folder.",
        where=str(directory),
        fix="Name the folder of a revision, a period or all reports, such as audits-out/2026-10/r1, audits-out/2026-10 "
        "or audits-out.",
    )


def _problems(folder: Path) -> list[str]:
    from reports import verify as verify_folder  # noqa: PLC0415

    return [str(problem) for problem in verify_folder(folder)]


def _sealed(directory: Path) -> list[Path]:
    from reports import sealed_folders  # noqa: PLC0415

    return sealed_folders(directory)


def _compare_with_ledger(settings: Settings, folders: list[Path], directory: Path, found: dict[str, list[str]]) -> None:
    """Add what differs in the ledger, between it and each folder or the index, and the reports that are gone."""
    from audits.ledger import read_ledger  # noqa: PLC0415
    from audits.ledger.seal import ledger_differences  # noqa: PLC0415
    from reports import index_problems, missing_reports, seal_problems  # noqa: PLC0415

    with read_ledger(settings.ledger_url) as books, books.session() as session:
        for folder in folders:
            found[str(folder)] += [str(one) for one in seal_problems(session, folder)]
        found |= {f"{settings.out}/{one.path}": [one.what] for one in missing_reports(session, settings.out, directory)}
        differences = [str(one) for one in ledger_differences(session.connection())]
        if _sealed(directory):
            found[str(directory / INDEX)] = (
                ["was not compared: the ledger is not what was recorded"]
                if differences
                else index_problems(session, directory)
            )
        found[_LEDGER] = differences
