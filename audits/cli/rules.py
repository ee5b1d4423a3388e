"""`audits rules`: list, show, check and write rules. None of it needs a server."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import COLOURS, MARKS, Format, clock, err, format_option, out, progress
from audits.display import json_text
from audits.errors import AuditsError, unknown

if TYPE_CHECKING:
    from audits.policy import Book
    from audits.rules.engine.base import Rule

app = typer.Typer(no_args_is_help=True)

_BookFolder = Annotated[
    Path | None,
    typer.Option("--book", envvar="AUDITS_POLICY", help="Folder of the policy book; without it, the shipped one."),
]
_At = Annotated[str | None, typer.Option(help="The UTC day, such as 2026-10-01; without it, today.")]


@app.command("list")
def list_(
    form: Annotated[Format, format_option(*Format)] = Format.table,
    at: _At = None,
    book: _BookFolder = None,
) -> None:
    """List the rules with their status in the policy book."""
    law, rules = _law(book)
    day = clock(at, "--at").date()
    rows = [_row(rule, law, day) for rule in rules.values()]
    match form:
        case Format.json:
            sys.stdout.write(json_text(rows, indent=2) + "\n")
        case Format.jsonl:
            for row in rows:
                sys.stdout.write(json_text(row) + "\n")
        case Format.csv:
            writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: _flat(value) for name, value in row.items()} for row in rows)
        case Format.table:
            # Eighty columns: what else there is of a rule, its version too, `rules show` and the machines' formats say.
            table = _plain_table("Rule", "Title", "Unit", "Severity", "Status", "Tiers")
            table.padding = (0, 1, 0, 0)
            for column in table.columns[:-1]:
                column.no_wrap = True
            for row in rows:
                severity = row["severity"]
                table.add_row(
                    row["rule_id"], escape(row["title"]), ", ".join(row["units"]),
                    f"[{COLOURS[severity]}]{MARKS[severity]} {severity}[/]", row["status"],
                    escape(_tiers_of(row["tiers"], [tier.id for tier in law.tiers])),
                )  # fmt: skip
            out.print(table)


@app.command()
def show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="A rule, such as R01.")],
    at: _At = None,
    book: _BookFolder = None,
    form: Annotated[Format, format_option(Format.table, Format.json)] = Format.table,
) -> None:
    """Say what a rule asks, of whom, with which limits, and what else can explain what it finds."""
    from audits.rules.engine.wording import explained_of, needs_of, value_of  # noqa: PLC0415

    law, rules = _law(book)
    rule, day = _one(rule_id, rules), clock(at, "--at").date()
    if form is not Format.table:
        sys.stdout.write(json_text(_described(rule, law, day), indent=2) + "\n")
        return
    spec = rule.spec
    out.print(f"[bold]{rule.id} {escape(spec.title)}[/]  version {spec.version}, {law.rule_status(rule.id, day)}")
    out.print(escape(spec.question))
    out.print()
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("Judges", ", ".join(spec.units)),
        ("Severity", f"{MARKS[spec.severity]} {spec.severity}"),
        *((("Lowered", explained),) if (explained := explained_of(rule)) else ()),
        ("Rests on", f"{spec.signal}, {'a fact on record' if spec.basis == 'record' else 'inferred from behaviour'}"),
        ("Clauses", ", ".join(clause.id for clause in law.clauses(spec.families, day)) or "none in force"),
        ("Needs", needs_of(rule)),
        ("May say", spec.may_say),
        *((f"May say ({name})", kind.may_say) for name, kind in spec.kinds.items() if kind.may_say),
        ("Next step", spec.next_step),
        ("Benign", "; ".join(spec.benign)),
        ("Files", str(rule.folder)),
    ):
        facts.add_row(f"[dim]{name}[/]", escape(value))
    out.print(facts)
    limits = law.limits(rule.id, day, day)
    if limits:
        out.print()
        table = _plain_table("Limit", *(escape(row.tier) for row in limits))
        meanings = Table.grid(padding=(0, 2))
        for one in table.columns:
            one.no_wrap = True
        for name, parameter in spec.parameters.items():
            table.add_row(name, *(escape(value_of(row.values.get(name))) for row in limits))
            meanings.add_row(name, f"[dim]{escape(parameter.meaning)}[/]")
        out.print(table)
        out.print()
        out.print(meanings)


@app.command()
def check(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[ID|DIR]...", help="Rules or folders; without any, all rules.")
    ] = None,
    book: _BookFolder = None,
) -> None:
    """Lint rules and run their test cases on an embedded database. Exit code 1 where anything fails."""
    from audits.rules.engine.proof import prove_all  # noqa: PLC0415

    _, rules = _chosen(which, book)
    cases = failures = 0
    with progress() as tell:
        tell(f"Running the test cases of {len(rules)} {'rule' if len(rules) == 1 else 'rules'}")
        for number, (rule, proof) in enumerate(prove_all(rules, book), start=1):
            tell(f"Running test cases: {number} of {len(rules)} rules")
            cases += proof.cases
            failures += len(proof.failures)
            mark = "[red]✗[/]" if proof.failures else "[green]✓[/]"
            out.print(f"{mark} {rule.id} {escape(rule.spec.title)}: {proof.cases} cases")
            for failure in proof.failures:
                out.print(f"\n  [bold]{escape(failure.title)}[/]  [dim]{escape(failure.where)}[/]", soft_wrap=True)
                for line in failure.lines:
                    out.print("\n".join(f"    {escape(one)}" for one in line.splitlines()), soft_wrap=True)
            if proof.failures:
                out.print()
    out.print(f"\n{len(rules)} rules, {cases} cases, {failures or 'no'} {'failure' if failures == 1 else 'failures'}")
    if failures:
        raise typer.Exit(1)


@app.command()
def lint(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="[ID|DIR]...", help="Rules or folders; without any, all rules.")
    ] = None,
    book: _BookFolder = None,
) -> None:
    """Look for clocks, missing bounds of the period and columns that no finding can use. Exit code 1 if there are."""
    from audits.rules.lint import lint as problems_of  # noqa: PLC0415

    law, rules = _chosen(which, book)
    problems = [problem for rule in rules for problem in problems_of(rule, law)]
    for problem in problems:
        err.print(escape(str(problem)) + "\n", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    out.print(f"[green]✓[/] {len(rules)} rules: no problems.")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="A few words, such as weekend-use.")],
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where rules lie; without it, rules/ of the policy book, or of the current folder."),
    ] = None,
    book: _BookFolder = None,
) -> None:
    """Begin a rule: its description, its query and two cases that fail until the query is right."""
    from audits.rules.skeleton import new_rule  # noqa: PLC0415

    law, rules = _law(book)
    under = folder or (book or Path()) / "rules"
    files = new_rule(name, under, rules, [tier.id for tier in law.tiers])
    for file in files:
        out.print(f"  {file}", markup=False, soft_wrap=True)
    out.print(f"Next   audits rules check {files[0].parent}", markup=False, soft_wrap=True)


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(help="A folder for the pages; it is made if it is missing.")],
    at: _At = None,
    book: _BookFolder = None,
) -> None:
    """Write the rule catalogue as pages: one a rule, an index, and what an operator's own rule may read."""
    from audits.rules.pages import write_pages  # noqa: PLC0415

    law, rules = _law(book)
    files = write_pages(folder, rules, law, clock(at, "--at").date())
    out.print(f"{len(files)} pages. Open   {folder / 'index.html'}", markup=False, soft_wrap=True)


