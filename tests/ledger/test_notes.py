"""The notes of a run about accounts that no rule could be evaluated for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from audits.ledger.assemble import _notes
from audits.rules.engine import population as people

ASKED: Any = SimpleNamespace(verdicts=(), facts=SimpleNamespace(linkable=True), links=None)


@pytest.mark.parametrize(
    ("count", "said", "used"), [(1, "of 1 account is", "1 account was"), (2, "of 2 accounts is", "2 accounts were")]
)
def test_one_account_is_named_in_the_singular(count: int, said: str, used: str) -> None:
    unknown, unassigned = _notes((), ASKED, {"gold": count, people.UNASSIGNED: count}, ("build",), 0)
    assert unknown.startswith(f"tier gold {said} not in the policy book")
    assert unassigned.startswith(f"{used} used without a tier")
