"""`audits demo`: a sample warehouse, one audited month, its reports, and where to look."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from audits.cli.console import err, out, print_outcomes, progress
from audits.periods import Period
from audits.settings import Settings

PERIOD = Period.parse("2026-10")
NOW = datetime(2026, 11, 4, 6, tzinfo=UTC)  # the demo is told its time, so that it comes out the same every day


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where the sample and its reports go.")] = Path("audits-demo"),
) -> None:
    """Make a sample warehouse, audit its last full month and show where to look. Takes about a minute."""
    from audits.ledger import open_ledger  # noqa: PLC0415
    from audits.ledger.summary import example_customer  # noqa: PLC0415
    from audits.pipeline import audit  # noqa: PLC0415
    from audits.proving.world import DEMO, build_world  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    sample = (folder / "warehouse.duckdb").absolute()
    settings = Settings(
        warehouse_url=f"duckdb:///{sample}",
        ledger_url=f"sqlite:///{(folder / 'ledger.sqlite').absolute()}",
        out=folder.absolute(),
    )
    with progress() as tell:
        tell("Making a sample warehouse")
        build_world(DEMO, sample, lambda stage, _share: tell(f"Making a sample warehouse: {stage}"))
        outcome = audit(settings, PERIOD, now=NOW, tell=tell)
    print_outcomes(settings, [outcome])
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        customer = example_customer(session, outcome.run_id)
    out.print(f"\nOpen   {outcome.folder / 'index.html'}", markup=False, soft_wrap=True)
    out.print("\nThen try")
    out.print(
        f"  export AUDITS_WAREHOUSE_URL={settings.warehouse_url} AUDITS_OUT={settings.out}",
        markup=False,
        soft_wrap=True,
    )
    for command in (
        f"audits findings --period {PERIOD}",
        f"audits standing {customer}",
        f"audits backfill --from {PERIOD.previous} --to {PERIOD}",
    ):
        out.print(f"  {command}", markup=False)
    if outcome.status != "complete":
        err.print("[yellow]The audit is partial; the notes above say what is missing.[/]")
        raise typer.Exit(1)
