"""Measure and print. Each figure is a ratio or bound from one run on this machine; nothing here asserts a time."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Date, cast, func, select

from audits import pipeline
from audits.backtest import propose_limits, run_backtest
from audits.periods import Period, between
from audits.quality.quarantine import find_duplicates
from audits.rollups import refresh
from audits.settings import Settings
from audits.warehouse import warehouse
from audits.warehouse.tables import usage_events
from tests.benchmarks.linkage import linkage
from tests.benchmarks.rules import rules
from tests.benchmarks.volume import build
from tests.benchmarks.weekly import weekly

OCTOBER = Period.parse("2026-10")
E = usage_events.c
DAY = cast(E.event_ts, Date)
BASE = select(E.account_id, DAY, func.count(), func.sum(E.output_tokens)).group_by(E.account_id, DAY)


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gib() -> float:
    """Peak resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def rollups(folder: Path, events: int) -> None:
    """Rolling up a month against the one query of accounts and days over the same rows.

    As in a run the quality gate comes first, whose search for duplicates the rollup relies on; both are shown.
    """
    file = folder / "volume.duckdb"
    build(file, events, accounts=5_000)
    with warehouse(f"duckdb:///{file}", write=True) as opened:

        def simple() -> None:
            with opened.begin() as connection:
                connection.execute(BASE).fetchall()

        def search() -> None:
            with opened.begin() as connection:
                find_duplicates(connection, date(2026, 10, 1), date(2026, 10, 31))

        base = min(timed(simple) for _ in range(3))
        searched = timed(search)
        whole = timed(lambda: refresh(opened, date(2026, 10, 1), date(2026, 10, 31)))
        nothing = timed(lambda: refresh(opened, date(2026, 10, 1), date(2026, 10, 31)))
    print(f"rollup of {events:,} events: {whole:.2f} s, simple query {base:.2f} s, ratio {whole / base:.1f}; with the "
          f"search for duplicates before it ({searched:.2f} s) {(whole + searched) / base:.1f}")  # fmt: skip
    print(f"refresh with nothing to do: {nothing:.2f} s; peak memory {peak_gib():.2f} GiB")


def month(folder: Path, events: int) -> None:
    """Auditing a month of 5,000 accounts from finished rollups, and again with nothing changed."""
    file = folder / "month.duckdb"
    build(file, events, accounts=5_000)
    settings = Settings(f"duckdb:///{file}", f"sqlite:///{folder / 'ledger.sqlite'}", folder / "out")
    now = OCTOBER.end + timedelta(days=5)
    prepared = timed(lambda: pipeline.prepare(settings, OCTOBER, now=now))
    first = timed(lambda: pipeline.audit(settings, OCTOBER, now=now))
    second = timed(lambda: pipeline.audit(settings, OCTOBER, now=datetime(2026, 12, 1, tzinfo=UTC)))
    print(f"preparing a month of {events:,} events: {prepared:.2f} s")
    print(f"rules, ledger and reports of 5,000 accounts: {first:.2f} s; again, unchanged: {second:.2f} s "
          f"(ratio {second / first:.2f}); peak memory {peak_gib():.2f} GiB")  # fmt: skip


def backtest(folder: Path, events: int) -> None:
    """Back-testing ten periods against one, by one rule over accounts and one over prompts."""
    file = folder / "backtest.duckdb"
    build(file, events, accounts=5_000)
    settings = Settings(f"duckdb:///{file}", f"sqlite:///{folder / 'ledger.sqlite'}", folder / "out")
    periods = between(Period.parse("2026-10-11"), Period.parse("2026-10-20"))
    for period in periods:
        pipeline.prepare(settings, period, now=OCTOBER.end + timedelta(days=5))
    with warehouse(settings.warehouse_url) as opened:
        for rule, limit in (("R01", "requests_a_day=100"), ("R05", "share_min=0.1")):
            proposal = propose_limits(None, rule, [limit])
            run_backtest(opened, proposal, periods[:1])  # what is read once is read before
            one = sum(timed(lambda p=proposal: run_backtest(opened, p, periods[:1])) for _ in range(3)) / 3
            ten = timed(lambda p=proposal: run_backtest(opened, p, periods))
            print(f"back-test of {rule}, one period: {one:.2f} s, ten: {ten:.2f} s, ratio {ten / one:.1f}")


def main() -> None:
    """Run all, or those that are named: rollups, month, weekly, rules, backtest, linkage."""
    wanted = sys.argv[1:] or ["rollups", "month", "weekly", "rules", "backtest", "linkage"]
    with tempfile.TemporaryDirectory() as name:
        if "rollups" in wanted:
            rollups(Path(name), 10_000_000)
        if "month" in wanted:
            month(Path(name), 2_000_000)
        if "weekly" in wanted:
            weekly(Path(name), 3_000_000, peak_gib)
        if "backtest" in wanted:
            backtest(Path(name), 500_000)
        if "linkage" in wanted:
            linkage(Path(name), 200_000, timed, peak_gib)
        if "rules" in wanted:
            rules(Path(name), 6_000_000, timed, peak_gib)


if __name__ == "__main__":
    main()
