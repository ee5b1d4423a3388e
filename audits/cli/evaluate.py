"""`audits evaluate`: recall, false positives and precision on labelled worlds."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import COLOURS, MARKS, Format, err, format_option, out, progress, whole_number
from audits.settings import Settings

if TYPE_CHECKING:
    from audits.proving.evaluation import Evaluation
    from audits.proving.evaluation.intervals import Share


def evaluate(
    world: Annotated[
        list[str] | None,
        typer.Option("--world", "-w", help="Only this world; may be repeated. Without: all that are for evaluation."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=whole_number("--seed", low=0, example=7), help="Draw the worlds from another seed."
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where worlds, page and JSON go.")] = Path("audits-evaluation"),
    form: Annotated[Format, format_option(Format.table, Format.json)] = Format.table,
) -> None:
    """Audit worlds whose campaigns and look-alikes are known, and measure what was found. Takes some minutes a world.

    The policy book is that of AUDITS_POLICY, or the shipped one.

    Worlds to evaluate on differ in seeds and parameters from those that limits were tuned on; the page says which.
    """
    from audits.proving.evaluation import as_json, audit_world  # noqa: PLC0415
    from audits.proving.evaluation import evaluate as score  # noqa: PLC0415
    from audits.proving.evaluation.page import page  # noqa: PLC0415
    from audits.proving.worlds import AUDITED, named  # noqa: PLC0415
    from audits.rules.engine.loading import load_law  # noqa: PLC0415

    worlds = named(world or (), seed)
    policy = Settings.from_env().policy
    book, rules = load_law(policy)
    with progress() as tell:
        outcomes = [audit_world(one, folder / "worlds" / one.name, tell, policy=policy) for one in worlds]
    evaluation = score(worlds, outcomes, list(rules), period=AUDITED.id, policy=book.digest)
    text = json.dumps(as_json(evaluation), sort_keys=True, indent=1) + "\n"
    (folder / "evaluation.json").write_text(text, "utf-8")
    (folder / "index.html").write_text(page(evaluation), "utf-8")
    if form is Format.json:
        sys.stdout.write(text)
        return
    _print(evaluation)
    out.print(f"\nOpen   {folder / 'index.html'}", markup=False, soft_wrap=True)


def _print(evaluation: Evaluation) -> None:
    _targets(evaluation)
    _severities(evaluation)
    _rules(evaluation)
    _campaigns(evaluation)
    _look_alikes(evaluation)
    for note in evaluation.notes:
        err.print(f"[yellow]note[/] {escape(note)}")


def _table(title: str, *columns: str) -> Table:
    """A table whose columns after the first are figures, which never break, but for those that begin with a tilde."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", title=title, title_justify="left",
        title_style="bold",
    )  # fmt: skip
    for number, name in enumerate(columns):
        words = number == 0 or name.startswith("~")
        table.add_column(name.lstrip("~"), justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table


def _targets(evaluation: Evaluation) -> None:
    table = _table("\nFigures to reach", "", "bound", "measured", "95 % interval", "of", "~")
    for one in evaluation.targets:
        said = {True: "[green]holds[/]", False: "[red]missed[/]", None: "[dim]not tried[/]"}[one.holds]
        if one.holds and not one.shown:
            said += " [dim](too few to be sure)[/]"
        bound = f"{'>=' if one.at_least else '<='} {one.bound:.4g}"
        measured = "" if one.value is None else f"{one.value:.4g}"
        table.add_row(one.name, bound, measured, f"{one.low:.4f} to {one.high:.4f}", f"{one.of:,}", said)
    out.print(table)


def _severities(evaluation: Evaluation) -> None:
    table = _table(
        "\nFindings of at least this severity (beside each: without the findings on groups)", "", "campaigns",
        "their\naccounts", "breaches", "harmless\naccounts hit", "right\nhere", "precision\nat 0.1 %", "\nat 0.5 %",
    )  # fmt: skip
    for one in evaluation.severities:
        table.add_row(
            f"[{COLOURS[one.severity]}]{MARKS[one.severity]} {one.severity}[/]",
            f"{_ratio(one.campaigns)} | {_ratio(one.campaigns_alone)}",
            f"{_percent(one.campaign_accounts)} | {_percent(one.campaign_accounts_alone)}",
            _ratio(one.breaches),
            f"{_percent(one.wrong)} | {_percent(one.wrong_alone)}",
            _percent(one.seen),
            *("" if p.value is None else f"{p.value:.1%}" for p in one.precision),
        )
    out.print(table)


def _rules(evaluation: Evaluation) -> None:
    table = _table(
        "\nRules", "", "findings", "campaigns", "their\naccounts", "breaches", "harmless\nhit", "~look-alikes\nhit"
    )
    for one in evaluation.rules:
        table.add_row(
            one.rule, str(one.findings), _ratio(one.campaigns), _percent(one.campaign_accounts), _ratio(one.breaches),
            f"{one.wrong.hits} ({_percent(one.wrong)})",
            ", ".join(f"{kind} {count}" for kind, count in one.wrong_by_look_alike.items()),
        )  # fmt: skip
    out.print(table)


def _campaigns(evaluation: Evaluation) -> None:
    if not evaluation.campaigns:
        return
    table = _table(
        "\nCampaigns", "", "~kind", "accounts", "a day", "share", "~found as\na group", "day", "in one\ngroup", "pure",
        "members\nhit", "alone",
    )  # fmt: skip
    for one in evaluation.campaigns:
        c = one.campaign
        found = f"[{COLOURS[one.found]}]{MARKS[one.found]}[/] {' '.join(one.rules)}" if one.found else "no"
        table.add_row(
            c.id, c.kind, str(len(c.at_work)), f"{c.requests_a_day:,.0f}", f"{c.share:.0%}", found,
            str(one.found_on or ""), _percent(one.largest_group), "" if one.purity is None else f"{one.purity:.0%}",
            _percent(one.accounts), _percent(one.accounts_alone),
        )  # fmt: skip
    out.print(table)
    g = evaluation.groups
    figures = (("precision", g.precision), ("recall", g.recall), ("F1", g.f1))
    out.print("Pairs in groups: " + ", ".join(f"{name} {value:.3f}" for name, value in figures if value is not None))


def _look_alikes(evaluation: Evaluation) -> None:
    if not evaluation.look_alikes:
        return
    shown = [severity for severity in reversed(MARKS) if severity in evaluation.look_alikes[0].hit]
    table = _table(
        "\nLook-alikes", "", "parties", "accounts", *(f"{MARKS[severity]} or\nworse" for severity in shown), "~by"
    )
    for one in evaluation.look_alikes:
        by = "  ".join(f"{MARKS[s]} {' '.join(rules)}" for s, rules in reversed(list(one.rules.items())))
        table.add_row(
            one.kind, str(one.parties), str(one.accounts),
            *(str(one.hit[severity].hits) for severity in shown), by,
        )  # fmt: skip
    out.print(table)


def _ratio(one: Share) -> str:
    return f"{one.hits}/{one.of}" if one.of else ""


def _percent(one: Share) -> str:
    return "" if one.value is None else f"{one.value:.2%}" if 0 < one.value < 0.01 else f"{one.value:.0%}"
