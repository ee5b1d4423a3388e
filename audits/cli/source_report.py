"""What a load did, for a person and for a script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.table import Table

from audits.cli.console import Format, out
from audits.display import json_text, plain

if TYPE_CHECKING:
    from audits.sources.load import LoadReport


def print_reports(reports: Sequence[LoadReport], shape: Format, loaded: str) -> None:
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


def _nothing(report: LoadReport) -> list[str]:
    """Which files, or whether the source as a whole, had no rows."""
    if report.empty:
        return [f"No rows in {', '.join(report.empty)}: nothing was loaded from there."]
    return [] if report.read else ["The source has no rows: nothing was loaded."]


def _print_notes(report: LoadReport) -> None:
    from audits.warehouse.bucket_overlaps import WHAT_COUNTS, WHAT_TO_DO, WHAT_TO_KEEP  # noqa: PLC0415

    notes = _nothing(report)
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
    if report.removed:
        notes.append(f"{report.removed:,} rows of earlier loads that are not among these rows were removed.")
    if report.beside:
        notes.append(
            f"{report.beside:,} rows of earlier loads lie between the first and the last of these rows and are not "
            "among them. If these files correct them, both count: load again with --replace."
        )
    if report.outdated:
        notes.append(
            f"{report.outdated:,} buckets hold less than what is there, as an earlier export of the same time does; "
            "what is there was kept. If they are corrections, delete those rows of bucket_parts first."
        )
    notes += [f"{one[:1].upper()}{one[1:]}. {WHAT_COUNTS}. {WHAT_TO_DO}." for one in report.overlapping]
    notes += [f"{one[:1].upper()}{one[1:]}. {WHAT_TO_KEEP}." for one in report.shared]
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
        "beside": report.beside,
        "overlapping": report.overlapping,
        "shared": report.shared,
        "removed": report.removed,
        "already_there": report.already_there,
        "ignored": report.ignored,
        "ignored_by_kind": dict(sorted(report.not_requests.items())),
        "rejected": [
            {"column": column, "reason": reason, "rows": rows, "first_at": report.examples[column, reason].position}
            for (column, reason), rows in sorted(report.rejected.items())
        ],
        "unmapped": report.unmapped,
        "unknown_accounts": report.unknown_accounts,
        "empty": report.empty,
        "not_recorded": list(report.not_recorded),
        "first": _instant(report.first),
        "last": _instant(report.last),
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
