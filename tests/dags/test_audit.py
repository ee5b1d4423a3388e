"""``dag.test()``: Airflow's own loop runs every task in one process, and a period is audited on real data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow_components import ledger_runs, run

TEST = """
import json, sys
import pendulum
from airflow.dag_processing.dagbag import DagBag
dags, said = DagBag().dags, []
for dag_id, after, conf in json.loads(sys.argv[1]):
    done = dags[dag_id].test(logical_date=pendulum.parse(after), run_conf=conf)
    said.append([str(done.state), sorted([ti.task_id, str(ti.state)] for ti in done.get_task_instances())])
print("\\n" + json.dumps(said))
"""
TIERS = ("build", "enterprise", "free", "scale")

pytestmark = pytest.mark.airflow


def ended(env: Mapping[str, str], *runs: tuple[str, str, dict[str, Any]]) -> list[tuple[str, list[list[str]]]]:
    """Run DAGs, each for the last interval before a date and with a configuration: how it and its tasks ended."""
    run(env, "airflow", "db", "migrate")
    return [tuple(one) for one in json.loads(run(env, "python", "-c", TEST, json.dumps(runs)).splitlines()[-1])]


def reports(env: Mapping[str, str]) -> list[str]:
    out = Path(env["AUDITS_OUT"])
    return sorted(str(page.parent.relative_to(out)) for page in out.glob("*/r*/*/report.html"))


def test_a_rolled_up_month_and_a_week_of_it_are_audited(world: Path, airflow_env: dict[str, str]) -> None:
    day, month, week = ended(
        airflow_env,
        ("usage_rollups", "2026-11-01", {}),
        ("usage_audits_monthly", "2026-11-04", {}),
        ("usage_audits_weekly", "2026-10-14", {"tiers": ["scale", "free"]}),
    )
    assert day == ("success", [["roll_up", "success"]])
    for (state, tasks), tiers in ((month, len(TIERS)), (week, 2)):
        assert state == "success"
        assert {state for _, state in tasks} == {"success"}
        assert [task for task, _ in tasks].count("render") == tiers
    assert ledger_runs(airflow_env) == [
        ("2026-10", "2026-10-01", "2026-11-01", 1, "complete"),
        ("2026-W41", "2026-10-05", "2026-10-12", 1, "complete"),
    ]
    assert reports(airflow_env) == [
        *(f"2026-10/r1/{tier}" for tier in TIERS),
        *(f"2026-W41/r1/{tier}" for tier in ("free", "scale")),
    ]


def test_a_partial_audit_ends_red_with_its_reports_on_disk(world: Path, airflow_env: dict[str, str]) -> None:
    with duckdb.connect(str(world)) as connection:  # a raw key blocks its day
        connection.execute(
            "UPDATE usage_events SET user_agent_family = 'sk-live-0123456789abcdefghijklmnopqrstuvwxyz0123456789'"
            " WHERE event_ts::DATE = '2026-09-10'"
        )
    ((state, tasks),) = ended(airflow_env, ("usage_audits_quarterly", "2026-10-04", {}))
    assert state == "failed"
    assert [task for task, state in tasks if state != "success"] == ["judge_outcome"]
    assert ledger_runs(airflow_env) == [("2026-Q3", "2026-07-01", "2026-10-01", 1, "partial")]
    assert reports(airflow_env) == [f"2026-Q3/r1/{tier}" for tier in TIERS]
