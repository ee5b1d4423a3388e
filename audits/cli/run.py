"""`audits run` and `audits backfill`: auditing one period, or several past ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from audits.cli.console import clock, err, out, print_outcomes, progress
from audits.errors import AuditsError
from audits.periods import Period, between
from audits.settings import Settings

PeriodText = Annotated[str, typer.Option("--period", "-p", help="2026-10-05, 2026-W41, 2026-10 or 2026-Q4")]
Now = Annotated[str | None, typer.Option(help="Audit as if it were this instant (UTC).", show_default="the clock")]


def run(
    period: PeriodText,
    tier: Annotated[
        list[str] | None, typer.Option("--tier", "-t", help="Audit this tier only; may be repeated.")
    ] = None,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Read all rows again, for those that were corrected in place.")
    ] = False,
    now: Now = None,
) -> None:
    """Audit a period: check the data, roll it up, evaluate every rule, record the outcome, render the reports.

    Exit code 1 where the audit is partial: a day of data was blocked, or a rule failed. What could be evaluated is
    recorded and reported all the same.
    """
    from audits.pipeline import audit, compared_with  # noqa: PLC0415 - keeps `audits --help` quick

    settings, wanted = Settings.from_env(), Period.parse(period)
    with progress() as tell:
        outcome = audit(settings, wanted, now=clock(now), tiers=tier or (), recheck=recheck, tell=tell)
    if not outcome.changed:
        out.print(f"Nothing changed since revision {outcome.revision} of {outcome.period}; it still stands.")
    print_outcomes(settings, [outcome])
    if outcome.began_ledger:
        _print_first_ledger(settings)
    _print_missing_usage(settings, [wanted])
    out.print(f"\nOpen   {outcome.folder / 'index.html'}", markup=False, soft_wrap=True)
    if later := compared_with(settings, wanted):
        out.print(f"Next   audits run --period {later}   (its report compares it with {wanted})", markup=False)
    out.print(f"Next   audits findings --period {outcome.period}", markup=False)
    if outcome.status != "complete":
        err.print("[yellow]The audit is partial; the notes above say what is missing.[/]")
        raise typer.Exit(1)


def backfill(
    first: Annotated[str, typer.Option("--from", help="The first period, such as 2026-08.")],
    last: Annotated[str, typer.Option("--to", help="The last period, such as 2026-10.")],
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done and do nothing.")] = False,
    now: Now = None,
) -> None:
    """Audit every period from one to another, oldest first, each under the policy that was in force in it.

    Where the period after the last one was audited before, it gets its next revision: its report says what changed
    since the period before it.
    """
    from audits.pipeline import Outcome, audit, compared_with, planned_work  # noqa: PLC0415

    settings = Settings.from_env()
    periods = between(Period.parse(first), Period.parse(last))
    if later := compared_with(settings, periods[-1]):
        periods = (*periods, later)
    if plan:
        for work in planned_work(settings, periods, now=clock(now)):
            out.print(f"{work.period.id:<10} {work.what}", markup=False)
        out.print(f"Next   audits backfill --from {first} --to {last}", markup=False)
        return
    outcomes: list[Outcome] = []
    failed: list[tuple[Period, AuditsError]] = []
    with progress() as tell:
        for period in periods:
            try:
                tell(f"{period}")
                outcomes.append(audit(settings, period, now=clock(now), tell=tell))
            except AuditsError as error:  # one period that cannot be audited must not keep the others from it
                failed.append((period, error))
    if outcomes:
        print_outcomes(settings, outcomes)
        if any(outcome.began_ledger for outcome in outcomes):
            _print_first_ledger(settings)
        _print_missing_usage(settings, [outcome.period for outcome in outcomes])
        out.print(f"\nOpen   {settings.out / 'index.html'}", markup=False, soft_wrap=True)
    for period, problem in failed:
        err.print(f"[red]{period} was not finished.[/] {escape(str(problem))}", soft_wrap=True)
    if failed or any(outcome.status != "complete" for outcome in outcomes):
        raise typer.Exit(1)


def _print_first_ledger(settings: Settings) -> None:
    err.print(
        f"[yellow]note[/] There was no ledger yet; a new one was begun: {escape(settings.ledger_url)}", soft_wrap=True
    )


def _print_missing_usage(settings: Settings, periods: Sequence[Period]) -> None:
    """Say of which periods the warehouse has no usage at all, so that nobody takes silence for compliance."""
    from audits.pipeline import missing_usage  # noqa: PLC0415

    without, span = missing_usage(settings, periods)
    if not without:
        return
    names = ", ".join(str(period) for period in without)
    has = f"It has usage from {span[0]} to {span[1]}." if span else "usage_events and usage_buckets have no rows."
    err.print(f"[yellow]note[/] The warehouse has no usage in {names}, so that no usage was audited. {has}")
    if span is None or span[1] < without[-1].first_day:
        err.print("Next   audits source load ..., then the same command again (audits source list: what can be loaded)")
    else:
        err.print("Next   audits run --period ..., one that has usage; or load that of this one: audits source list")
