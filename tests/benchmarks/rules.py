"""What the rule catalogue costs on 20,000 accounts: all rules, each of them, and ten periods against one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from audits import pipeline
from audits.backtest import propose_limits, run_backtest
from audits.periods import Period
from audits.rules.engine.asking import prepare_asking
from audits.rules.engine.evaluate import evaluate
from audits.rules.engine.loading import load_law
from audits.settings import Settings
from audits.warehouse import warehouse
from tests.benchmarks.volume import build

Timed = Callable[[Callable[[], object]], float]


def rules(folder: Path, events: int, timed: Timed, peak_gib: Callable[[], float]) -> None:
    """Every rule over a month of rollups of 20,000 accounts; rules that read single requests are shown apart."""
    file, period = folder / "rules.duckdb", Period.parse("2026-10")
    build(file, events, accounts=20_000)
    settings = Settings(f"duckdb:///{file}", f"sqlite:///{folder / 'rules.sqlite'}", folder / "rules")
    pipeline.prepare(settings, period, now=period.end + timedelta(days=5))
    book, catalogue = load_law(None)
    asked: dict[str, float] = {}
    raw: set[str] = set()
    with warehouse(settings.warehouse_url) as source, source.begin() as connection:
        start = time.perf_counter()
        asking = prepare_asking(connection, period, book, catalogue, [tier.id for tier in book.tiers])
        people = time.perf_counter() - start
        for rule in catalogue.values():
            scope = asking.scope(rule)
            start = time.perf_counter()
            evaluate(connection, rule, scope, asking.facts)
            asked[rule.id] = time.perf_counter() - start
            if "usage_events" in str(rule.violations(scope)):
                raw.add(rule.id)
    whole, of_raw = people + sum(asked.values()), sum(asked[rule_id] for rule_id in raw)
    print(f"{len(asked)} rules over a month of 20,000 accounts: {whole:.2f} s, of which {people:.2f} s for the people "
          f"and {of_raw:.2f} s for the {len(raw)} that read single requests ({', '.join(sorted(raw)) or 'none'}); "
          f"peak memory {peak_gib():.2f} GiB")  # fmt: skip
    for rule_id, seconds in sorted(asked.items(), key=lambda item: -item[1])[:8]:
        print(f"  {rule_id} {seconds:6.2f} s{'  reads single requests' if rule_id in raw else ''}")
    days = [Period.parse(f"2026-10-{day:02}") for day in range(6, 16)]
    for day in days:
        pipeline.prepare(settings, day, now=period.end + timedelta(days=5))
    proposal = propose_limits(None, "R01", ["requests_a_day=400"])
    with warehouse(settings.warehouse_url) as source:
        one = timed(lambda: run_backtest(source, proposal, days[:1]))
        ten = timed(lambda: run_backtest(source, proposal, days))
    print(f"back-test of R01 over ten days: {ten:.2f} s, over one {one:.2f} s, ratio {ten / one:.1f}")
