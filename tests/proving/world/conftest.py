"""One small world with everything planted, built once for a worker, and its labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from audits.proving.world import Breach, Campaign, LookAlike, WorldSpec, WorldSummary, build_world
from audits.proving.world.breaches import KINDS as BREACHES
from audits.proving.world.campaigns import KINDS as CAMPAIGNS
from audits.proving.world.faults import FAULTS
from audits.proving.world.lookalikes import PARTIES

PAYING = {"R25", "R25-medium", "R29-unverified", "R23-zero"}  # contracts are for paying tiers
SPEC = WorldSpec(
    seed=11,
    start=date(2026, 8, 18),
    days=75,
    customers=150,
    volume=0.001,
    release_day=55,
    campaigns=tuple(Campaign(kind=kind, accounts=8, per_day=15, first_day=44, days=20) for kind in CAMPAIGNS),
    lookalikes=tuple(LookAlike(kind=kind, per_day=30) for kind in PARTIES),
    breaches=tuple(Breach(rule=kind, tier="scale" if kind in PAYING else "free") for kind in BREACHES),
    faults=tuple(FAULTS),
)


@dataclass(frozen=True)
class Built:
    """An open world: its connection, labels and summary."""

    con: duckdb.DuckDBPyConnection
    labels: dict[str, Any]
    summary: WorldSummary

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.con.execute(sql, list(values)).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        return self.rows(sql, *values)[0][0]


def built(spec: WorldSpec, path: Path) -> Built:
    summary = build_world(spec, path)
    con = duckdb.connect(str(path), read_only=True)
    con.execute("SET TimeZone = 'UTC'")
    return Built(con, json.loads(summary.labels.read_text("utf-8")), summary)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Every campaign, look-alike, breach and fault once, among 150 benign customers."""
    made = built(SPEC, tmp_path_factory.mktemp("world") / "all.duckdb")
    yield made
    made.con.close()


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Benign customers only, without faults."""
    spec = WorldSpec(seed=3, days=56, start=date(2026, 8, 3), customers=220, volume=0.004, release_day=40)
    made = built(spec, tmp_path_factory.mktemp("world") / "calm.duckdb")
    yield made
    made.con.close()
