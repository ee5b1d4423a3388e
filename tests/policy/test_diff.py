"""What changed between two books, in words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from audits.policy import load_book, policy_changes, policy_diff
from tests.policy.books import edit, small_book


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("limits/R05", "build: 0.55", "build: 0.50", ["R05 build share_min 0.55 -> 0.50 from 2026-10-01"]),
        ("limits/R05", "{free: 2000, build: 10_000}", "{free: 2500, build: 12_000}", [
            "R05 build requests_min 10,000 -> 12,000 from 2026-01-01",
            "R05 free requests_min 2,000 -> 2,500 from 2026-01-01",
        ]),
        ("limits/R05", "2026-10-01", "2026-11-01", [
            "R05 build share_min 0.55 -> 0.60 from 2026-10-01 to 2026-11-01",
            "R05 free share_min: another reason is given from 2026-10-01 to 2026-11-01",
        ]),
        ("limits/R05", "why: Calibrated.", "why: Guessed.", [
            "R05 build share_min: another reason is given from 2026-10-01",
            "R05 free share_min: another reason is given from 2026-10-01",
        ]),
        ("limits/R05", "status: active", "status: shadow", ["R05 status active -> shadow from 2026-01-01"]),
        ("limits/R23", "value: high", "value: critical", ["R23 build severity high -> critical from 2026-01-01"]),
        ("book", "grace_days: 3", "grace_days: 5", ["setting grace_days 3 -> 5 from 2026-01-01"]),
        ("book", "[house]", "[house, open]", ["setting packs house -> house, open from 2026-01-01"]),
        ("book", "standing: restricted", "standing: watch", [
            "standing high standing restricted -> watch from 2026-01-01",
        ]),
        ("book", "Small book", "Little book", ["title Small book -> Little book"]),
        ("tiers", "title: Build", "title: Builder", ["titles of tiers Free, Build -> Free, Builder"]),
        ("tiers", "free: false", "free: true", ["free capability logprobs no -> yes from 2026-01-01"]),
        ("clauses/house", "of any model.", "of models.", [
            "clause COMPETE in Terms, 4 (pack house) is reworded from 2026-07-01",
        ]),
        ("exceptions", "2026-04-01", "2026-05-01", ["exception northwind is new from 2026-04-01 to 2026-05-01"]),
        ("exceptions", "[R05]", "[R05, R23]", [
            "exception northwind rules R05 -> R05, R23 from 2026-03-01 to 2026-04-01",
        ]),
        ("quality", "    limit: 0.5\n", "    limit: 0.4\n", [
            "quality hour_drop_share limit 0.50 -> 0.40 from 2020-01-01",
            "quality shifted_share limit 0.50 -> 0.40 from 2020-01-01",
        ]),
    ],
)  # fmt: skip
def test_sentences(name: str, old: str, new: str, said: list[str], tmp_path: Path) -> None:
    before = load_book(small_book(tmp_path / "a"))
    after = load_book(edit(small_book(tmp_path / "b"), f"{name}.yaml", (old, new)))
    assert policy_diff(before, after) == said


def test_what_is_new_and_what_is_gone(tmp_path: Path) -> None:
    before = load_book(small_book(tmp_path / "a"))
    folder = small_book(tmp_path / "b")
    (folder / "limits" / "R23.yaml").unlink()
    after = load_book(folder)
    assert policy_diff(before, after) == [
        "R23 build severity high no longer holds from 2026-01-01",
        "R23 active no longer holds from 2026-01-01",
    ]
    assert policy_diff(after, before) == [
        "R23 build severity high is new from 2026-01-01",
        "R23 active is new from 2026-01-01",
    ]


def test_nothing_changes_from_a_book_to_itself(tmp_path: Path) -> None:
    assert policy_diff(load_book(), load_book()) == []


def test_changes_know_their_key_and_days(tmp_path: Path) -> None:
    before = load_book(small_book(tmp_path / "a"))
    after = load_book(edit(small_book(tmp_path / "b"), "limits/R05.yaml", ("build: 0.55", "build: 0.50")))
    (change,) = policy_changes(before, after)
    assert change.key == ("limit", "R05", "build", "share_min")
    assert (change.before, change.after, change.from_day, change.to_day) == (0.55, 0.50, date(2026, 10, 1), None)
