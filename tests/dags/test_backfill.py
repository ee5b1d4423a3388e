"""Three past months, back-filled by a real Airflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow_components import Airflow, ledger_runs, run, running
from sqlalchemy.engine import make_url

from reports import verify

TIERS = ("free",)  # of four: a task for each would take half of the time of all
MONTHS = ("2026-08", "2026-09", "2026-10")

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.postgres,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds processes and their sockets in Linux's /proc"),
]


def test_a_backfill_of_three_months_twice_audits_each_month_once(
    world: Path, airflow_env: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    metadata = make_url(postgres_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    with running(airflow_env, metadata) as airflow:
        once = backfill(airflow, number=1)
        first = ledger_runs(airflow_env), contents(tmp_path / "out")
        again = backfill(airflow, number=2)
        second = ledger_runs(airflow_env), contents(tmp_path / "out")

    assert first[0] == [
        ("2026-08", "2026-08-01", "2026-09-01", 1, "complete"),
        ("2026-09", "2026-09-01", "2026-10-01", 1, "complete"),
        ("2026-10", "2026-10-01", "2026-11-01", 1, "complete"),
    ]
    for month in MONTHS:
        folder = tmp_path / "out" / month / "r1"
        assert verify(folder) == []
        assert sorted(page.parent.name for page in folder.glob("*/report.html")) == list(TIERS)
    assert second == first
    assert [one["state"] for one in once + again] == ["success"] * len(MONTHS) * 2
    assert max(one["end_date"] for one in once) < min(one["start_date"] for one in again)
    assert airflow.heard == {f"127.0.0.1:{airflow.port}"}
    assert airflow.pids == []


def backfill(airflow: Airflow, *, number: int) -> list[dict[str, str]]:
    """Back-fill the three months and wait for the end; what Airflow then says of the runs."""
    airflow.wait("the DAG to be read", lambda: airflow.get("dags")["total_entries"] == 4)
    run(
        airflow.env, "airflow", "backfill", "create", "--dag-id", "usage_audits_monthly", "--from-date", "2026-08-01",
        "--to-date", "2026-10-31", "--max-active-runs", "1", "--reprocess-behavior", "completed",
        "--dag-run-conf", json.dumps({"tiers": TIERS}),
    )  # fmt: skip

    def over() -> bool:  # Airflow looks every half minute; until then it would take no further back-fill
        backfills = airflow.get("backfills?dag_id=usage_audits_monthly")["backfills"]
        return len(backfills) == number and all(one["completed_at"] for one in backfills)

    airflow.wait(f"back-fill {number}", over)
    return list(airflow.get("dags/usage_audits_monthly/dagRuns")["dag_runs"])


def contents(folder: Path) -> dict[str, bytes]:
    """Every report, byte for byte."""
    return {str(file): file.read_bytes() for file in folder.rglob("*.*") if not file.name.startswith("ledger.sqlite")}
