"""Settings, standings and quality limits are in force on every day from the book's first day on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from audits.policy.entries import Key, label
from audits.policy.errors import Problem
from audits.policy.folder import Folder
from audits.policy.kinds import SEVERITIES
from audits.policy.names import QUALITY_CHECKS
from audits.policy.timeline import FOREVER
from audits.policy.validate.dated import Placed, dated

_WANTED: tuple[tuple[str, str, Key, str], ...] = (
    ("book", "settings", ("settings",), "an entry with the settings"),
    *(("book", "standing", ("standing", s), f"an entry with severity: {s}") for s in SEVERITIES),
    *(("quality", "checks", ("quality", c), f"an entry with check: {c}") for c in QUALITY_CHECKS),
)


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Keys that are missing altogether, begin after the book does, or end with nothing after."""
    placed = list(dated(folder, "book", "quality"))
    begins = min((entry.from_day for _, entry in placed if entry.key == ("settings",)), default=None)
    for kind, listing, key, wanted in _WANTED:
        for document in folder.of(kind):
            found = [one for one in placed if one[1].key == key]
            if document.whole and not found:
                yield document.problem((listing,), f"Nothing is in force for {label(key)}.", at="key", allowed=wanted)
            elif document.whole and begins:
                yield from _ends(found, begins)


def _ends(found: list[Placed], begins: date) -> Iterator[Problem]:
    first = min(found, key=lambda placed: placed[1].from_day)
    last = max(found, key=lambda placed: placed[1].to_day or FOREVER)
    starts = first[1].from_day
    if starts > begins:
        yield first[0].problem(
            (*first[1].path, "effective_from"),
            f"Nothing is in force for {label(first[1].key)} from {begins}, when the settings begin, to {starts}.",
            allowed=f"effective_from: {begins}, or an entry for the days before",
        )
    if last[1].to_day is not None:
        yield last[0].problem(
            (*last[1].path, "effective_to"),
            f"Nothing is in force for {label(last[1].key)} from {last[1].to_day} on.",
            allowed="no effective_to here, or an entry from that day on",
        )
