"""A problem of a policy book, with its place in the file, and the error that carries all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from audits.errors import AuditsError

_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|(?:[^\s,\]}:]|:(?=\S))+""")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where (line and column from 1; 0 for the file as a whole), what, what is allowed."""

    file: str
    line: int
    column: int
    what: str
    allowed: str = ""
    suggestion: str = ""
    source: str = ""  # the line itself

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        lines = [f"{place}: {self.what}"]
        if self.line:
            number = f"{self.line:>5}"
            lines += [f"{number} | {self.source}".rstrip(), f"{' ' * len(number)} | {self._caret()}"]
        if self.allowed:
            lines.append(f"      allowed: {self.allowed}")
        if self.suggestion:
            lines.append(f"      did you mean {self.suggestion}?")
        return "\n".join(lines)

    def _caret(self) -> str:
        token = _TOKEN.match(self.source, self.column - 1)
        lead = "".join(c if c == "\t" else " " for c in self.source[: self.column - 1])
        return lead + "^" * (len(token.group()) if token else 1)


class PolicyError(AuditsError):
    """A policy book that cannot be used; ``problems`` holds every problem found, in order of file and line."""

    def __init__(self, what: str, *, where: str = "", fix: str = "", problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n\n".join([what, *map(str, self.problems)]), where=where, fix=fix)
