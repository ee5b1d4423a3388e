"""One slip of the pen in a policy book is one problem: what follows from it is not reported as well."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from audits.policy import init_book
from audits.policy.folder import read_folder
from audits.policy.validate import Parameters, find_problems
from audits.rules.engine.loading import load_rules

WORD = re.compile(r"[a-z_]{4,}")
FREE_TEXT = ("why:", "text:", "title:", "document:", "#")
FILES = ("book.yaml", "tiers.yaml", "quality.yaml", "territories.yaml", "limits/R01.yaml", "limits/R10.yaml")


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return {key: {name: one.type for name, one in rule.spec.parameters.items()} for key, rule in load_rules().items()}


def transposed(text: str) -> Iterator[str]:
    """The text with two neighbouring letters of one key or name swapped, for every key or name in it."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if any(mark in line for mark in FREE_TEXT):
            continue
        for match in WORD.finditer(line):
            at = match.start() + len(match.group()) // 2
            if at + 1 < match.end() and line[at] != line[at + 1]:
                slip = f"{line[:at]}{line[at + 1]}{line[at]}{line[at + 2 :]}"
                yield "".join([*lines[:number], slip, *lines[number + 1 :]])


@pytest.mark.parametrize("name", FILES)
def test_a_typo_is_one_problem(name: str, parameters: Parameters, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    file = tmp_path / "book" / name
    slips = list(transposed(file.read_text("utf-8")))
    for text in random.Random(name).sample(slips, min(8, len(slips))):
        file.write_text(text, "utf-8")
        assert len(find_problems(read_folder(tmp_path / "book"), parameters)) <= 1


def test_a_misspelt_limit_is_not_missing_as_well(parameters: Parameters, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    file = tmp_path / "book" / "limits" / "R01.yaml"
    file.write_text(file.read_text("utf-8").replace("limit: requests_a_day", "limit: request_a_day"), "utf-8")
    (problem,) = find_problems(read_folder(tmp_path / "book"), parameters)
    assert (problem.what, problem.suggestion) == ("The rule has no limit 'request_a_day'.", "'requests_a_day'")


def test_a_misspelt_tier_is_not_missing_as_well(parameters: Parameters, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    file = tmp_path / "book" / "limits" / "R01.yaml"
    file.write_text(file.read_text("utf-8").replace("build: 5000", "biuld: 5000"), "utf-8")
    (problem,) = find_problems(read_folder(tmp_path / "book"), parameters)
    assert (problem.what, problem.suggestion) == ("There is no tier 'biuld'.", "'build'")
