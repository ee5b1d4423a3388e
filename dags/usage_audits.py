"""The audits' DAGs, weekly, monthly and quarterly, from one factory: wait, prepare, evaluate, render, publish, judge.

The tasks are thin calls of :mod:`audits.pipeline`, which is imported inside them alone, so that the scheduler reads
this file in no time. The period is the run's data interval and nothing else. Only ``now`` comes from the clock: the
pipeline is told when it works, and refuses a period that is not closed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable, Param, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from audits.periods import Kind, Period
from audits.settings import Settings

SCHEDULES: dict[Kind, tuple[str, str]] = {
    "week": ("weekly", "0 0 * * 1"),
    "month": ("monthly", "0 0 1 * *"),
    "quarter": ("quarterly", "0 0 1 1,4,7,10 *"),
}

DOC = """
### usage_audits_{name}

Audits each closed {kind} (UTC): quality of the data, rollups, linked groups, every rule of the policy book, the ledger,
and one report per tier under `AUDITS_OUT`.

`wait_for_late_rows` → `prepare` → `evaluate` → `render` (one per tier) → `publish` → `judge_outcome`

* **The period** is the run's data interval; no clock and no run id decides it.
* **The grace.** The interval ends with the {kind}; `wait_for_late_rows` then sleeps, holding no worker, until the
  policy book's `grace_days` have passed. For a past {kind} it passes at once.
* **Back-fill:** `airflow backfill create --dag-id usage_audits_{name} --from-date 2026-07-01 --to-date 2026-09-30
  --max-active-runs 1` audits every {kind} that begins between the two dates. One run at a time, because a report
  compares with the {kind} before.
* **Again:** add `--reprocess-behavior completed`, or clear a run. Unchanged inputs change nothing; otherwise the {kind}
  gets its next revision, and the earlier one stays.
* **Some tiers only:** the parameter `tiers`; for a back-fill `--dag-run-conf '{{"tiers": ["enterprise"]}}'`.
* **By hand** (Trigger) it audits the last {kind} that had ended by the logical date.
* **A red `judge_outcome`** says that the reports are there but part of the audit could not be done; the log of
  `evaluate` and the reports say which part. Any other red task: read its log, then clear it; what was finished is kept.
"""


def audits_of(kind: Kind) -> None:
    """Register the DAG that audits every period of one kind."""
    name, cron = SCHEDULES[kind]

    @dag(
        dag_id=f"usage_audits_{name}",
        # From cron to cron is exactly the period. The wait for late rows is a task, not a shift of the schedule: a
        # shifted schedule would shift the interval with it, and how long the grace is, is the policy book's to say.
        schedule=CronDataIntervalTimetable(cron, timezone="UTC"),
        catchup=False,
        max_active_runs=1,
        params={
            "tiers": Param(
                [], type="array", items={"type": "string"}, description="Tiers of the policy book; none: all of them"
            )
        },
        default_args={
            "owner": "usage-audits",
            "retries": 4,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=30),
        },
        tags=["usage-audits", name],
        doc_md=DOC.format(name=name, kind=kind),
    )
    def usage_audits() -> None:
        """Audit a period, end to end."""

        @task
        def wait_for_late_rows(**context: Any) -> None:
            """Sleep until the period may be audited, holding no worker meanwhile."""
            from audits import pipeline

            ready = pipeline.auditable_from(Settings.from_env(), _period(kind, context))
            if datetime.now(UTC) < ready:
                print(f"Sleeping until {ready:%Y-%m-%d %H:%M} UTC, when the grace for late rows ends")
                raise AirflowRescheduleException(ready)  # type: ignore[no-untyped-call]

        @task(max_active_tis_per_dag=1)  # it writes, and a back-fill may run several periods at once
        def prepare(**context: Any) -> None:
            """Judge the data, roll up what is not fresh, link accounts."""
            from audits import pipeline

            pipeline.prepare(Settings.from_env(), _period(kind, context), now=datetime.now(UTC), tell=print)

        @task(max_active_tis_per_dag=1)
        def evaluate(**context: Any) -> list[str]:
            """Ask every rule and record the answers; return the tiers that were audited."""
            from audits import pipeline

            outcome = pipeline.evaluate(
                Settings.from_env(),
                _period(kind, context),
                now=datetime.now(UTC),
                tiers=context["params"]["tiers"],
                tell=print,
            )
            changed = "recorded" if outcome.changed else "unchanged"
            print(
                f"{outcome.period}, revision {outcome.revision}: {outcome.status}, {changed}", *outcome.notes, sep="\n"
            )
            context["ti"].xcom_push(key="audit_run", value=outcome.run_id)
            context["ti"].xcom_push(key="status", value=outcome.status)
            return list(outcome.tiers)

        @task(map_index_template="{{ tier }}")
        def render(audit_run: int, tier: str, **context: Any) -> None:
            """Write one tier's report from the ledger."""
            from audits import pipeline

            context["tier"] = tier  # Airflow shows it in place of the map index
            for file in pipeline.render(Settings.from_env(), audit_run, tier):
                print(file)

        # Without a tier to render, `render` is skipped; what was recorded is still to be sealed and judged.
        @task(max_active_tis_per_dag=1, trigger_rule=TriggerRule.NONE_FAILED)
        def publish(audit_run: int) -> None:
            """Seal the reports' folder and renew the index over all periods."""
            from audits import pipeline

            published = pipeline.publish(Settings.from_env(), audit_run)
            print(published.manifest, *published.found, sep="\n")

        @task(retries=0)
        def judge_outcome(status: str) -> None:
            """Fail where part of the audit could not be done: last, so that the reports are there to be read."""
            if status != "complete":
                raise AirflowFailException(f"The reports are published, but the audit is {status}: see evaluate's log.")

        tiers: Any = evaluate()
        rendered = render.partial(audit_run=tiers["audit_run"]).expand(tier=tiers)
        wait_for_late_rows() >> prepare() >> tiers
        rendered >> publish(tiers["audit_run"]) >> judge_outcome(tiers["status"])

    usage_audits()


def _period(kind: Kind, context: dict[str, Any]) -> Period:
    """The period that a run's data interval is; a run that has none, or another one than it asks for, is refused."""
    start, end, asked = (context.get(name) for name in ("data_interval_start", "data_interval_end", "logical_date"))
    if start is None or end is None or asked is None:
        raise AirflowFailException("This run has no data interval: trigger it with a logical date.")
    period = Period.of(start.date(), kind)
    if (start, end) != (period.start, period.end):
        raise AirflowFailException(f"The data interval [{start}, {end}) is not the {kind} {period}.")
    # The schedule and a back-fill date a run at its interval's start, a trigger after the interval. But `airflow dags
    # trigger --logical-date` takes the interval before the present moment, whatever date it is given.
    if asked != start and not period.end <= asked < period.next.end:
        raise AirflowFailException(
            f"The run is dated {asked:%Y-%m-%d}, yet Airflow gave it the interval of {period}: name a past {kind} by "
            f"`airflow backfill create`, with its first day as --from-date and --to-date."
        )
    return period


for each in SCHEDULES:
    audits_of(each)
