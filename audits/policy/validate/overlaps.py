"""For one thing, one entry is in force at a time, and none is missing between two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from audits.policy.entries import Key, label
from audits.policy.errors import Problem
from audits.policy.folder import Folder
from audits.policy.shapes import Path
from audits.policy.timeline import FOREVER
from audits.policy.validate.dated import Placed, dated

_BY_ID = {"subscription", "exception"}  # each stands for itself; their ids are checked elsewhere
_GAP_ELSEWHERE = {"limit"}  # a limit may be missing where its rule is not in force


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Overlaps and gaps of entries with the same key; tiers that share an entry are named together."""
    by_key: dict[Key, list[Placed]] = defaultdict(list)
    for placed in dated(folder):
        if placed[1].key[0] not in _BY_ID:
            by_key[placed[1].key].append(placed)
    found: dict[tuple[str, Path, str, Path], list[tuple[Placed, Placed]]] = defaultdict(list)
    for group in by_key.values():
        group.sort(key=lambda placed: (placed[1].from_day, placed[1].path))
        longest = group[0]
        for later in group[1:]:
            found[later[0].name, later[1].path, longest[0].name, longest[1].path].append((longest, later))
            longest = max(longest, later, key=lambda placed: placed[1].to_day or FOREVER)
    for pairs in found.values():
        yield from _judge(pairs)


def _judge(pairs: list[tuple[Placed, Placed]]) -> Iterator[Problem]:
    (earlier_document, earlier), (document, later) = pairs[0]
    what = label(*(pair[1][1].key for pair in pairs))
    at = (*later.path, "effective_from")
    if earlier.to_day is None or earlier.to_day > later.from_day:
        line = earlier_document.problem(earlier.path, "").line
        place = f"line {line}" if earlier_document is document else f"{earlier_document.name}, line {line}"
        until = f"until {earlier.to_day}" if earlier.to_day else "without an end"
        yield document.problem(
            at,
            f"Two entries are in force at once for {what}: this one, and the one of {place} {until}.",
            allowed=f"effective_to: {later.from_day} on the earlier entry, or a later effective_from here",
        )
    elif earlier.to_day < later.from_day and later.key[0] not in _GAP_ELSEWHERE and document.whole:
        yield document.problem(
            at,
            f"Nothing is in force for {what} from {earlier.to_day} to {later.from_day}.",
            allowed=f"effective_from: {earlier.to_day}, or an entry for the days between",
        )
