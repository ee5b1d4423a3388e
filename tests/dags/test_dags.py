"""The DAGs as files: they are read without error and without weight, and each run's interval is one period."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from airflow_components import environment, run

from audits.periods import Kind, Period

HEAVY = ("pandas", "great_expectations", "duckdb", "pyarrow", "numpy", "reports", "audits.pipeline", "audits.rules")
KINDS: dict[str, Kind] = {
    "usage_rollups": "day",
    "usage_audits_weekly": "week",
    "usage_audits_monthly": "month",
    "usage_audits_quarterly": "quarter",
}

READ = """
import json, sys, time
begin = time.perf_counter()
from airflow.sdk import CronDataIntervalTimetable, Param, TriggerRule, dag, task
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
import pendulum
own = time.perf_counter() - begin
here = set(sys.modules)
bag = DagBag()
brought = sorted(set(sys.modules) - here)

def intervals(dag):
    core = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    first, last = pendulum.datetime(2023, 12, 1), pendulum.datetime(2029, 2, 1)
    return [[str(i.data_interval.start), str(i.data_interval.end)] for i in core.iter_dagrun_infos_between(first, last)]

print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "own": own,
    "seconds": {file.file: file.duration.total_seconds() for file in bag.dagbag_stats},
    "brought": brought,
    "dags": {dag.dag_id: {
        "catchup": dag.catchup, "max_active_runs": dag.max_active_runs, "doc": dag.doc_md, "tags": sorted(dag.tags),
        "intervals": intervals(dag),
        "tasks": {task.task_id: {"upstream": sorted(task.upstream_task_ids), "owner": task.owner,
                                 "rule": task.trigger_rule.value, "retries": task.retries} for task in dag.tasks},
    } for dag in bag.dags.values()},
}))
"""

CALL = """
import json, sys
from datetime import datetime
from airflow.dag_processing.dagbag import DagBag
dags = DagBag().dags
for dag_id, task_id, interval in json.loads(sys.argv[1]):
    context = {name: datetime.fromisoformat(value) for name, value in interval.items()}
    try:
        dags[dag_id].get_task(task_id).python_callable(**context)
    except Exception as error:
        print(json.dumps([type(error).__name__, str(getattr(error, "reschedule_date", error))]))
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow finds in the folder of DAGs."""
    env = environment(tmp_path_factory.mktemp("airflow"))
    return dict(json.loads(run(env, "python", "-c", READ).splitlines()[-1]))


def raised(env: dict[str, str], *calls: tuple[str, str, dict[str, str]]) -> list[tuple[str, str]]:
    """What each task, called by itself with an interval, raises: the error's name, and its words or date."""
    lines = run(env, "python", "-c", CALL, json.dumps(calls)).splitlines()[-len(calls) :]
    return [tuple(json.loads(line)) for line in lines]


def test_the_dags_are_read_without_error_and_without_weight(read: dict[str, Any]) -> None:
    assert read["errors"] == {}
    assert read["dags"].keys() == KINDS.keys()
    assert [name for name in read["brought"] if name.startswith(HEAVY)] == []
    assert {"usage_audits.py", "usage_rollups.py"} == {file.rpartition("/")[2] for file in read["seconds"]}
    for seconds in read["seconds"].values():
        assert seconds < read["own"]  # a file costs less than Airflow itself does; measured: a fortieth


def test_every_interval_is_one_whole_period_and_each_follows_on_the_last(read: dict[str, Any]) -> None:
    for dag_id, kind in KINDS.items():
        found = [tuple(map(datetime.fromisoformat, pair)) for pair in read["dags"][dag_id]["intervals"]]
        period = Period.of(found[0][0].date(), kind)
        expected = []
        while len(expected) < len(found):
            expected.append((period.start, period.end))
            period = period.next
        assert found == expected
        assert found[0][0] < datetime(2024, 4, 2, tzinfo=UTC) < datetime(2028, 10, 1, tzinfo=UTC) <= found[-1][0]


def test_runs_are_careful(read: dict[str, Any]) -> None:
    for dag in read["dags"].values():
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
        assert "usage-audits" in dag["tags"]
        assert "backfill create" in dag["doc"]
        for name, task in dag["tasks"].items():
            assert task["owner"] == "usage-audits"
            assert task["retries"] == (0 if name == "judge_outcome" else 4)


def test_an_audit_is_judged_only_after_its_reports_are_out(read: dict[str, Any]) -> None:
    for dag_id in KINDS.keys() - {"usage_rollups"}:
        tasks = read["dags"][dag_id]["tasks"]
        assert {name: task["upstream"] for name, task in tasks.items()} == {
            "wait_for_late_rows": [],
            "prepare": ["wait_for_late_rows"],
            "evaluate": ["prepare"],
            "render": ["evaluate"],
            "publish": ["evaluate", "render"],
            "judge_outcome": ["evaluate", "publish"],
        }
        rules = {name: task["rule"] for name, task in tasks.items() if task["rule"] != "all_success"}
        assert rules == {"publish": "none_failed"}


def test_a_period_that_is_not_closed_sleeps_until_the_grace_of_the_policy_book_ends(
    airflow_env: dict[str, str],
) -> None:
    period = Period.of(date(2999, 5, 1), "month")
    found = raised(airflow_env, ("usage_audits_monthly", "wait_for_late_rows", dated(period, period.start)))
    assert found == [("AirflowRescheduleException", str(period.end + timedelta(days=3)))]


def test_a_run_that_names_no_period_or_two_is_refused(airflow_env: dict[str, str]) -> None:
    tasks = ("wait_for_late_rows", "prepare", "evaluate")
    week = Period.parse("2026-W41")
    shifted = dated(week, week.start) | {"data_interval_start": str(week.start + timedelta(days=1))}
    found = raised(
        airflow_env,
        ("usage_rollups", "roll_up", {}),
        *(("usage_audits_weekly", task, {}) for task in tasks),
        *(("usage_audits_weekly", task, shifted) for task in tasks),
        *(("usage_audits_weekly", task, dated(week, week.start - timedelta(days=1))) for task in tasks),
        *(("usage_audits_weekly", task, dated(week, week.next.end)) for task in tasks),
    )
    assert {name for name, _ in found} == {"AirflowFailException"}
    assert all("trigger it with a logical date" in words for _, words in found[:4])
    assert all("is not the week 2026-W41" in words for _, words in found[4:7])
    assert all("interval of 2026-W41: name a past week by `airflow backfill" in words for _, words in found[7:])


def dated(period: Period, asked: datetime) -> dict[str, str]:
    """A run's context: the interval of a period, and the date that was asked for."""
    return {
        "data_interval_start": str(period.start),
        "data_interval_end": str(period.end),
        "logical_date": str(asked),
    }
