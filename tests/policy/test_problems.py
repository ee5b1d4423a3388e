"""What is said about a broken book, word for word.

Each folder of ``golden`` has the files that break the small book, and ``expected.txt`` with what is to be said. After
a wanted change of the wording, ``UPDATE_GOLDEN=1 pytest tests/policy/test_problems.py`` writes the files anew;
read the difference before you keep it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audits.policy import PolicyError, load_book
from audits.policy.kinds import misfit
from tests.policy.books import HERE, PARAMETERS, edit, small_book

CASES = sorted(path.name for path in (HERE / "golden").iterdir())


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_book(folder, PARAMETERS)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("case", CASES)
def test_wording(case: str, tmp_path: Path) -> None:
    overlay = HERE / "golden" / case
    said = "\n\n".join(problems_of(small_book(tmp_path, overlay))) + "\n"
    expected = overlay / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(said, "utf-8")
    assert said == expected.read_text("utf-8")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [(0.5, ""), (0.7, ""), (0.9, ""), (0.85, "lies between two tenths"), (0.4, "is below 0.5"), (1, "is above 0.9")],
)
def test_scores_that_requests_are_counted_by_are_whole_tenths(value: float, wrong: str) -> None:
    assert misfit(value, "tenth") == wrong


def test_the_small_book_itself_is_valid(tmp_path: Path) -> None:
    assert load_book(small_book(tmp_path), PARAMETERS).rules == ("R05", "R23")


def test_all_problems_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    folder = small_book(tmp_path, *(HERE / "golden" / case for case in ("wrong_sign", "duplicate_ids")))
    assert len({problem.partition(":")[0] for problem in problems_of(folder)}) == 5


def test_the_error_says_where_the_book_is_and_what_to_do(tmp_path: Path) -> None:
    folder = edit(small_book(tmp_path), "book.yaml", ("grace_days: 3", "grace_days: -3"))
    with pytest.raises(PolicyError) as caught:
        load_book(folder)
    assert "The policy book has 1 problem." in caught.value.what
    assert caught.value.where == str(folder)
    assert "audits policy check" in caught.value.fix


def test_a_book_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="There is no policy book at"):
        load_book(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["book.yaml", "tiers.yaml", "quality.yaml"])
def test_a_file_that_every_book_needs(name: str, tmp_path: Path) -> None:
    folder = small_book(tmp_path)
    (folder / name).unlink()
    assert problems_of(folder)[0].startswith(f"{name}: No {name} is there.")


def test_quality_names_every_limit(tmp_path: Path) -> None:
    folder = small_book(tmp_path)
    text = (folder / "quality.yaml").read_text("utf-8")
    entries = text.split("  - check: ")
    (folder / "quality.yaml").write_text("  - check: ".join(e for e in entries if not e.startswith("late_hours")))
    assert [line for problem in problems_of(folder) for line in problem.splitlines() if "late_hours" in line] == [
        f"quality.yaml:{text.splitlines().index('checks:') + 1}:1: Nothing is in force for quality late_hours.",
        "      allowed: an entry with check: late_hours",
    ]


def test_a_rule_of_the_operator_is_known_by_its_parameters(tmp_path: Path) -> None:
    folder = small_book(tmp_path)
    text = (folder / "limits" / "R23.yaml").read_text("utf-8").replace("R23", "OWN01")
    (folder / "limits" / "OWN01.yaml").write_text(text, "utf-8")
    assert "There is no rule 'OWN01'." in problems_of(folder)[0]
    assert "OWN01" in load_book(folder, {**PARAMETERS, "OWN01": {"severity": "severity"}}).rules


def test_limits_of_a_rule_without_declaration_are_not_held_against_any(tmp_path: Path) -> None:
    folder = edit(small_book(tmp_path), "limits/R23.yaml", ("limit: severity", "limit: anything"))
    assert load_book(folder, {"R05": PARAMETERS["R05"]}).rules == ("R05", "R23")


def test_files_that_belong_to_others_are_left_alone(tmp_path: Path) -> None:
    folder = small_book(tmp_path)
    for name in ("rules/OWN01_mine/rule.yaml", "rules/OWN01_mine/cases.yaml", ".github/check.yaml", "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("anything: at all", "utf-8")
    assert load_book(folder, PARAMETERS).rules == ("R05", "R23")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1500,
        "a: \x07",
        "\ufeff\ufeff: x",
        "? {a: b}\n: c",
        "&a [*a]",
        "limits: &x [*x]",
        "rule: !!python/name:os.system",
        "%",
        "0x_: 1",
    ],
)
def test_nothing_that_a_file_holds_is_a_crash(text: str, tmp_path: Path) -> None:
    assert problems_of(small_book(tmp_path, limits__R05=text))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    folder = small_book(tmp_path)
    (folder / "tiers.yaml").write_bytes(b"\xff\xfe\x00tiers")
    assert problems_of(folder)[0].startswith("tiers.yaml: The file cannot be read")
