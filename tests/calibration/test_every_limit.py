"""Every limit of every rule: measured, or fixed for a reason that is said; and what is measured of groups and tops."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from audits.calibration import calibrate
from audits.calibration.measure import measure
from audits.errors import AuditsError
from audits.linkage.tables import group_members
from audits.policy import init_book, load_book
from audits.rules.cases import DuckStage, read_cases
from audits.rules.cases.run import scene
from audits.rules.engine import loading
from audits.rules.engine.loading import load_law, load_rule, rule_folders
from audits.settings import Settings
from audits.warehouse import warehouse
from tests.backtest.world import WEEKS, prepared
from tests.calibration.test_calibrate import LAST
from tests.policy.books import edit
from tests.rows import REFERENCE, account, events, put, together


@pytest.fixture(scope="module")
def stage() -> DuckStage:
    return DuckStage()


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_a_limit_that_is_measured_has_a_value_in_the_rules_own_cases(folder: Path, stage: DuckStage) -> None:
    rule = load_rule(folder)
    silent = {name for name, one in rule.spec.parameters.items() if one.measured}
    for case in read_cases(folder / "cases.yaml"):
        if not silent:
            break
        if not case.find:
            continue
        with scene(rule, case, stage, load_book()) as played:
            for limit in sorted(silent):
                found = measure(played.connection, played.scope, played.facts, rule, limit)
                assert not found.error
                if any(value and math.isfinite(value) for value in found.values.values()):
                    silent.remove(limit)
    assert not silent


def test_a_shipped_rule_says_of_each_limit_whether_it_may_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [folder] = [one for one in rule_folders() if one.name.startswith("r20_")]
    monkeypatch.setattr(loading, "CATALOGUE", tmp_path)
    copied = Path(shutil.copytree(folder, tmp_path / folder.name)) / "rule.yaml"
    assert load_rule(copied.parent).id == "R20"
    told = copied.read_text()
    copied.write_text(re.sub(r", measured: \{.*?\}", "", told))
    with pytest.raises(AuditsError, match="R20 does not say of requests_min"):
        load_rule(copied.parent)
    copied.write_text(told.replace(", measured:", ", fixed: Says what it is, measured:", 1))
    with pytest.raises(AuditsError, match="what is measured is not fixed"):
        load_rule(copied.parent)
    copied.write_text(told.replace("measured: {by: requests", "measured: {of: group, by: requests", 1))
    with pytest.raises(AuditsError, match="measured of the group, which the rule does not judge"):
        load_rule(copied.parent)


# ---------------------------------------------------------------- groups, limits up to which, and kinds of findings


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two groups of six Build accounts on one card each, 60 and 30 requests on a day; eight accounts by themselves.

    p-1 and p-2 grade, in verdicts of 10 and of 20 tokens; p-3 asked for log-probabilities, with bias and in bulk.
    """
    groups = [f"{letter}-{n}" for letter in "gh" for n in range(1, 7)]
    alone = [f"p-{n}" for n in range(1, 9)]
    cards = [
        {
            "account_id": name, "instrument_hash": f"card-{name[0]}", "instrument_type": "card",
            "valid_from": REFERENCE["models"][0]["released_at"],
        }
        for name in groups
    ]  # fmt: skip
    use = [row for name in groups for row in events(name, "2026-10-14", 10 if name[0] == "g" else 5)]
    for name in alone:
        graded = {"p-1": 10, "p-2": 20}.get(name)
        columns = {"rubric_grade_score": 0.9, "output_tokens": graded} if graded else {}
        harvest = {"top_logprobs": 5, "logit_bias_n": 9, "output_tokens": 1} if name == "p-3" else {}
        use += events(name, "2026-10-14", 7, **columns, **harvest)
    people = together(*(account(name) for name in (*groups, *alone)), {"account_payments": cards})
    folder = tmp_path_factory.mktemp("linked")
    url = f"duckdb:///{folder / 'usage.duckdb'}"
    put(url, together(REFERENCE, people, {"usage_events": use}))
    return prepared(url, folder, *WEEKS)


def figures(world: Settings, book: Path, rule: str, suspects: frozenset[str] = frozenset(), weeks: int = 3):
    law, rules = load_law(book)
    with warehouse(world.warehouse_url) as source:
        result = calibrate(source, law, {rule: rules[rule]}, suspects, weeks=weeks, until=LAST)
    assert not result.failures
    return result, {one.limit: one for one in result.figures if one.tier == "build"}


def test_what_groups_do_is_measured_of_groups(linked: Settings, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    book = edit(tmp_path / "book", "limits/R04.yaml", ("build: 10_000", "build: 20"))
    result, found = figures(linked, book, "R04")
    one = found["requests_a_day"]
    assert (one.of, one.percentile, one.furthest, one.measured, one.left_out) == ("group", 59.85, 60, 2, 0)
    assert (one.now, one.proposed) == (20, 60)
    assert "members_under_share" not in found  # fixed
    assert "over 2 groups, was 20" in result.pieces[-1].text.replace("\n      ", " ")
    assert "of build fewer than 200 groups were measured" in result.notes[0]


def test_a_suspected_account_leaves_its_group_out(linked: Settings, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    book = edit(tmp_path / "book", "limits/R04.yaml", ("build: 10_000", "build: 20"))
    _, found = figures(linked, book, "R04", frozenset({"g-3"}))
    one = found["requests_a_day"]
    assert (one.percentile, one.measured, one.left_out, one.proposed) == (30, 1, 1, 30)


def test_where_nobody_is_linked_groups_are_not_measured_and_it_is_said(linked: Settings, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    for file in linked.out.parent.glob("usage*.duckdb"):
        shutil.copy(file, tmp_path)
    apart = replace(linked, warehouse_url=f"duckdb:///{tmp_path / 'usage.duckdb'}")
    with warehouse(apart.warehouse_url, write=True) as source, source.begin() as connection:
        connection.execute(delete(group_members))
    result, found = figures(apart, tmp_path / "book", "R04")
    assert (found["requests_a_day"].percentile, found["requests_a_day"].measured) == (None, 0)
    assert "there is no linked group" in result.notes[0]


def test_a_limit_up_to_which_something_is_found_is_lowered(linked: Settings, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    book = edit(tmp_path / "book", "limits/R09.yaml", ("build: 5000", "build: 5"))
    result, found = figures(linked, book, "R09")
    one = found["median_output_tokens_max"]
    # Of twenty accounts two grade, in 10 and 20 tokens; the others count as at the limit of 32.
    assert (one.upper, one.percentile, one.furthest, one.measured) == (True, 10.95, 10, 20)
    assert (one.now, one.proposed) == (32, 10)
    assert "0.5th percentile of benign accounts" in result.pieces[-1].text.replace("\n      ", " ")
    _, without = figures(linked, book, "R09", frozenset({"p-1", "p-2"}))
    assert (without["median_output_tokens_max"].percentile, without["median_output_tokens_max"].proposed) == (32, 32)


def test_findings_of_another_kind_are_no_measure(linked: Settings, tmp_path: Path) -> None:
    init_book(tmp_path / "book")
    book = edit(tmp_path / "book", "limits/R08.yaml", ("build: 10_000", "build: 2"))
    _, found = figures(linked, book, "R08")
    assert (found["requests_a_week"].furthest, found["unentitled_min"].furthest) == (7, 0)
