"""Every id stands for one thing."""

from __future__ import annotations

from collections.abc import Iterator

from audits.policy.errors import Problem
from audits.policy.folder import Document, Folder

_WITH_IDS = {"tiers": "tiers", "clauses": "clauses", "subscriptions": "subscriptions", "exceptions": "exceptions"}


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Ids of tiers, clause versions, subscriptions and exceptions that are given twice."""
    for kind, listing in _WITH_IDS.items():
        seen: dict[str, tuple[Document, int]] = {}
        for document in folder.of(kind):
            for index, row in enumerate(document.data.get(listing, ())):
                if row is None:
                    continue
                if row["id"] not in seen:
                    seen[row["id"]] = document, index
                    continue
                before, at = seen[row["id"]]
                line = before.problem((listing, at, "id"), "").line
                place = f"line {line}" if before is document else f"{before.name}, line {line}"
                yield document.problem(
                    (listing, index, "id"),
                    f"The id '{row['id']}' is taken already ({place}).",
                    allowed="an id of its own",
                )