@app.command()
def lock(
    which: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these rules.")] = None,
    same_version: Annotated[
        bool, typer.Option("--same-version", help="Only wording or cases changed, not what the rule finds.")
    ] = False,
) -> None:
    """Write down what content the shipped rules' versions stand for; a changed rule needs a higher version."""
    from audits.rules.engine.loading import load_rules  # noqa: PLC0415
    from audits.rules.lock import lock as write  # noqa: PLC0415

    rules = load_rules()
    only = [_one(one, rules).id for one in which or ()]
    locked = write(rules, only=only, same_version=same_version)
    for drift in locked:
        out.print(f"{drift.rule_id} {drift.what}: locked", markup=False)
    if not locked:
        out.print("Every rule is what was locked.")


@app.command()
def adequacy(
    which: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Rules; without any, all.")] = None,
    book: _BookFolder = None,
) -> None:
    """Change each rule a little, again and again, and see whether its cases notice. Takes seconds a rule.

    Exit code 1 where a changed comparison or limit goes unnoticed.
    """
    from audits.rules.adequacy import adequacy_of  # noqa: PLC0415
    from audits.rules.cases import DuckStage  # noqa: PLC0415

    law, rules = _chosen(which, book)
    table = _plain_table("Rule", "Title", "Comparisons", "Limits", "Windows", "Joins", "Nulls", "Logic", "Noticed")
    survivors = []
    stage = DuckStage()
    for rule in rules:
        score = adequacy_of(rule, law, stage)
        shares = [f"{killed}/{made}" if made else "" for killed, made in score.by_kind().values()]
        table.add_row(rule.id, escape(rule.spec.title), *shares, f"{score.share:.0%}")
        survivors += [(rule, mutant) for mutant in score.survivors]
    out.print(table)
    for rule, mutant in survivors:
        mark = "[red]✗[/]" if mutant.required else "[yellow]![/]"
        out.print(f"{mark} {rule.id} {escape(mutant.where)}: {escape(mutant.what)}", soft_wrap=True)
    if any(mutant.required for _, mutant in survivors):
        raise typer.Exit(1)


