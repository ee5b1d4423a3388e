"""What was in force on a day, as a reader sees it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from audits.errors import AuditsError
from audits.policy import load_book, policy_show
from tests.policy.books import small_book


def test_a_rule_before_and_after_a_change(tmp_path: Path) -> None:
    book = load_book(small_book(tmp_path))
    shown = [
        [(row.name, row.value, row.why) for row in policy_show(book, day, "build", "R05")]
        for day in (date(2026, 9, 30), date(2026, 10, 1))
    ]
    assert shown == [
        [
            ("status", "active", "As agreed."),
            ("requests_min", "10,000", "As agreed."),
            ("share_min", "0.60", "As agreed."),
        ],
        [
            ("status", "active", "As agreed."),
            ("requests_min", "10,000", "As agreed."),
            ("share_min", "0.55", "Calibrated."),
        ],
    ]


def test_everything_in_force_for_a_tier(tmp_path: Path) -> None:
    rows = policy_show(load_book(small_book(tmp_path)), date(2026, 10, 1), "free")
    assert list(dict.fromkeys(row.subject for row in rows)) == [
        "R05", "R23", "entitlement", "clause", "standing", "settings",
    ]  # fmt: skip
    by_name = {(row.subject, row.name): row.value for row in rows}
    assert by_name["R23", "status"] == "not judged in free"
    assert by_name["entitlement", "capability logprobs"] == "not allowed"
    assert by_name["clause", "COMPETE house-compete-2"] == "forbidden: No training of any model."
    assert ("clause", "COMPETE open-compete") not in by_name
    assert by_name["standing", "high"] == "restricted, until 14 quiet days"
    assert by_name["settings", "packs"] == "house"


@pytest.mark.parametrize(
    ("tier", "rule", "fix"), [("biuld", None, "Did you mean build?"), ("build", "R5", "mean R05?")]
)
def test_a_name_that_the_book_does_not_have(tier: str, rule: str | None, fix: str, tmp_path: Path) -> None:
    with pytest.raises(AuditsError) as caught:
        policy_show(load_book(small_book(tmp_path)), date(2026, 10, 1), tier, rule)
    assert fix in caught.value.fix
