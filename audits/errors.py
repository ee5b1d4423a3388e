"""The one root of every error that a user can cause: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from audits.display import visible, without_passwords

_SIMILAR = 0.7  # hihg and high have 0.75 in common; R32 and R02 only 0.67

_LOOK_ALIKE = str.maketrans("oil|", "0111")  # R0l and RO1 are misread, not misspelt


class AuditsError(Exception):
    """Something a user can put right.

    ``what`` names the problem in one sentence, ``where`` the file and line, table and column or setting, and
    ``fix`` the next step. The command line prints the three parts and exits with ``exit_code``: 2 for usage and
    configuration, 1 where work was started and is left partial. Whatever is foreign in the three parts is shown safely:
    no password, no control or direction mark.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        what, where, fix = (visible(without_passwords(part), keep="\n") for part in (what, where, fix))
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (what, where and f"  at: {where}", fix and f"  do: {fix}") if part))


class PartialError(AuditsError):
    """Work that was started and could not be finished; what was done is kept and named in ``where``."""

    exit_code = 1


def closest(word: object, known: Sequence[str]) -> str:
    """The known name that was most likely meant, or an empty string."""
    plain = str(word).lower().translate(_LOOK_ALIKE)
    similarity = {name: SequenceMatcher(None, plain, name.lower().translate(_LOOK_ALIKE)).ratio() for name in known}
    best = max(similarity, key=similarity.__getitem__, default="")  # the first of equals: R5 means R05, not R25
    return best if similarity.get(best, 0) >= _SIMILAR else ""


def unknown(kind: str, name: str, known: Sequence[str], *, where: str, fix: str = "") -> AuditsError:
    """An error for a name that is not among the known ones, with the one most likely meant.

    ``fix`` replaces the list of known names where that would be long.
    """
    meant = closest(name, known)
    listed = fix or f"Known: {', '.join(known) or 'none'}."
    return AuditsError(
        f"There is no {kind} {name!r}.", where=where, fix=f"Did you mean {meant}? {listed}" if meant else listed
    )
