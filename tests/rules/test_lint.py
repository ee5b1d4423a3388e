"""What lint knows of a rule: clocks, the period's bounds, the columns of a finding and the sentence that they fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, func, literal, select

from audits.policy import load_book
from audits.rollups.account_day import account_day
from audits.rules.engine.base import Rule
from audits.rules.engine.loading import CATALOGUE, load_rule, rule_folders
from audits.rules.engine.scope import Scope
from audits.rules.lint import lint

R01 = load_rule(CATALOGUE / "r01_extraction_volume")


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_shipped_rule_is_clean(folder: Path) -> None:
    assert [str(problem) for problem in lint(load_rule(folder), load_book())] == []


def said(rule: Rule) -> list[str]:
    return [problem.what for problem in lint(rule, load_book())]


def whole(scope: Scope, **more: Any) -> Select[Any]:
    u = scope.usage(account_day).c
    columns = {
        "subject_id": u.account_id, "tier": u.tier, "observed_peak_requests_a_day": u.n_ok,
        "observed_peak_day": u.day, "observed_peak_output_tokens_a_week": u.output_tokens, "observed_week_ends": u.day,
        "observed_days_over": u.n_ok, "observed_on_days": u.day,
        "limit_requests_a_day": u.limit_requests_a_day, "limit_output_tokens_a_week": u.limit_output_tokens_a_week,
    } | more  # fmt: skip
    return select(*(column.label(name) for name, column in columns.items() if column is not None))


def violations(scope: Scope) -> Select[Any]:
    return whole(scope)


def without_tier(scope: Scope) -> Select[Any]:
    return whole(scope, tier=None)


def reads_the_clock(scope: Scope) -> Select[Any]:
    return whole(scope).where(func.now() > literal(scope.period.end))


def with_a_figure_nobody_describes(scope: Scope) -> Select[Any]:
    return whole(scope, observed_mood=literal(1))


def with_a_limit_nobody_describes(scope: Scope) -> Select[Any]:
    return whole(scope, limit_patience=literal(1))


def with_another_column(scope: Scope) -> Select[Any]:
    return whole(scope, mood=literal(1))


def without_a_figure(scope: Scope) -> Select[Any]:
    return whole(scope, observed_days_over=None)


def without_bounds(_scope: Scope) -> Select[Any]:
    d = account_day.c
    return select(*(
        (d.n_ok if name.startswith(("observed", "limit")) else d.account_id).label(name)
        for name in (
            "subject_id", "tier", "observed_peak_requests_a_day", "observed_peak_day",
            "observed_peak_output_tokens_a_week", "observed_week_ends", "observed_days_over", "observed_on_days",
            "limit_requests_a_day", "limit_output_tokens_a_week",
        )
    ))  # fmt: skip


def fails(_scope: Scope) -> Select[Any]:
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (violations, []),
        (without_tier, ["The query returns no column tier."]),
        (reads_the_clock, ["current_timestamp differs from run to run; an audit must come out the same again."]),
        (with_a_figure_nobody_describes, ["rule.yaml does not say what mood is."]),
        (with_a_limit_nobody_describes, ["rule.yaml has no parameter patience, nor says under `limits` what it is."]),
        (with_another_column, ["A rule returns no column mood."]),
        (without_a_figure, ["The query returns no column observed_days_over, which rule.yaml describes."]),
        (
            without_bounds,
            ["The query does not say where the period begins.", "The query does not say where the period ends."],
        ),
        (fails, ["violations cannot be compiled: no such thing"]),
    ],
)
def test_select_is_looked_through(function: Callable[[Scope], Select[Any]], expected: list[str]) -> None:
    function.__name__ = "violations"
    assert sorted(said(replace(R01, violations=function))) == expected


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("{observed[days_over]} days", []),
        ("{observed[days]} days", ["The summary's {observed[days]} is never filled."]),
        ("{limits[day]} days", ["The summary's {limits[day]} is never filled."]),
        ("{days} days", ["The summary's {days} is never filled."]),
        ("{observed[days_over] days", ["The summary cannot be filled: expected '}' before end of string."]),
    ],
)
def test_sentence_is_looked_through(summary: str, expected: list[str]) -> None:
    assert said(replace(R01, spec=R01.spec.model_copy(update={"summary": summary}))) == expected


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from datetime import date; day = date.today()", "today"),
        ("now = datetime.now(UTC)", "now"),
        ("import random", "random"),
        ("from time import monotonic", "time"),
    ],
)
def test_clocks_and_chance_in_python_are_seen(line: str, name: str, tmp_path: Path) -> None:
    for file in ("rule.yaml", "rule.py"):
        (tmp_path / file).write_text((R01.folder / file).read_text())
    with (tmp_path / "rule.py").open("a") as file:
        file.write(f"\n{line}\n")
    [problem] = lint(replace(R01, folder=tmp_path), load_book())
    assert problem.what.startswith(f"{name} differs from run to run")
    assert problem.source == line
