"""Tiers, rules and packs that are named exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audits.errors import closest
from audits.policy.errors import Problem
from audits.policy.folder import Folder
from audits.policy.validate import Parameters

CATALOGUE = tuple(f"R{number:02d}" for number in range(1, 30))


def check(folder: Folder, parameters: Parameters | None) -> Iterator[Problem]:
    """Names that refer to nothing; tiers only where the list of tiers itself could be read."""
    known: dict[str, Sequence[str]] = {
        "rule": tuple(dict.fromkeys((*CATALOGUE, *(parameters or ())))),
        "pack": folder.stems("clauses"),
    }
    if tiers := known_tiers(folder):
        known["tier"] = tiers
    for document in folder.documents:
        for to, name, path in document.names:
            if to in known and name not in known[to]:
                yield document.problem(
                    path,
                    f"There is no {to} '{name}'.",
                    at="key" if path[-1] == name else "value",
                    allowed=_listed(known[to]),
                    suggestion=closest(name, known[to]),
                )


def known_tiers(folder: Folder) -> tuple[str, ...]:
    """The tiers of the book by id, or none where the list of tiers could not be read whole."""
    tiers = [row for document in folder.of("tiers") for row in document.data.get("tiers", ())]
    return () if None in tiers else tuple(row["id"] for row in tiers)


def _listed(names: Sequence[str]) -> str:
    if tuple(names[: len(CATALOGUE)]) == CATALOGUE:
        return ", ".join(("R01 to R29", *names[len(CATALOGUE) :]))
    return ", ".join(names)
