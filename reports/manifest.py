"""The seal of a revision: every file with its digest, what it was made from, and the seal of the revision before.

It can be checked with nothing but the folder: no ledger, no network, no clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reports.files import MANIFEST

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was sealed."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def text_of(facts: Mapping[str, Any], folder: Path, paths: Iterable[str]) -> str:
    """The manifest of a folder: ``facts``, then path, size and SHA-256 of the files that were written for it."""
    entries = [
        {"path": path, "sha256": sha256(folder / path), "size": (folder / path).stat().st_size}
        for path in sorted(paths)
    ]
    content = {"format": FORMAT, **facts, "files": entries}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def sha256(path: Path) -> str:
    """A file's digest, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path) -> dict[str, Any] | None:
    """A folder's manifest, or None where there is none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def verify(folder: Path) -> list[Problem]:
    """Everything that is not as it was sealed: files missing, changed or extra, and a broken chain of revisions.

    The revisions before and after are compared where they lie beside this one; each has its own manifest to verify.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        return [Problem(MANIFEST, "missing: the folder was never sealed, or its seal was taken away")]
    content = read(folder)
    entries = content.get("files") if content else None
    if content is None or not isinstance(entries, list) or content.get("format") != FORMAT:
        return [Problem(MANIFEST, f"cannot be read as a manifest of format {FORMAT}")]
    problems, named = [], set()
    for entry in entries:
        path = str(entry.get("path", "")) if isinstance(entry, dict) else ""
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts:
            problems.append(Problem(MANIFEST, f"names a path that does not lie in the folder: {path!r}"))
            continue
        named.add(path)
        problems += _compared(folder, path, entry)
    problems += [Problem(path, "extra: not in the manifest") for path in sorted(set(_files(folder)) - named)]
    return problems + _chain(folder, content) + _successor(folder, content)


def _compared(folder: Path, path: str, entry: Mapping[str, Any]) -> list[Problem]:
    file = folder / path
    if file.is_symlink():
        return [Problem(path, "a link instead of a file")]
    if not file.is_file():
        return [Problem(path, "missing")]
    if file.stat().st_size != entry.get("size"):
        return [Problem(path, f"changed: {file.stat().st_size} bytes instead of {entry.get('size')}")]
    if sha256(file) != entry.get("sha256"):
        return [Problem(path, "changed: its digest is another")]
    return []


def _chain(folder: Path, content: Mapping[str, Any]) -> list[Problem]:
    before, revision = content.get("previous"), content.get("revision")
    if before is None:
        return [] if revision == 1 else [Problem(MANIFEST, f"revision {revision} names no revision before it")]
    if not isinstance(before, dict) or not isinstance(before.get("revision"), int):
        return [Problem(MANIFEST, "the revision before is not named as a number")]
    beside = folder.resolve().parent / f"r{before['revision']}" / MANIFEST
    if beside.is_file() and sha256(beside) != before.get("manifest_sha256"):
        where = f"../r{before['revision']}/{MANIFEST}"
        return [Problem(where, "the chain is broken: it is not the manifest that this revision was sealed after")]
    return []


def _successor(folder: Path, content: Mapping[str, Any]) -> list[Problem]:
    """Whether the revision after was sealed after another manifest than this one."""
    revision = content.get("revision")
    after = folder.resolve().parent / f"r{revision + 1}" if isinstance(revision, int) else None
    before = (read(after) or {}).get("previous") if after is not None else None
    if isinstance(before, dict) and before.get("manifest_sha256") != sha256(folder / MANIFEST):
        return [Problem(MANIFEST, f"altered: revision {content['revision'] + 1} was sealed after another manifest")]
    return []


def _files(folder: Path) -> Iterator[str]:
    """Every file and link of a folder but the manifest, as a path from it."""
    for path in folder.rglob("*"):
        if (path.is_symlink() or path.is_file()) and path != folder / MANIFEST:
            yield path.relative_to(folder).as_posix()
