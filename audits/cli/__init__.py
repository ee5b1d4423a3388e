"""The command line: one file a command group, each thin; what a user can put right is said in three lines."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from audits.cli.backtest import backtest
from audits.cli.demo import demo
from audits.cli.doctor import doctor
from audits.cli.evaluate import evaluate
from audits.cli.features import features
from audits.cli.findings import findings
from audits.cli.policy import app as policy
from audits.cli.report import report, verify
from audits.cli.rules import app as rules
from audits.cli.run import backfill, run
from audits.cli.sources import app as sources
from audits.cli.standing import standing
from audits.errors import AuditsError

app = typer.Typer(
    name="audits",
    help="Audits the use of an AI-model API against its terms, period by period.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.command("run")(run)
app.command("backfill")(backfill)
app.command("backtest")(backtest)
app.command("findings")(findings)
app.command("standing")(standing)
app.command("report")(report)
app.command("verify")(verify)
app.command("evaluate")(evaluate)
app.command("doctor")(doctor)
app.add_typer(rules, name="rules", help="List, show, check and write rules.")
app.add_typer(policy, name="policy", help="Check, show, compare, copy and calibrate the policy book.")
app.command("features")(features)
app.add_typer(sources, name="source", help="Load usage from LiteLLM, OpenTelemetry or files.")


def main() -> None:
    """Run the command line; errors that a user can put right end it with their own exit code, never a traceback."""
    try:
        app()
    except AuditsError as error:
        say = Console(stderr=True, soft_wrap=True)
        say.print(f"[bold red]Error[/] {escape(error.what)}")
        if error.where:
            say.print(f"  [dim]where[/] {escape(error.where)}")
        if error.fix:
            say.print(f"  [dim]do[/]    {escape(error.fix)}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. What was finished is kept; the same command goes on from there.")
        sys.exit(130)
