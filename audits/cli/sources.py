"""`audits source`: what usage can be loaded from, a look at it before, and the load."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import Format, clock, format_option, out, progress
from audits.display import json_text, plain
from audits.errors import AuditsError
from audits.settings import Settings, geo_folder, hashing_salt

if TYPE_CHECKING:
    from audits.sources.base import Source
    from audits.sources.load import LoadReport

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
System = Annotated[str | None, typer.Option(help="Tell several of a kind apart: what source_system says.")]
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
    rows: Annotated[int, typer.Option(min=1, help="How many rows to look at.")] = 10_000,
    shape: Shape = Format.table,
) -> None:
    """Look at the first rows of a source and say what a load would make of them; nothing is written."""
    from audits.sources.load import preview  # noqa: PLC0415 - keeps `audits --help` quick

    sources = _sources(kind, inputs, mapping, account_attribute, trust_sessions, since, system)
    reports = [preview(source, rows=rows, now=clock(None)) for source in sources]
    _print(reports, shape, "Would load")
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
    now: Annotated[str | None, typer.Option(help="Load as if it were this instant.", show_default="the clock")] = None,
    shape: Shape = Format.table,
) -> None:
    """Bring a source's rows into the warehouse; running it again adds only what is new.

    Rows that do not fit are set aside in the table rejected_rows, and the exit code is then 1; the others are in.
    """
    from audits.sources.load import load as load_source  # noqa: PLC0415

    sources = _sources(kind, inputs, mapping, account_attribute, trust_sessions, since, system)
    url = Settings.from_env().warehouse_url
    with progress() as tell:
        reports = [
            load_source(
                source,
                url,
                now=clock(now),
                tell=lambda so_far: tell(f"{so_far.system}: {so_far.read:,} rows read, {so_far.loaded:,} loaded"),
            )
            for source in sources
        ]
    _print(reports, shape, "Loaded")
    if shape is Format.table:
        last = max((report.last for report in reports if report.last), default=None)
        out.print(f"\nNext   {f'audits run --period {last:%Y-%m}' if last else 'audits doctor'}", markup=False)
    if any(report.n_rejected for report in reports):
        raise typer.Exit(1)


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
                clock(since, "--since") if since else None,
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


def _print(reports: Sequence[LoadReport], shape: Format, loaded: str) -> None:
    """One object as JSON, or a list of them where several mappings were given."""
    if shape is not Format.table:
        found = [_as_json(report) for report in reports]
        typer.echo(json_text(found[0] if len(found) == 1 else found, indent=2))
        return
    for number, report in enumerate(reports):
        if number:
            out.print()
        _print_one(report, loaded)


def _print_one(report: LoadReport, loaded: str) -> None:
    span = f"{report.first:%-d %b %Y %H:%M} to {report.last:%-d %b %Y %H:%M} UTC" if report.first else ""
    out.print(f"[bold]{escape(plain(report.system))}[/] into {report.table}{span and f', {span}'}\n")
    counts = Table(box=None, pad_edge=False, header_style="bold")
    figures = {
        "Read": report.read,
        loaded: report.loaded,
        "There already": report.already_there,
        "Not requests": report.ignored,
        "Set aside": report.n_rejected,
    }
    for heading in figures:
        counts.add_column(heading, justify="right")
    counts.add_row(*(f"{figure:,}" for figure in figures.values()))
    out.print(counts)
    if report.rejected:
        _print_rejects(report)
    _print_notes(report)


def _print_rejects(report: LoadReport) -> None:
    from audits.sources.privacy import redacted  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", title="\nSet aside, in the table rejected_rows",
                  title_justify="left", title_style="bold red")  # fmt: skip
    table.add_column("Rows", justify="right")
    for heading in ("Column", "Holds", "First at", "Of the form"):
        table.add_column(heading, overflow="fold")
    for (column, reason), rows in sorted(report.rejected.items(), key=lambda entry: (-entry[1], entry[0])):
        first = report.examples[column, reason]
        form = "" if first.reject.value is None else redacted(first.reject.value)
        table.add_row(f"{rows:,}", *(escape(plain(text)) for text in (column, reason, first.position, form)))
    out.print(table)


def _print_notes(report: LoadReport) -> None:
    notes = []
    if report.not_requests:
        kinds = sorted(report.not_requests.items(), key=lambda entry: (-entry[1], entry[0]))
        notes.append("Not requests to a model: " + ", ".join(f"{kind} ({rows:,})" for kind, rows in kinds))
    if report.replaced:
        notes.append(
            f"{report.replaced:,} rows of earlier loads were replaced or removed: the same ids, read otherwise now. "
            "If they were other requests, the ids repeat from file to file: leave event_id out of the mapping."
        )
    if report.conflicting:
        notes.append(
            f"{report.conflicting:,} rows repeat the id of another row in this load with different content; the last "
            "one counts. If they are separate requests, the column is not an id: leave event_id out of the mapping."
        )
    if report.settled:
        notes.append(
            f"{report.settled:,} rows that an earlier load rejected fit now and are no longer counted as rejected."
        )
    if report.outdated:
        notes.append(
            f"{report.outdated:,} buckets hold less than what is there, as an earlier export of the same time does; "
            "what is there was kept. If they are corrections, delete those rows of bucket_parts first."
        )
    if report.unmapped:
        notes.append(f"{report.unmapped:,} rows name no account; they count as UNMAPPED.")
    if report.unknown_accounts:
        most = sorted(report.unknown_accounts.items(), key=lambda entry: (-entry[1], entry[0]))[:5]
        shown = ", ".join(f"{account} ({rows:,})" for account, rows in most)
        more = ", ..." if len(report.unknown_accounts) > len(most) else ""
        notes.append(f"Accounts that the table accounts lacks, with their rows: {shown}{more}")
    if report.not_recorded:
        notes.append(f"Not recorded, so that rules that need them are not evaluated: {', '.join(report.not_recorded)}")
    if notes:
        out.print()
    for note in notes:
        out.print(f"[yellow]note[/] {escape(plain(note))}")


def _as_json(report: LoadReport) -> dict[str, Any]:
    return {
        "system": report.system,
        "table": report.table,
        "read": report.read,
        "loaded": report.loaded,
        "replaced": report.replaced,
        "settled": report.settled,
        "conflicting": report.conflicting,
        "outdated": report.outdated,
        "already_there": report.already_there,
        "ignored": report.ignored,
        "ignored_by_kind": dict(sorted(report.not_requests.items())),
        "rejected": [
            {"column": column, "reason": reason, "rows": rows, "first_at": report.examples[column, reason].position}
            for (column, reason), rows in sorted(report.rejected.items())
        ],
        "unmapped": report.unmapped,
        "unknown_accounts": report.unknown_accounts,
        "not_recorded": list(report.not_recorded),
        "first": _instant(report.first),
        "last": _instant(report.last),
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
