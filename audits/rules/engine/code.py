"""The code that judges, by its content: what is evaluated by other code is another audit.

Comments, documentation and blank lines do not count, nor do line endings: they change no verdict. The files of a rule
are its own (:func:`rule_digest`); what all rules share is digested by package. Stages that leave a product behind
(quality, rollups, linkage) are known by it and are not in here.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from audits.rules.engine.base import Rule
from audits.rules.engine.loading import rule_files

PACKAGE = Path(__file__).parents[2]

_PARTS: dict[str, tuple[str, ...]] = {
    "rules engine": ("rules/__init__.py", "rules/engine"),
    "policy": ("policy",),
    "findings": ("ledger/assemble.py", "ledger/figures.py", "ledger/findings.py", "ledger/dossiers.py"),
    "periods": ("periods.py",),
    "SQL dialects": ("warehouse/dialects", "warehouse/tables.py", "warehouse/standins.py"),
}
"""Part -> files and folders of the package, with all that lies in them."""


def code_digests(package: Path = PACKAGE) -> dict[str, str]:
    """Part of the code that judges -> SHA-256 of its sources."""
    return dict(_shipped()) if package == PACKAGE else _digests(package)


def rule_digest(rule: Rule) -> str:
    """SHA-256 of what a rule looks for and says; unlike ``rule.digest``, its cases do not count."""
    digest = hashlib.sha256()
    for file in rule_files(rule.folder):
        _add(digest, file, file.name)
    return digest.hexdigest()


@cache
def _shipped() -> dict[str, str]:
    return _digests(PACKAGE)


def _digests(package: Path) -> dict[str, str]:
    found = {}
    for part, paths in _PARTS.items():
        digest = hashlib.sha256()
        for path in paths:
            for file in _sources(package, package / path):
                _add(digest, file, file.relative_to(package).as_posix())
        found[part] = digest.hexdigest()
    return found


def _sources(package: Path, path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    yield from sorted(path.rglob("*.py"), key=lambda file: file.relative_to(package).as_posix())


def _add(digest: hashlib._Hash, file: Path, name: str) -> None:
    text = file.read_text("utf-8")
    content = (meaning(text) if file.suffix == ".py" else text).encode()
    digest.update(f"{name}\0{len(content)}\0".encode() + content)


@lru_cache(maxsize=1_000)
def meaning(source: str) -> str:
    """Python source without comments, docstrings, blank lines and trailing blanks.

    >>> meaning("def f():\\n    \'Words.\'\\n\\n    return 1  # one\\n")
    'def f():\\n    return 1'
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline) if "#" in source else ():
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in _blocks(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for statement in node.body:  # documentation of functions, and of what is assigned above it
            words = isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
            if words and not lines[statement.lineno - 1][: statement.col_offset].strip():
                for row in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
                    lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _blocks(node: ast.AST) -> Iterator[ast.AST]:
    """What holds statements: expressions, which are most of a file, hold none."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _blocks(child)
