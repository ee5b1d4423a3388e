"""What a weekly audit of 30,000 accounts costs from fresh rollups: rules, verdicts and recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from audits import pipeline
from audits.periods import Period
from audits.settings import Settings
from tests.benchmarks.volume import build

ACCOUNTS = 30_000


def weekly(folder: Path, events: int, peak_gib: Callable[[], float]) -> None:
    """Evaluate and record one week; the wall-clock time is printed beside the CPU time, which load does not move."""
    file, period = folder / "weekly.duckdb", Period.parse("2026-W42")
    build(file, events, accounts=ACCOUNTS)
    settings = Settings(f"duckdb:///{file}", f"sqlite:///{folder / 'weekly.sqlite'}", folder / "weekly")
    now = period.end + timedelta(days=5)
    pipeline.prepare(settings, period, now=now)
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline.evaluate(settings, period, now=now)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"weekly audit of {ACCOUNTS:,} accounts from fresh rollups: {wall:.1f} s ({cpu:.1f} s of CPU); "
          f"peak memory {peak_gib():.2f} GiB")  # fmt: skip
