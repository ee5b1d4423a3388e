"""The dated entries of a folder with the files they stand in, for the checks that compare them."""

from __future__ import annotations

from collections.abc import Iterator

from audits.policy.entries import Entry, entries
from audits.policy.folder import Document, Folder

Placed = tuple[Document, Entry]


def dated(folder: Folder, *kinds: str) -> Iterator[Placed]:
    """Entries of some kinds of files (all, if none is named) that begin before they end, of files in their place."""
    for document in folder.documents:
        if not document.misnamed and (not kinds or document.kind.name in kinds):
            for entry in entries(document.kind.name, document.data):
                if entry.to_day is None or entry.from_day < entry.to_day:
                    yield document, entry
