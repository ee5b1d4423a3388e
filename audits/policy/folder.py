"""Reading the files of a book with the place of every key and value in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from audits.policy.errors import PolicyError, Problem, closest
from audits.policy.layout import FILE_KINDS, FileKind
from audits.policy.shapes import Path


@dataclass(slots=True)
class Document:
    """A file of the book. ``data`` is plain (days as ISO text); what does not fit its shape is None in it."""

    name: str  # path in the folder, with /
    kind: FileKind
    lines: tuple[str, ...]
    tree: Any  # as ruamel.yaml read it, with positions
    data: dict[str, Any] = field(default_factory=dict)
    whole: bool = True  # nothing in it was left out of ``data``

    @property
    def stem(self) -> str:
        """The file's name without folder and ending."""
        return FilePath(self.name).stem

    def problem(self, path: Path, what: str, *, at: str = "value", allowed: str = "", suggestion: str = "") -> Problem:
        """A problem at a path of this file: ``at`` its ``value`` or its ``key``."""
        line, column = self._position(path, at)
        source = self.lines[line] if line < len(self.lines) else ""
        quoted = f"'{suggestion}'" if suggestion else ""
        return Problem(self.name, line + 1, column + 1, what, allowed, quoted, source)

    def _position(self, path: Path, at: str) -> tuple[int, int]:
        node, found = self.tree, (self.tree.lc.line, self.tree.lc.col)
        for depth, step in enumerate(path):
            last = depth == len(path) - 1
            if isinstance(node, CommentedMap) and step in (node.lc.data or {}):
                marks = node.lc.data[step]
                found = (marks[0], marks[1]) if last and at == "key" else (marks[2], marks[3])
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step in (node.lc.data or {}):
                found = tuple(node.lc.data[step][:2])
            else:
                return found  # the key is missing: the place of what should have it
            node = node[step]
        return found


@dataclass(slots=True)
class Folder:
    """All files of a book that could be read, and what was wrong with the others."""

    root: FilePath
    documents: list[Document]
    problems: list[Problem]

    def of(self, kind: str) -> list[Document]:
        """The files of one kind."""
        return [document for document in self.documents if document.kind.name == kind]

    def unread(self, kind: str) -> bool:
        """Whether a file of the kind could not be read whole, so that something may only seem to be missing."""
        prefix = next(k.place for k in FILE_KINDS if k.name == kind).partition("{")[0]
        return any(problem.file.startswith(prefix) and not problem.what.startswith("No ") for problem in self.problems)


def read_folder(root: FilePath) -> Folder:
    """Read every YAML file of a book's folder; what cannot be read is a problem, and the others are still read."""
    if not root.is_dir():
        raise PolicyError(
            f"There is no policy book at {root}.",
            where="setting AUDITS_POLICY, or the folder that was named",
            fix=f"`audits policy init {root}` copies the shipped book there.",
        )
    folder = Folder(root, [], [])
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if not file.is_file() or file.suffix not in {".yaml", ".yml"} or name.startswith("rules/"):
            continue
        kind = _kind_of(name)
        if kind is None:
            known = [k.place.replace("{}", file.stem) for k in FILE_KINDS]
            folder.problems.append(
                Problem(
                    name, 0, 0, "This file is no part of a policy book, so nothing reads it.",
                    ", ".join(k.place.replace("{}", "NAME") for k in FILE_KINDS), closest(name, known),
                )
            )  # fmt: skip
        else:
            _read(folder, file, name, kind)
    for kind in FILE_KINDS:
        missing = kind.required and not any(_kind_of(n) is kind for n in _names(root))
        if missing:
            place = kind.place.replace("{}", "NAME")
            folder.problems.append(
                Problem(place, 0, 0, f"No {place} is there.", kind.content.fields[kind.mark].meaning)
            )
    return folder


def _names(root: FilePath) -> list[str]:
    return [file.relative_to(root).as_posix() for file in root.rglob("*.yaml")]


def _kind_of(name: str) -> FileKind | None:
    for kind in FILE_KINDS:
        before, _, after = kind.place.partition("{}")
        if name == kind.place or (after and name.startswith(before) and name.endswith(after) and name.count("/") == 1):
            return kind
    return None


def _read(folder: Folder, file: FilePath, name: str, kind: FileKind) -> None:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        folder.problems.append(Problem(name, 0, 0, f"The file cannot be read: {error}.", "a text file in UTF-8"))
        return
    lines = tuple(text.splitlines())
    try:
        tree = YAML(typ="rt", pure=True).load(text)
    except YAMLError as error:
        folder.problems.append(_unreadable(name, lines, error))
        return
    if isinstance(tree, CommentedMap):
        folder.documents.append(Document(name, kind, lines, tree))
    else:
        what = "The file is empty." if tree is None else "The file has no keys at its top."
        allowed = ", ".join(f"{key}:" for key in kind.content.fields)
        folder.problems.append(Problem(name, 1, 1, what, allowed, source=lines[0] if lines else ""))


def _unreadable(name: str, lines: tuple[str, ...], error: YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return Problem(name, 0, 0, f"This is no YAML: {error}.")
    source = lines[mark.line] if mark.line < len(lines) else ""
    if isinstance(error, DuplicateKeyError):
        key = source[mark.column :].partition(":")[0].strip()
        what, allowed = f"'{key}' stands twice in the same place.", "every key once"
    else:
        what, allowed = f"This is no YAML: {error.problem}.", ""
    return Problem(name, mark.line + 1, mark.column + 1, what, allowed, source=source)
