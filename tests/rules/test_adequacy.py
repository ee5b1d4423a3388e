"""Every changed comparison and limit of a shipped rule is noticed by its cases; and what a change is."""

from __future__ import annotations

from pathlib import Path

import pytest

from audits.policy import load_book
from audits.rules.adequacy import KINDS, REQUIRED, adequacy_of, mutants_of
from audits.rules.cases import DuckStage
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import CATALOGUE, load_rule, rule_folders
from audits.rules.skeleton import new_rule


@pytest.mark.slow
@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_cases_notice_every_comparison_and_limit(folder: Path, duck_stage: DuckStage) -> None:
    score = adequacy_of(load_rule(folder), load_book(), duck_stage)
    assert [f"{one.where}: {one.what}" for one in score.survivors if one.required] == []


RULE_PY = """
from sqlalchemy import and_, func, or_, select
from audits.rollups.account_day import account_day

_DAYS = 3
_UNUSED = 7


def _sum(u):
    return func.coalesce(func.sum(u.n_ok), 0)


def _unasked(u):
    return u.n_ok > 5


def violations(scope):
    u = scope.usage(account_day).c
    return (
        select(u.account_id.label("subject_id"), u.tier, _sum(u).label("observed_n"))
        .where(u.n_ok >= _DAYS, u.tier.in_(["a"]), u.n_ok.is_(None) | (u.day == 4))
        .where(u.n_ok != 9)  # adequacy: equivalent, because nobody has nine
    )


def evidence(scope, found):
    return scope.events_of(found.account_ids, found.tier == "x")
"""


@pytest.fixture
def rule(tmp_path: Path) -> Rule:
    shipped = load_rule(CATALOGUE / "r01_extraction_volume")
    (tmp_path / "rule.yaml").write_text((shipped.folder / "rule.yaml").read_text())
    (tmp_path / "rule.py").write_text(RULE_PY)
    return Rule(shipped.spec, tmp_path, "", shipped.violations, shipped.evidence)


def test_what_is_asked_is_changed_and_nothing_else(rule: Rule) -> None:
    mutants = [mutant for mutant in mutants_of(rule) if mutant.kind != "limit"]
    assert [(one.kind, one.what, one.excused) for one in mutants] == [
        ("window", "3 as 4", False),
        ("window", "3 as 2", False),
        ("null", "func.coalesce(func.sum(u.n_ok), 0), without coalesce", False),
        ("window", "0 as 1", False),
        ("window", "0 as -1", False),
        ("comparison", "u.n_ok >= _DAYS, with >", False),
        ("comparison", "u.tier.in_(['a']), with not_in", False),
        ("logic", "u.n_ok.is_(None) | (u.day == 4), with &", False),
        ("null", "u.n_ok.is_(None), with is_not", False),
        ("comparison", "u.day == 4, with !=", False),
        ("window", "4 as 5", False),
        ("window", "4 as 3", False),
        ("comparison", "u.n_ok != 9, with ==", True),
        ("window", "9 as 10", True),
        ("window", "9 as 8", True),
    ]
    assert {one.kind for one in mutants if one.required} <= set(REQUIRED)


def test_every_limit_is_moved_both_ways(rule: Rule) -> None:
    limits = [mutant for mutant in mutants_of(rule) if mutant.kind == "limit"]
    assert [one.what for one in limits] == [
        "requests_a_day + 1", "requests_a_day - 1", "output_tokens_a_week + 1", "output_tokens_a_week - 1",
    ]  # fmt: skip
    assert all(one.where.startswith("rule.yaml:") for one in limits)


def test_query_of_an_operator_is_changed_like_a_shipped_rule(tmp_path: Path, duck_stage: DuckStage) -> None:
    folder = new_rule("night", tmp_path, [], ["build"])[0].parent
    query = folder / "rule.sql"
    wrong = query.read_text()
    query.write_text(
        wrong.replace("SUM(requests) AS", "MAX(requests) AS").replace("SUM(requests) >=", "MAX(requests) >")
    )
    score = adequacy_of(load_rule(folder), load_book(), duck_stage)
    assert {kind: made for kind, (_, made) in score.by_kind().items()} == dict(
        zip(KINDS, (1, 2, 2, 0, 0, 0), strict=True)
    )
    # Neither of the two cases has a request on the period's first or last day.
    assert [mutant.kind for mutant in score.survivors] == ["window", "window"]
