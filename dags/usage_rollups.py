"""The daily DAG: one closed UTC day is judged and rolled up, and days that late rows touched are rolled up again."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, dag, task
from airflow.sdk.exceptions import AirflowFailException

from audits.settings import Settings

DOC = """
### usage_rollups

Every midnight UTC: judges the quality of the day that has just ended, reads its events once into the daily rollups,
and rolls up again every day of the baseline before it that late or corrected rows touched. The audits then start
from rollups that are mostly fresh.

* **The day** is the run's data interval, `[data_interval_start, data_interval_end)`; no clock and no run id decides it.
* **Missed days** (Airflow was down) need no back-fill: the next run rolls up whatever its baseline lacks. For older
  ones: `airflow backfill create --dag-id usage_rollups --from-date 2026-08-01 --to-date 2026-08-31
  --max-active-runs 1`
* **If it fails** nothing is lost; clear the task. It is tried again by itself where an audit is writing the same
  DuckDB file.
"""


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={
        "owner": "usage-audits",
        "retries": 4,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
    },
    tags=["usage-audits", "daily"],
    doc_md=DOC,
)
def usage_rollups() -> None:
    """Roll up usage, day by day."""

    @task(max_active_tis_per_dag=1)  # it writes, and a back-fill may run several days at once
    def roll_up(data_interval_start: datetime | None = None) -> None:
        """Judge and roll up the interval's day."""
        from audits import pipeline

        if data_interval_start is None:
            raise AirflowFailException("This run has no data interval: trigger it with a logical date.")
        pipeline.roll_up_day(Settings.from_env(), data_interval_start.date(), tell=print)

    roll_up()


usage_rollups()
