"""The circuit breaker: a rule that hits more of the population than its share is held back, a campaign is not."""

from __future__ import annotations

from datetime import date

import pytest

from audits.ledger.assemble import publication_status
from audits.policy import load_book
from audits.rules.engine.base import Found, Severity
from audits.rules.engine.evaluate import Cells, Evaluation
from audits.rules.engine.loading import CATALOGUE, load_rule

DAY = date(2026, 10, 31)
BOOK = load_book()
SHARE = BOOK.settings(DAY).breaker_share
LEAST = BOOK.settings(DAY).breaker_findings_min
JUDGED = int(4 * LEAST / SHARE)


def outcome(found: int, judged: int = JUDGED, severity: Severity = "medium") -> Evaluation:
    """R01 with findings on the first of its customers, all of them compliant or violating."""
    cells = (Cells("free", "violating", "", found), Cells("free", "compliant", "", judged - found))
    subjects = tuple(
        Found("account", f"a{n}", "free", severity, "", (f"a{n}",), (f"c{n}",), {}, {}) for n in range(found)
    )
    return Evaluation(load_rule(CATALOGUE / "r01_extraction_volume"), cells, subjects)


@pytest.mark.parametrize(
    ("found", "judged", "status"),
    [
        (int(JUDGED * SHARE), JUDGED, "active"),
        (int(JUDGED * SHARE) + 1, JUDGED, "stopped"),
        (LEAST - 1, LEAST, "active"),
        (LEAST, LEAST, "stopped"),
    ],
    ids=["at its share", "above its share", "few findings", "enough findings"],
)
def test_a_rule_is_stopped_above_its_share_of_the_judged(found: int, judged: int, status: str) -> None:
    assert publication_status(outcome(found, judged), BOOK, DAY, {}) == status


def test_the_accounts_of_one_linked_group_are_one_party() -> None:
    half = outcome(JUDGED // 2)
    assert publication_status(half, BOOK, DAY, {}) == "stopped"
    assert publication_status(half, BOOK, DAY, {f"a{n}": "G-1" for n in range(JUDGED // 2)}) == "active"
    pairs = {f"a{n}": f"G-{n // 2}" for n in range(JUDGED // 2)}
    assert publication_status(half, BOOK, DAY, pairs) == "active"
    assert publication_status(outcome(JUDGED), BOOK, DAY, pairs) == "stopped"
