"""`audits features`: what the audit may know of requests, from files of their bodies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from audits.cli.console import err
from audits.errors import AuditsError
from audits.settings import geo_folder, hashing_salt, topics_file

if TYPE_CHECKING:
    from audits.sources.requests import FeatureReport


def features(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Requests as JSON lines, plain or .gz.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .jsonl or .parquet file.", show_default="standard output")
    ] = None,
    id_field: Annotated[str | None, typer.Option("--id", help="The field with a request's id, which is kept.")] = None,
    key_field: Annotated[str | None, typer.Option("--key", help="The field with its key, which is hashed.")] = None,
    address_field: Annotated[
        str | None, typer.Option("--address", help="The field with its client's address, which is hashed and placed.")
    ] = None,
    topics: Annotated[
        Path | None, typer.Option(help="Your list of topics.", show_default="AUDITS_TOPICS, or the shipped one")
    ] = None,
    known: Annotated[
        Path | None, typer.Option(help="Benchmark items, one a line: a prompt that holds one scores 1.")
    ] = None,
) -> None:
    """Turn files of requests into features, without any text: digests, topic, language and scores of prompts.

    Needs AUDITS_SALT. A line is a body with messages, a prompt or an input, or a batch file's line around one. Lines
    that are not JSON are set aside, and the exit code is then 1; the others are done.
    """
    from audits.features import Extractor  # noqa: PLC0415 - keeps `audits --help` quick
    from audits.features.geo import Geo  # noqa: PLC0415
    from audits.features.topics import SHIPPED, Topics  # noqa: PLC0415
    from audits.sources.requests import Fields, JsonLines, Parquet, extract  # noqa: PLC0415

    if out is not None and out.suffix not in {".jsonl", ".parquet"}:
        raise AuditsError(f"{out.name} is neither .jsonl nor .parquet.", where="--out", fix="Name it so.")
    extractor = Extractor(hashing_salt(), Topics.read(topics or Path(topics_file() or SHIPPED)), _lines(known))
    folder = geo_folder()
    geo = Geo(Path(folder)) if folder and address_field else None
    fields = Fields(id_field, key_field, address_field)
    if out is None:
        report = extract(files, extractor, JsonLines(sys.stdout), fields, geo)
    elif out.suffix == ".parquet":
        report = extract(files, extractor, Parquet(out), fields, geo)
    else:
        with out.open("w", encoding="utf-8") as stream:
            report = extract(files, extractor, JsonLines(stream), fields, geo)
    _print(report)
    if report.set_aside:
        raise typer.Exit(1)


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AuditsError("The items cannot be read.", where=str(path), fix="Name a text file, UTF-8.") from error


def _print(report: FeatureReport) -> None:
    err.print(f"{report.written:,} requests, {report.without_prompt:,} of them without a prompt")
    for reason, lines in sorted(report.set_aside.items()):
        err.print(f"[red]set aside[/] {lines:,} lines: {escape(reason)}, first at {escape(report.first[reason])}")
