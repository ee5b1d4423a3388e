"""The one root of every error that a user can cause: what is wrong, where, and what to do."""

from __future__ import annotations


class AuditsError(Exception):
    """Something a user can put right.

    ``what`` names the problem in one sentence, ``where`` the file and line, table and column or setting, and
    ``fix`` the next step. The command line prints the three parts and exits with ``exit_code``: 2 for usage and
    configuration, 1 where work was started and is left partial.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (what, where and f"  at: {where}", fix and f"  do: {fix}") if part))


class PartialError(AuditsError):
    """Work that was started and could not be finished; what was done is kept and named in ``where``."""

    exit_code = 1
