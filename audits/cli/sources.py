"""`audits source`: what usage can be loaded from, a look at it before, and the load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from audits.cli.console import Format, clock, format_option, out, progress, whole_number
from audits.cli.source_report import print_reports
from audits.display import json_text
from audits.errors import AuditsError
from audits.settings import Settings, geo_folder, hashing_salt

if TYPE_CHECKING:
    from audits.sources.base import Source

app = typer.Typer(no_args_is_help=True)

KINDS = {
    "litellm": ("LiteLLM's spend logs in PostgreSQL", "postgresql://reader@db/litellm"),
    "otel": ("OpenTelemetry spans, as OTLP JSON lines", "spans.jsonl --account-attribute ID"),
    "file": ("CSV or Parquet files, with a mapping", "usage.csv --mapping usage.yaml"),
    "openai": ("OpenAI's usage export, in buckets", "usage.json"),
    "anthropic": ("Anthropic's usage report, in buckets", "usage_report.json"),
}
EXAMPLE = """\
system: my-gateway
columns:
  event_ts: {column: started, time: "%d/%m/%Y %H:%M:%S"}
  account_id: org
  input_tokens: prompt_tokens
  output_tokens: completion_tokens
  duration_ms: {column: seconds, factor: 1000}
  client_ip_hash: {column: ip, hash: address}
  operation: {value: chat}
  model_requested: model
  status_code: {value: 200}
  content_available: {value: false}"""

_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "--mapping": ("file",),
    "--account-attribute": ("otel",),
    "--trust-sessions": ("litellm",),
    "--since": ("litellm",),
    "--system": ("litellm", "otel", "openai", "anthropic"),
}
_INSTEAD = {("--system", "file"): "Leave it out: the mapping says `system`."}

Kind = Annotated[str, typer.Argument(metavar="SOURCE", help=f"One of {', '.join(KINDS)}.")]
Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, or the URL of LiteLLM's database.")]
MappingFiles = Annotated[
    list[Path] | None,
    typer.Option("--mapping", "-m", help="file: the YAML that maps its columns; several fill several tables."),
]
AccountAttribute = Annotated[
    str | None, typer.Option(help="otel: the attribute of the span or its resource that names the account.")
]
TrustSessions = Annotated[
    bool, typer.Option("--trust-sessions", help="litellm: clients send UUIDs as session ids of their own.")
]
Since = Annotated[
    str | None, typer.Option(help="litellm: read from this instant on.", show_default="two days before the newest")
]
System = Annotated[str | None, typer.Option(help="Not file: tell several of a kind apart; what source_system says.")]
Shape = Annotated[Format, format_option(Format.table, Format.json)]


@app.command("list")
def list_sources(shape: Shape = Format.table) -> None:
    """List what usage can be loaded from."""
    if shape is not Format.table:
        typer.echo(json_text([{"source": name, "reads": reads} for name, (reads, _) in KINDS.items()], indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Source", "Reads", "Input, for example"):
        table.add_column(heading)
    for name, (reads, inputs) in KINDS.items():
        table.add_row(name, reads, inputs)
    out.print(table)
    out.print("\nA mapping for [bold]file[/]; left the contract's column, right where it comes from:\n")
    out.print(EXAMPLE, markup=False, style="dim")
    out.print("\nNext   audits source check SOURCE INPUT", markup=False)


@app.command()
def check(
    kind: Kind,
    inputs: Inputs,
    mapping: MappingFiles = None,
    account_attribute: AccountAttribute = None,
    trust_sessions: TrustSessions = False,
    since: Since = None,
    system: System = None,
    rows: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole_number("--rows", low=1, example=10_000), help="How many rows to look at."
        ),
    ] = 10_000,
    shape: Shape = Format.table,
) -> None:
    """Look at the first rows of a source and say what a load would make of them; nothing is written."""
    from audits.sources.load import preview  # noqa: PLC0415 - keeps `audits --help` quick

    sources = _sources(kind, inputs, mapping, account_attribute, trust_sessions, since, system)
    reports = [preview(source, rows=rows, now=clock(None)) for source in sources]
    print_reports(reports, shape, "Would load")
    if shape is Format.table:
        out.print(f"\nNext   audits source load {kind} ...", markup=False)
    if any(report.n_rejected for report in reports):
        raise typer.Exit(1)


@app.command()
def load(
    kind: Kind,
    inputs: Inputs,
    mapping: MappingFiles = None,
    account_attribute: AccountAttribute = None,
    trust_sessions: TrustSessions = False,
    since: Since = None,
    system: System = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="file: remove what the files no longer have between their first and last row."),
    ] = False,
    now: Annotated[str | None, typer.Option(help="Load as if it were this instant.", show_default="the clock")] = None,
    shape: Shape = Format.table,
) -> None:
    """Bring a source's rows into the warehouse; running it again adds only what is new.

    Rows that do not fit are set aside in the table rejected_rows, and the exit code is then 1; the others are in.
    """
    from audits.sources.load import load as load_source  # noqa: PLC0415

    sources = _sources(kind, inputs, mapping, account_attribute, trust_sessions, since, system)
    if replace:
        _require_replaceable(kind, sources)
    url = Settings.from_env().warehouse_url
    with progress() as tell:
        reports = [
            load_source(
                source,
                url,
                now=clock(now),
                tell=lambda so_far: tell(f"{so_far.system}: {so_far.read:,} rows read, {so_far.loaded:,} loaded"),
                replace=replace,
            )
            for source in sources
        ]
    print_reports(reports, shape, "Loaded")
    if shape is Format.table:
        last = max((report.last for report in reports if report.last), default=None)
        later = "" if last is None or f"{last:%Y-%m}" < f"{clock():%Y-%m}" else ", once the month is over"
        following = f"audits run --period {last:%Y-%m}{later}" if last else "audits doctor"
        out.print(f"\nNext   {following}", markup=False)
    if any(report.n_rejected for report in reports):
        raise typer.Exit(1)


def _require_replaceable(kind: str, sources: Sequence[Source]) -> None:
    """Refuse --replace for what has no id of its own source for every row, and for two mappings of one source."""
    filled = [(source.system, source.table.name) for source in sources]
    if kind != "file" or any(table != "usage_events" for _, table in filled):
        raise AuditsError(
            "--replace is for files of single requests only.", where="--replace",
            fix="Leave it out: what is loaded into other tables, or from other sources, replaces its own rows.",
        )  # fmt: skip
    if len(set(filled)) < len(filled):
        raise AuditsError(
            "With --replace the second mapping of a source would remove what the first one brings.",
            where="--replace, --mapping", fix="Load each with a `system` of its own, or all files with one mapping.",
        )  # fmt: skip


def _sources(
    kind: str,
    inputs: list[str],
    mappings: list[Path] | None,
    account_attribute: str | None,
    trust_sessions: bool,
    since: str | None,
    system: str | None,
) -> list[Source]:
    """One source, or one for each mapping of a file: all mappings are read before anything is loaded."""
    given = {
        "--mapping": bool(mappings),
        "--account-attribute": account_attribute is not None,
        "--trust-sessions": trust_sessions,
        "--since": since is not None,
        "--system": system is not None,
    }
    for option, kinds in _ONLY_FOR.items():
        if given[option] and kind in KINDS and kind not in kinds:
            raise AuditsError(
                f"{option} means nothing to the source {kind}.",
                where=f"{option}, SOURCE {kind}",
                fix=_INSTEAD.get((option, kind), f"Leave it out: it belongs to {' and '.join(kinds)}."),
            )
    each: list[Path | None] = [*mappings] if mappings else [None]
    return [_source(kind, inputs, one, account_attribute, trust_sessions, since, system) for one in each]


def _source(
    kind: str,
    inputs: list[str],
    mapping: Path | None,
    account_attribute: str | None,
    trust_sessions: bool,
    since: str | None,
    system: str | None,
) -> Source:
    from audits.features.hashing import Hasher  # noqa: PLC0415

    hasher, paths = Hasher(hashing_salt()), [Path(name) for name in inputs]
    match kind:
        case "litellm":
            from audits.features.geo import Geo  # noqa: PLC0415
            from audits.sources.litellm import LiteLLM  # noqa: PLC0415

            if len(inputs) != 1:
                raise AuditsError("litellm takes one database.", where="INPUT", fix="Run the command once for each.")
            geo = geo_folder()
            return LiteLLM(
                inputs[0],
                hasher,
                None if since is None else clock(since, "--since"),
                trust_sessions,
                system or kind,
                Geo(Path(geo)) if geo else None,
            )
        case "otel":
            from audits.sources.otel import Otel  # noqa: PLC0415

            return Otel(paths, account_attribute, system or kind)
        case "file":
            from audits.sources.file import File  # noqa: PLC0415
            from audits.sources.file_mapping import read_mapping  # noqa: PLC0415

            if mapping is None:
                raise AuditsError("A file needs a mapping.", where="--mapping", fix="`audits source list` shows one.")
            return File(paths, read_mapping(mapping), hasher)
        case "openai" | "anthropic":
            from audits.sources.buckets import Buckets, anthropic_row, openai_row  # noqa: PLC0415

            return Buckets(paths, openai_row if kind == "openai" else anthropic_row, system or kind)
    raise AuditsError(f"There is no source {kind!r}.", where="SOURCE", fix=f"Name one of {', '.join(KINDS)}.")
