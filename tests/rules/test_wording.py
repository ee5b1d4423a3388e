"""The sentence about a finding: numbers with their nouns, what is not recorded, a sentence of its own for each kind."""

from pathlib import Path
from typing import Any

import pytest

from audits.rules.engine.base import Found, Rule, RuleSpec
from audits.rules.engine.wording import explained_of, pattern_of, summary_of


def sentence(summary: str, value: Any, discriminator: str = "", **spec: Any) -> str:
    return summary_of(rule(summary, **spec), found(value, discriminator))


def rule(summary: str, **spec: Any) -> Rule:
    usual = {
        "id": "X01", "title": "", "question": "", "families": (), "units": ("account",), "signal": "",
        "basis": "record", "severity": "low", "version": 1, "parameters": {}, "summary": summary, "observed": {"n": ""},
        "benign": (), "next_step": "", "may_say": "",
    }  # fmt: skip
    described = RuleSpec(**usual | spec)
    return Rule(described, Path(), "", None, None)  # type: ignore[arg-type]


def found(value: Any, discriminator: str) -> Found:
    return Found("account", "a1", "free", "low", discriminator, ("a1",), ("c1",), {"n": value}, {"n": value})


@pytest.mark.parametrize(("n", "says"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (1200.0, "1,200 days")])
def test_a_number_agrees_with_its_noun(n: float, says: str) -> None:
    assert sentence("{observed[n]:# day}", n) == says
    assert sentence("{limits[n]:#day}", n) == says


def test_a_noun_may_have_its_own_plural() -> None:
    assert sentence("{observed[n]:# entry|entries}", 1) == "1 entry"
    assert sentence("{observed[n]:# entry|entries}", 3) == "3 entries"


def test_what_is_not_recorded_is_said_so() -> None:
    assert sentence("kept for {observed[n]:# day}, {observed[n]:.0f}", None) == (
        "kept for (not recorded) days, (not recorded)"
    )


def test_a_kind_of_finding_may_have_its_own_sentence() -> None:
    kinds = {"late": "Late by {observed[n]:# day}."}
    assert sentence("Found.", 2, "late", summaries=kinds) == "Late by 2 days."
    assert sentence("Found.", 2, "other", summaries=kinds) == "Found."
    assert pattern_of(rule("Found: {observed[n]:,.0f}.", summaries=kinds)) == "Found: [n]. Late by [n]."


def test_what_lowers_a_finding_is_said_by_the_rule() -> None:
    assert explained_of(rule("Found.")) == ""
    assert explained_of(rule("Found.", explained="medium")) == (
        "By one step, to no less than medium, for a group with one payer, network or organisation in common whose "
        "members behave like different people"
    )
