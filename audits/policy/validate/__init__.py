"""What can be wrong with a policy book: one idea a module of this package, each found by scanning it.

A module takes part by having ``check(folder, parameters)``, which yields problems. Checks see only entries that fit
their shape, so that one slip does not raise ten complaints.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from audits.policy.errors import Problem
from audits.policy.folder import Folder
from audits.policy.validate.fit import fit

Parameters = Mapping[str, Mapping[str, str]]
"""The catalogue's rules by id, with the kind of each parameter (:data:`audits.policy.kinds.KINDS`)."""


def find_problems(folder: Folder, parameters: Parameters | None) -> list[Problem]:
    """Every problem of a folder, in order of file and line; nothing is raised."""
    found = set(folder.unread)
    for document in folder.documents:
        found.update(fit(document))
    for module in pkgutil.iter_modules(__path__):
        check = getattr(importlib.import_module(f"{__name__}.{module.name}"), "check", None)
        if check is not None:
            found.update(check(folder, parameters))
    return sorted(found)
