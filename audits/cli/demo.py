"""`audits demo`: a sample warehouse, three audited months, their reports, and where to look."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from audits.cli.console import err, out, print_outcomes, progress
from audits.errors import AuditsError
from audits.periods import Period, between
from audits.settings import Settings, require_folder

PERIOD = Period.parse("2026-10")
MONTHS = between(Period.parse("2026-08"), PERIOD)
MARK = ".audits-demo"
"""The file that tells a folder of the demo, whose warehouse is made anew, from anybody's."""
NOW = datetime(2026, 11, 4, 6, tzinfo=UTC)  # the demo is told its time, so that it comes out the same every day


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where the sample and its reports go.")] = Path("audits-demo"),
) -> None:
    """Make a sample warehouse, audit its three months and show where to look. Takes a few minutes."""
    from audits.ledger import open_ledger  # noqa: PLC0415
    from audits.ledger.summary import example_customer  # noqa: PLC0415
    from audits.pipeline import audit  # noqa: PLC0415
    from audits.proving.world import DEMO, build_world  # noqa: PLC0415

    require_folder(folder, "--out")
    sample, mark = (folder / "warehouse.duckdb").absolute(), folder / MARK
    if sample.exists() and not mark.exists():
        raise AuditsError(
            "The folder holds a warehouse that the demo did not make.",
            where=str(sample),
            fix="Name another folder with --out; if an earlier demo's files may go, delete the folder first.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    settings = Settings(
        warehouse_url=f"duckdb:///{sample}",
        ledger_url=f"sqlite:///{(folder / 'ledger.sqlite').absolute()}",
        out=folder.absolute(),
    )
    with progress() as tell:
        build_world(DEMO, sample, lambda _stage, share: tell(f"Making a sample warehouse: {share:.0%}"))
        outcomes = [
            audit(settings, month, now=NOW, tell=lambda stage, month=month: tell(f"{month}: {stage}"))  # type: ignore[misc]
            for month in MONTHS
        ]
    outcome = outcomes[-1]
    print_outcomes(settings, outcomes)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        customer = example_customer(session, outcome.run_id)
    out.print(f"\nOpen   {settings.out / 'index.html'}", markup=False, soft_wrap=True)
    out.print("\nThen try")
    out.print(
        f"  export AUDITS_WAREHOUSE_URL={settings.warehouse_url} AUDITS_OUT={settings.out}",
        markup=False,
        soft_wrap=True,
    )
    for command in (
        f"audits findings --period {PERIOD}",
        f"audits standing {customer}",
        f"audits standing {customer} --at {PERIOD.previous.last_day}",
        f"audits backtest --rule R01 --set build.requests_a_day=400 --from {MONTHS[0]} --to {PERIOD}",
    ):
        out.print(f"  {command}", markup=False, soft_wrap=True)
    if outcome.status != "complete":
        err.print("[yellow]The audit is partial; the notes above say what is missing.[/]")
        raise typer.Exit(1)
