"""A rule's limits are the parameters that the rule declares, each of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audits.errors import closest
from audits.policy.errors import Problem
from audits.policy.folder import Document, Folder
from audits.policy.kinds import KINDS, misfit
from audits.policy.shapes import Path
from audits.policy.validate import Parameters


def check(folder: Folder, parameters: Parameters | None) -> Iterator[Problem]:
    """Unknown, missing and misfitting parameters of the rules whose declaration is known."""
    for document in folder.of("limits"):
        rule = document.data.get("rule")
        declared = (parameters or {}).get(rule or "")
        if declared is None:
            continue
        rows = document.data.get("limits") or ()
        for index, row in enumerate(rows):
            if row is not None:
                yield from _row(document, ("limits", index), row, declared)
        if document.whole:
            named = {row["limit"] for row in rows}
            meant = {
                closest(name, tuple(declared)) for name in named - declared.keys()
            }  # misspelt, not missing as well
            for name in declared.keys() - named - meant:
                yield document.problem(
                    ("limits",),
                    f"{rule} needs a limit '{name}', which is not here.",
                    at="key",
                    allowed=f"{name}: {KINDS[declared[name]].words}",
                )


def _row(document: Document, path: Path, row: Mapping[str, Any], declared: Mapping[str, str]) -> Iterator[Problem]:
    name = row["limit"]
    if name not in declared:
        yield document.problem(
            (*path, "limit"),
            f"The rule has no limit '{name}'.",
            allowed=", ".join(declared),
            suggestion=closest(name, tuple(declared)),
        )
        return
    kind = declared[name]
    values = row.get("tiers") or {None: row.get("value")}
    for tier, value in values.items():
        if wrong := misfit(value, kind):
            at = (*path, "value") if tier is None else (*path, "tiers", tier)
            yield document.problem(at, f"{value!r} {wrong}.", allowed=f"for {name}, {KINDS[kind].words}")
