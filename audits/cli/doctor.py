"""`audits doctor`: can this warehouse be audited, and if not, what is to be done?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy import func, select

from audits.cli.console import clock, err, out
from audits.display import plain, visible
from audits.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from audits.warehouse.catalog import Catalog
    from audits.warehouse.fit import Problem

STYLES = {"error": ("■", "red"), "not recorded": ("○", "dim"), "advice": ("▲", "yellow")}
MOST_TIERS = 5  # printed by name


def doctor(
    now: Annotated[
        str | None, typer.Option(help="Check as if it were this instant (UTC).", show_default="the clock")
    ] = None,
) -> None:
    """Check the warehouse: connection, tables, columns, types, time zone and rights. Nothing is written.

    Exit code 0 where audits can run, 1 where something must be put right first, 2 where the warehouse does not open.
    What is merely not recorded is listed with the rules that cannot judge without it.
    """
    from audits.warehouse.check import check  # noqa: PLC0415 - keeps `audits --help` quick

    settings = Settings.from_env()
    problems = check(settings.warehouse_url, settings.rollups_url, now=clock(now)) + _by_the_book(settings)
    if problems:
        out.print(_table(problems))
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        these, concern = (
            ("1 of these is an error", "it concerns")
            if errors == 1
            else (f"{errors} of these are errors", "they concern")
        )
        err.print(f"\n[red]{these}: what {concern} cannot be audited.[/]")
        err.print("Next   put them right, then: audits doctor")
        raise typer.Exit(1)
    out.print("[green]●[/] The warehouse can be audited.")
    out.print("Next   audits run --period 2026-10 (a day, an ISO week, a month or a quarter)", markup=False)


def _by_the_book(settings: Settings) -> tuple[Problem, ...]:
    """Advice on what the policy book says of the rows: its tiers, and its limits for duplicates."""
    from audits.policy import load_book  # noqa: PLC0415
    from audits.quality.duplicates import duplicate_problems  # noqa: PLC0415
    from audits.warehouse.catalog import read_catalog  # noqa: PLC0415
    from audits.warehouse.engines import connect, parse_url  # noqa: PLC0415

    book = load_book(settings.policy)
    engine = connect(parse_url(settings.warehouse_url), settings.rollups_url)
    try:
        with engine.begin() as connection:
            found = read_catalog(connection)
            tiers = _tiers(connection, found, [tier.id for tier in book.tiers])
            return (*tiers, *duplicate_problems(connection, found, book.quality))
    finally:
        engine.dispose()


def _tiers(connection: Connection, there: Catalog, known: Sequence[str]) -> tuple[Problem, ...]:
    """Tiers of accounts that the policy book does not have, so that no rule can be evaluated for them."""
    from audits.warehouse.fit import Problem, misfits  # noqa: PLC0415
    from audits.warehouse.tables import account_tiers  # noqa: PLC0415

    if any(one.severity == "error" and one.where.split(".")[0] == account_tiers.name for one in misfits(there)):
        return ()
    counted = select(account_tiers.c.tier, func.count(account_tiers.c.account_id.distinct()))
    found = connection.execute(counted.group_by(account_tiers.c.tier).order_by(account_tiers.c.tier)).all()
    foreign = [f"'{visible(tier[:60])}' ({accounts:,} accounts)" for tier, accounts in found if tier not in known]
    if not foreign:
        return ()
    names = ", ".join(foreign[:MOST_TIERS]) + (f" and {len(foreign) - MOST_TIERS} more" if foreign[MOST_TIERS:] else "")
    return (
        Problem(
            "advice",
            "account_tiers.tier",
            f"the policy book has no tier {names}; it has {', '.join(known)}. No rule can be evaluated for them.",
            "Load tiers again with a table of values in the mapping (tier: {column: plan, values: {Gold: scale}}): "
            "audits source load file tiers.csv --mapping tiers.yaml; or add the tier to a book of your own: "
            "audits policy init DIR",
        ),
    )


def _table(problems: tuple[Problem, ...]) -> Table:
    waiting = _rules_that_need()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    table.add_column("", no_wrap=True)
    table.add_column("Where", overflow="fold")
    table.add_column("What, and what to do", overflow="fold", ratio=1)
    for problem in problems:
        mark, colour = STYLES[problem.severity]
        lines = [escape(_sentence(plain(problem.what)))]
        if problem.severity == "not recorded" and (rules := waiting[problem.where]):
            lines[0] += f" Not evaluated without it: {', '.join(sorted(rules))}."
        lines.append(f"[dim]{escape(_sentence(plain(problem.fix)))}[/]")
        table.add_row(f"[{colour}]{mark} {problem.severity}[/]", escape(plain(problem.where)), "\n".join(lines))
    return table


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rules_that_need() -> dict[str, set[str]]:
    """Contract table, or usage_events.column -> the rules that declare it as needed."""
    from audits.rules.engine.loading import load_rules  # noqa: PLC0415

    needed: dict[str, set[str]] = defaultdict(set)
    for rule_id, rule in load_rules().items():
        for name in (*rule.spec.needs.tables, *(f"usage_events.{column}" for column in rule.spec.needs.columns)):
            needed[name].add(rule_id)
    return needed
