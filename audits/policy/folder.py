"""Reading the files of a book with the place of every key and value in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from audits.errors import closest
from audits.policy.errors import PolicyError, Problem
from audits.policy.layout import BY_NAME, FILE_KINDS, FileKind
from audits.policy.shapes import Path


class _Reader(RoundTripConstructor):
    """Keeps as text what only looks like a day or a number (2026-02-30), so that the shapes can say so in its place."""


def _or_text(tag: str) -> None:
    construct = RoundTripConstructor.yaml_constructors[f"tag:yaml.org,2002:{tag}"]

    def tolerant(reader: Any, node: Any) -> Any:
        try:
            return construct(reader, node)
        except (ValueError, IndexError):
            return str(node.value)

    _Reader.add_constructor(f"tag:yaml.org,2002:{tag}", tolerant)


for _tag in ("timestamp", "int", "float"):
    _or_text(_tag)


@dataclass(slots=True)
class Document:
    """A file of the book. ``data`` is plain (days as ISO text); what does not fit its shape is None in it."""

    name: str  # path in the folder, with /
    kind: FileKind
    lines: tuple[str, ...]
    tree: Any  # as ruamel.yaml read it, with positions
    data: dict[str, Any] = field(default_factory=dict)
    whole: bool = True  # nothing in it was left out of ``data``
    names: list[tuple[str, str, Path]] = field(default_factory=list)  # (to what, name, place) of all that it refers to

    @property
    def stem(self) -> str:
        """The file's name without folder and ending."""
        return FilePath(self.name).stem

    @property
    def misnamed(self) -> bool:
        """Whether the file is called other than the one rule or pack in it."""
        key = self.kind.many
        return key is not None and self.data.get(key, self.stem) != self.stem

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
    unread: list[Problem]

    def of(self, kind: str) -> list[Document]:
        """The files of one kind."""
        return [document for document in self.documents if document.kind.name == kind]

    def whole(self, kind: str) -> bool:
        """Whether every file of the kind was read whole, so that what is missing in them is missing."""
        unread = any(_kind_of(problem.file) is BY_NAME[kind] for problem in self.unread)
        return not unread and all(document.whole for document in self.of(kind))

    def stems(self, kind: str) -> tuple[str, ...]:
        """Names of the kind's files, readable or not, without folder and ending."""
        names = {d.name for d in self.of(kind)} | {p.file for p in self.unread if _kind_of(p.file) is BY_NAME[kind]}
        return tuple(sorted(FilePath(name).stem for name in names))


def read_folder(root: FilePath) -> Folder:
    """Read every YAML file of a book's folder; what cannot be read is a problem, and the others are still read."""
    if not any((root / kind.place).is_file() for kind in FILE_KINDS if kind.required and "{}" not in kind.place):
        raise PolicyError(
            f"There is no policy book at {root}.",
            where="setting AUDITS_POLICY, or the folder that was named",
            fix=f"Correct the path; `audits policy init {root}` copies the shipped book into a new or empty folder.",
        )
    folder = Folder(root, [], [])
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if file.suffix not in {".yaml", ".yml"} or not file.is_file() or _is_elsewhere(file, name):
            continue
        kind = _kind_of(name)
        if kind is None:
            known = [k.place.replace("{}", file.stem) for k in FILE_KINDS]
            folder.unread.append(
                Problem(
                    name, 0, 0, "This file is no part of a policy book, so nothing reads it.",
                    ", ".join(k.place.replace("{}", "NAME") for k in FILE_KINDS), closest(name, known),
                )
            )  # fmt: skip
        else:
            _read(folder, file, name, kind)
    for kind in FILE_KINDS:
        if kind.required and not folder.stems(kind.name):
            place = kind.place.replace("{}", "NAME")
            folder.unread.append(Problem(place, 0, 0, f"No {place} is there.", kind.content.fields[kind.mark].meaning))
    return folder


def _is_elsewhere(file: FilePath, name: str) -> bool:
    """Hidden files, and the operator's own rules, which may lie in a folder of the book."""
    return any(part.startswith(".") for part in name.split("/")) or (file.parent / "rule.yaml").is_file()


def _kind_of(name: str) -> FileKind | None:
    for kind in FILE_KINDS:
        before, _, after = kind.place.partition("{}")
        if name == kind.place or (after and name.startswith(before) and name.endswith(after) and name.count("/") == 1):
            return kind
    return None


@lru_cache(maxsize=256)
def _tree(text: str) -> Any:
    """A file's content with positions, to be read only: every stage of a run reads the book, which takes long."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = _Reader
    return yaml.load(text)


def _read(folder: Folder, file: FilePath, name: str, kind: FileKind) -> None:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        folder.unread.append(Problem(name, 0, 0, f"The file cannot be read: {error}.", "a text file in UTF-8"))
        return
    lines = tuple(text.splitlines())
    try:
        tree = _tree(text)
    except YAMLError as error:
        folder.unread.append(_unreadable(name, lines, error))
        return
    except RecursionError:
        folder.unread.append(Problem(name, 0, 0, "The file is nested too deeply.", "four levels are enough for a book"))
        return
    if isinstance(tree, CommentedMap):
        folder.documents.append(Document(name, kind, lines, tree))
    else:
        what = "The file is empty." if tree is None else "The file has no keys at its top."
        allowed = ", ".join(f"{key}:" for key in kind.content.fields)
        folder.unread.append(Problem(name, 1, 1, what, allowed, source=lines[0] if lines else ""))


def _unreadable(name: str, lines: tuple[str, ...], error: YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, MarkedYAMLError) or mark is None:
        return Problem(name, 0, 0, f"Invalid YAML: {error}.")
    source = lines[mark.line] if mark.line < len(lines) else ""
    if isinstance(error, DuplicateKeyError):
        key = source[mark.column :].partition(":")[0].strip()
        what, allowed = f"'{key}' stands twice in the same place.", "every key once"
    else:
        what, allowed = f"Invalid YAML: {error.problem}.", ""
    return Problem(name, mark.line + 1, mark.column + 1, what, allowed, source=source)
