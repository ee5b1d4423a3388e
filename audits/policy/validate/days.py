"""An entry ends after it begins."""

from __future__ import annotations

from collections.abc import Iterator

from audits.policy.entries import entries
from audits.policy.errors import Problem
from audits.policy.folder import Folder


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Entries whose effective_to is not after their effective_from."""
    for document in folder.documents:
        for entry in entries(document.kind.name, document.data):
            if entry.to_day is not None and entry.to_day <= entry.from_day:
                yield document.problem(
                    (*entry.path, "effective_to"),
                    f"This entry ends on {entry.to_day}, before it is in force for a day (from {entry.from_day}).",
                    allowed="a day after effective_from; the end itself no longer belongs to the entry",
                )
