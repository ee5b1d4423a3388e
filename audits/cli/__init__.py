"""The command line: one file a command group, each thin; what a user can put right is said in three lines."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from typer.exceptions import TyperException
from typer.main import get_command

from audits.cli.backtest import backtest
from audits.cli.console import err
from audits.cli.coverage import coverage
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
from audits.errors import AuditsError, closest
from audits.settings import require_known

app = typer.Typer(
    name="audits",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.command("run")(run)
app.command("backfill")(backfill)
app.command("backtest")(backtest)
app.command("findings")(findings)
app.command("coverage")(coverage)
app.command("standing")(standing)
app.command("report")(report)
app.command("verify")(verify)
app.command("evaluate")(evaluate)
app.command("doctor")(doctor)
app.add_typer(rules, name="rules", help="List, show, check and write rules.")
app.add_typer(policy, name="policy", help="Check, show, compare, copy and calibrate the policy book.")
app.command("features")(features)
app.add_typer(sources, name="source", help="Load usage from LiteLLM, OpenTelemetry or files.")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"usage-audits {version('usage-audits')}")
        raise typer.Exit


@app.callback()
def _audits(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Audits the use of an AI-model API against its terms, period by period."""
    require_known()


def main() -> None:
    """Run the command line; errors that a user can put right end it with their own exit code, never a traceback."""
    try:
        sys.exit(app(standalone_mode=False))  # or the library would print arguments as they are
    except TyperException as error:
        _fail(_of_usage(error))
    except AuditsError as error:
        _fail(error)
    except (KeyboardInterrupt, typer.Abort):
        err.print("Stopped. What was finished is kept; the same command goes on from there.")
        sys.exit(130)
    except Exception as error:
        from audits.warehouse.failures import unnamed  # noqa: PLC0415 - seldom needed

        if (told := unnamed(error)) is None:
            raise  # a fault of the service itself
        _fail(told)


_SAID = (
    (re.compile(r"Got unexpected extra argument\(s\) \((.*)\)"), r"Too many arguments: \1."),
    (re.compile(r"(Option .*) requires an argument\."), r"\1 needs a value."),
    (re.compile(r"Missing (\w+) '([^']*)'.*"), r"Missing \1: \2."),
    (re.compile(r"No such option: ([^ ]+)( \(Possible options: .*\))?"), r"There is no option \1."),
    (re.compile(r"No such (\w+) '(.*?)'\."), r"There is no \1 '\2'."),
)
"""What the library says of arguments, and how we say it."""
_NO_OPTION = re.compile(r"There is no option (\S+)\.")


def _of_usage(error: TyperException) -> AuditsError:
    """What is wrong with the arguments, as our own errors say it. Help that was printed for want of any has no text."""
    what = str(getattr(error, "format_message", error.__str__)())
    if not what:
        sys.exit(2)
    for said, ours in _SAID:
        what = said.sub(ours, what)
    context = getattr(error, "ctx", None)
    if (option := _NO_OPTION.fullmatch(what)) and context:
        known = [name for one in context.command.params for name in one.opts if name.startswith("--")]
        what += f" Did you mean {meant}?" if (meant := closest(option[1], known)) else ""
    command = " ".join(["audits", *(context.command_path.split()[1:] if context else _command_words())])
    return AuditsError(what, where=command, fix=f"Run `{command} -h` to see its arguments and options.")


def _command_words() -> list[str]:
    """The words of the command line that name a command."""
    found, command = [], get_command(app)
    for word in sys.argv[1:]:
        inner = getattr(command, "commands", {}).get(word)
        if inner is None:
            break
        found.append(word)
        command = inner
    return found


def _fail(error: AuditsError) -> NoReturn:
    def of(part: str) -> str:
        return escape(part).replace("\n", "\n        ")  # below the first line's text

    err.print(f"[bold red]Error[/] {escape(error.what)}", soft_wrap=True)
    if error.where:
        err.print(f"  [dim]where[/] {of(error.where)}", soft_wrap=True)
    if error.fix:
        err.print(f"  [dim]do[/]    {of(error.fix)}", soft_wrap=True)
    sys.exit(error.exit_code)
