"""A problem of a policy book, with its place in the file, and the error that carries all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from audits.errors import AuditsError

_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|(?:[^\s,\]}:]|:(?=\S))+""")
_ALIKE = 0.7  # hihg for high is 0.75; R32 for R02 would be 0.67


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


def closest(word: object, known: Sequence[str]) -> str:
    """The known name that a reader most likely meant, or nothing."""
    alike = {name: SequenceMatcher(None, str(word).lower(), name.lower()).ratio() for name in known}
    best = max(alike, key=alike.__getitem__, default="")  # of equals the first: R5 means R05 rather than R25
    return best if alike.get(best, 0) >= _ALIKE else ""
