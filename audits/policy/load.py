"""From a folder of YAML files to a :class:`Book`, with every problem of the folder named at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from audits.policy.errors import PolicyError
from audits.policy.folder import Folder, read_folder
from audits.policy.layout import FILE_KINDS
from audits.policy.model import Book
from audits.policy.validate import Parameters, find_problems

SHIPPED = Path(__file__).parent / "book"


def load_book(
    path: Path | None = None, parameters: Parameters | None = None, own_rules: Mapping[str, str] | None = None
) -> Book:
    """Read and validate a policy book; None is the one that is shipped with the package.

    ``parameters`` gives the catalogue's rules with the kind of each of their parameters (``{"R05": {"share_min":
    "share"}}``); limits are then held against them. ``own_rules`` are the digests of the operator's own rules by id,
    which are part of the book and of its digest. Raises :class:`PolicyError` with all problems.
    """
    if path is None and parameters is None:
        return _shipped()
    return _load(path or SHIPPED, parameters, own_rules)


@cache
def _shipped() -> Book:
    return _load(SHIPPED, None, None)


def _load(root: Path, parameters: Parameters | None, own_rules: Mapping[str, str] | None) -> Book:
    folder = read_folder(root)
    problems = find_problems(folder, parameters)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise PolicyError(
            f"The policy book has {count}.",
            where=str(root),
            fix=f"Correct the files, then run `audits policy check {root}`.",
            problems=problems,
        )
    snapshot = snapshot_of(folder)
    return Book({**snapshot, "own_rules": dict(own_rules)} if own_rules else snapshot)


def snapshot_of(folder: Folder) -> dict[str, Any]:
    """The folder's content as plain JSON data in which neither the order of files nor that of entries counts."""
    snapshot: dict[str, Any] = {}
    for kind in FILE_KINDS:
        if kind.many:
            snapshot[kind.name] = {d.data[kind.many]: _canonical(d.data) for d in folder.of(kind.name)}
        else:
            found = folder.of(kind.name)
            data: dict[str, Any] = found[0].data if found else {kind.mark: []}
            snapshot[kind.name] = _canonical(data)
    return snapshot


def _canonical(data: Mapping[str, Any]) -> dict[str, Any]:
    """Dated entries in a fixed order; other lists as they are, since their order may mean something (tiers' rank)."""
    return {key: _sorted(value) if isinstance(value, list) else value for key, value in data.items()}


def _sorted(rows: list[Any]) -> list[Any]:
    dated = all(isinstance(row, dict) and "effective_from" in row for row in rows)
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True)) if dated else rows