# ---------------------------------------------------------------- what the commands share


def _law(book: Path | None) -> tuple[Book, dict[str, Rule]]:
    from audits.rules.engine.loading import load_law  # noqa: PLC0415

    return load_law(book)


def _chosen(which: list[str] | None, book: Path | None) -> tuple[Book, list[Rule]]:
    """The book and the rules that are named by id or folder, or all."""
    from audits.rules.engine.loading import load_rule, rule_folders  # noqa: PLC0415

    law, rules = _law(book)
    if not which:
        return law, list(rules.values())
    chosen = []
    for one in which:
        folder = Path(one)
        if folder.is_dir():
            folders = [folder] if (folder / "rule.yaml").is_file() else rule_folders(folder)
            if not folders:
                raise AuditsError(f"There is no rule in {folder}.", where=one, fix="Name a folder with a rule.yaml.")
            chosen += [load_rule(found.resolve()) for found in folders]
        else:
            chosen.append(_one(one, rules))
    return law, chosen


def _one(rule_id: str, rules: dict[str, Rule]) -> Rule:
    if rule := rules.get(rule_id.upper()):
        return rule
    raise unknown("rule", rule_id, list(rules), where="ID", fix="`audits rules list` names all of them.")


def _row(rule: Rule, law: Book, day: Any) -> dict[str, Any]:
    spec = rule.spec
    return {
        "rule_id": rule.id,
        "title": spec.title,
        "unit": spec.units[0],
        "units": list(spec.units),
        "status": law.rule_status(rule.id, day),
        "version": rule.version,
        "severity": spec.severity,
        "families": list(spec.families),
        "tiers": [row.tier for row in law.limits(rule.id, day, day)],
    }


def _tiers_of(tiers: Sequence[str], every: Sequence[str]) -> str:
    """The tiers that a rule judges, in as few words as they take."""
    without = [tier for tier in every if tier not in tiers]
    if not without:
        return "all"
    return f"not {without[0]}" if len(without) == 1 and tiers else ", ".join(tiers) or "none"


def _described(rule: Rule, law: Book, day: Any) -> dict[str, Any]:
    return {
        **_row(rule, law, day),
        **{name: value for name, value in rule.spec.model_dump(mode="json").items() if name not in ("id", "status")},
        "version": rule.version,
        "clauses": [clause.id for clause in law.clauses(rule.spec.families, day)],
        "limits": {row.tier: dict(row.values) for row in law.limits(rule.id, day, day)},
    }


def _flat(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def _plain_table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name)
    return table
