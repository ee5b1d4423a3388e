"""A file with one rule or one pack is named after it."""

from __future__ import annotations

from collections.abc import Iterator

from audits.policy.errors import Problem
from audits.policy.folder import Folder


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Files whose name is not that of their content; so no rule or pack can stand in two files."""
    for document in folder.documents:
        key = document.kind.many
        if key and document.misnamed:
            right = document.kind.place.format(document.data[key])
            yield document.problem(
                (key,),
                f"This file is called {document.stem}, but it has {key} {document.data[key]}.",
                allowed=f"{key}: {document.stem}, or the file name {right}",
            )
