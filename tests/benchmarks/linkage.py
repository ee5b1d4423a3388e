"""What linking costs on a large population."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import and_, func, select

from audits.linkage import LinkReport, link
from audits.linkage.sightings import shared_values, sightings
from audits.periods import Period
from audits.warehouse import warehouse
from tests.benchmarks import population

Timed = Callable[[Callable[[], object]], float]


def linkage(folder: Path, accounts: int, timed: Timed, peak_gib: Callable[[], float]) -> None:
    """Linking a large population whose rollups are there already."""
    file = folder / "population.duckdb"
    population.build(file, accounts)
    week = Period.parse("2026-W41")
    with warehouse(f"duckdb:///{file}", write=True) as opened:
        reports: list[LinkReport] = []
        before = time.process_time()
        whole = timed(lambda: reports.append(link(opened, week)))
        work = time.process_time() - before
        again = timed(lambda: reports.append(link(opened, week)))
        with opened.begin() as connection:
            shared = select(func.count()).select_from(sightings.join(shared_values, and_(
                sightings.c.kind == shared_values.c.kind, sightings.c.value == shared_values.c.value)))  # fmt: skip
            edges = connection.scalar(shared)
    found = reports[0]
    print(f"linking {found.accounts:,} accounts with {edges:,} candidate edges: {whole:.1f} s")
    print(f"{work:.1f} s of processor time; unchanged {again:.2f} s")
    print(f"{found.groups:,} groups of {found.members:,} accounts; peak memory {peak_gib():.2f} GiB")
