"""A clause version that supersedes another takes over from it: the other exists, ends there, and no circle closes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audits.errors import closest
from audits.policy.entries import Entry
from audits.policy.errors import Problem
from audits.policy.folder import Document, Folder
from audits.policy.validate.dated import Placed, dated


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Dangling, circular and badly timed references between clause versions."""
    by_id: dict[str, Placed] = {placed[1].fields["id"]: placed for placed in dated(folder, "clauses")}
    for clause, (document, entry) in by_id.items():
        before = entry.fields.get("supersedes")
        if before is None:
            continue
        at = (*entry.path, "supersedes")
        if before not in by_id:
            if folder.whole("clauses"):
                others = sorted(by_id.keys() - {clause})
                yield document.problem(
                    at,
                    f"There is no clause '{before}' to supersede.",
                    allowed="the id of another clause version",
                    suggestion=closest(before, others),
                )
        elif (circle := _circle(clause, by_id)) is not None:
            if clause == min(circle):
                yield document.problem(
                    at,
                    f"These clauses supersede each other in a circle: {' -> '.join((*circle, circle[0]))}.",
                    allowed="the version before, never a later one",
                )
        else:
            yield from _handover(document, entry, by_id[before][1])


def _circle(start: str, by_id: Mapping[str, Placed]) -> list[str] | None:
    """The circle that a clause is part of, from it on, if it is."""
    path: list[str] = [start]
    while (before := by_id[path[-1]][1].fields.get("supersedes")) in by_id:
        if before in path:
            return path if before == start else None
        path.append(str(before))
    return None


def _handover(document: Document, entry: Entry, before: Entry) -> Iterator[Problem]:
    if before.key != entry.key and before.to_day != entry.from_day:  # the same key is judged with all overlaps and gaps
        ends = f"ends on {before.to_day}" if before.to_day else "has no end"
        yield document.problem(
            (*entry.path, "effective_from"),
            f"This version begins on {entry.from_day}, but '{before.fields['id']}', which it supersedes, {ends}.",
            allowed="the day on which the version before ends",
        )
