"""`audits standing`: is a customer all right, and what may be said?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding

from audits.cli.console import COLOURS, MARKS, Format, a_day, clock, format_option, out
from audits.display import json_text, visible
from audits.errors import AuditsError
from audits.settings import Settings

if TYPE_CHECKING:
    from audits.standing import Standing

_STATES = {
    "not_evaluated": "low",
    "good": "good",
    "watch": "medium",
    "restricted": "high",
    "suspended-recommended": "critical",
}

_GAPS_SHOWN = 3  # reasons why checks were not evaluated; `audits coverage --customer` lists every one


def standing(
    who: Annotated[str, typer.Argument(metavar="CUSTOMER|ACCOUNT", help="An id, or a customer's name or part of it.")],
    at: Annotated[str | None, typer.Option(help="The day, such as 2026-10-31.", show_default="today")] = None,
    form: Annotated[Format, format_option(Format.table, Format.json)] = Format.table,
) -> None:
    """Say how a customer stands, why, since when, and what an account manager may say."""
    from audits.ledger import read_ledger  # noqa: PLC0415
    from audits.standing import standing_of  # noqa: PLC0415

    if not who.strip():
        raise AuditsError(
            "No customer is named.", where="CUSTOMER|ACCOUNT", fix="Give an id, or a customer's name or part of it."
        )
    settings, day = Settings.from_env(), a_day(at, "--at") or clock().date()
    with read_ledger(settings.ledger_url) as books, books.session() as session:
        found = standing_of(session, who, day)
    if found is None:
        raise AuditsError(
            f"No period that had begun by {day} has been audited.",
            where=f"--at {at}" if at else f"ledger {settings.ledger_url}",
            fix="Give a later day with --at, or audit a period first: audits run --period 2026-10",
        )
    if form is Format.json:
        sys.stdout.write(json_text(found.as_json(), indent=2) + "\n")
    else:
        _print(found)


def _print(found: Standing) -> None:
    from reports.text import day  # noqa: PLC0415

    def plain(words: str) -> str:
        return escape(visible(words))

    manager = f" · manager {plain(found.account_manager)}" if found.account_manager else ""
    tiers = ", ".join(map(plain, found.tiers))
    out.print(f"[bold]{plain(found.name)}[/] [dim]{plain(found.customer_id)}[/] · {tiers}{manager}")
    mark = MARKS.get(_STATES[found.state], "●")
    colour = COLOURS.get(_STATES[found.state], "green")
    since = f" since {day(found.since)}" if found.since else ""
    as_of = f"on {day(found.as_of)}, audited to {day(found.audited_to)}"
    out.print(f"[{colour}]{mark} {found.state.replace('_', ' ').upper()}[/]{since} [dim]({as_of})[/]\n")
    if found.reasons:
        out.print("Because")
        for one in found.reasons:
            linked = " Found for a group of linked accounts." if one.linked else ""
            severity = f"[{COLOURS[one.severity]}]{MARKS[one.severity]} {one.severity}[/]"
            out.print(Padding(f"{severity} {plain(one.summary)}{linked}", (0, 0, 0, 2)))
            # On a line of its own, so that the id can be taken as a whole.
            facts = (f"{one.rule_id} {one.title}", one.period, one.status.replace("_", " "), one.finding_id)
            out.print(Padding(f"[dim]{plain(' · '.join(facts))}[/]", (0, 0, 0, 4)))
        sayings = dict.fromkeys(one.may_say for one in found.reasons if one.may_say)
        if sayings:
            out.print("\nYou may say")
            for words in sayings:
                out.print(Padding(f'"{plain(words)}"', (0, 0, 0, 2)))
    _print_evaluated(found)
    if found.would_change:
        out.print("\nWhat would change it")
        out.print(Padding(plain(found.would_change), (0, 0, 0, 2)))
    line = " → ".join(f"{one.state.replace('_', ' ')} [dim]{day(one.since)}[/]" for one in found.history[-8:])
    out.print(f"\nHistory\n  {'… → ' if len(found.history) > 8 else ''}{line}")


def _print_evaluated(found: Standing) -> None:
    """How much of the customer was evaluated, and the reasons for what was not."""
    checks, periods = found.evaluated, ", ".join(found.evaluated.periods)
    if found.reasons:
        out.print()
    if found.state == "not_evaluated":
        out.print("Most checks of this customer's usage were not evaluated, so it is not known to be in good standing.")
    elif found.state == "good" and checks.not_evaluated:
        out.print("Good on what was evaluated.")
    out.print(f"{checks.evaluated:,} of the {checks.applicable:,} checks that apply in {periods} were evaluated.")
    if checks.gaps:
        out.print("\nNot evaluated")
    for gap in checks.gaps[:_GAPS_SHOWN]:
        out.print(Padding(escape(visible(f"{gap.reason} ({', '.join(gap.rules)})")), (0, 0, 0, 2)))
    if len(checks.gaps) > _GAPS_SHOWN:
        more = " or ".join(f"audits coverage --period {one} --customer {found.customer_id}" for one in checks.periods)
        rest = len(checks.gaps) - _GAPS_SHOWN
        out.print(escape(visible(f"  and {rest} more {'reason' if rest == 1 else 'reasons'}: {more}")), soft_wrap=True)
