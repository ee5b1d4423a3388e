"""When findings of different signal families make a subject critical, and when none does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audits.policy import Combination, load_book
from audits.rules.engine.base import SEVERITIES, Found, Rule
from audits.rules.engine.combine import combine
from audits.rules.engine.evaluate import Evaluation
from audits.rules.engine.links import Explained
from audits.rules.engine.loading import load_rules
from audits.rules.engine.wording import summary_of

RULES = load_rules()
SHIPPED = load_book().settings(date(2026, 10, 31)).combination


def found(kind: str = "group", subject: str = "g1", severity: str = "high", **facts: Any) -> Found:
    given_: dict[str, Any] = {
        "subject_type": kind, "subject_id": subject, "tier": "build", "severity": severity, "discriminator": "",
        "account_ids": ("a1", "a2") if kind == "group" else ("a1",), "customer_ids": ("c1",), "observed": {},
        "limits": {},
    }  # fmt: skip
    return Found(**(given_ | facts))


def says(rule: str | Rule, *several: Found) -> Evaluation:
    return Evaluation(rule if isinstance(rule, Rule) else RULES[rule], (), several)


def severities(*evaluations: Evaluation, terms: Combination | None = SHIPPED, held: tuple[str, ...] = ()) -> list[str]:
    published = {one.rule.id for one in evaluations} - set(held)
    return [one.severity for made in combine(evaluations, terms, published) for one in made.found]


def of_signal(name: str, signal: str, **facts: Any) -> Rule:
    spec = RULES["R04"].spec.model_copy(update={"id": name, "signal": signal, **facts})
    return replace(RULES["R04"], spec=spec)


def test_volume_and_content_on_one_group_are_critical_together():
    assert severities(says("R04", found()), says("R05", found())) == ["critical", "critical"]


def test_one_family_alone_stays_as_it_is():
    assert severities(says("R04", found())) == ["high"]
    assert severities(says("R05", found(), found(subject="g2"))) == ["high", "high"]


def test_what_follows_from_the_same_counts_once():
    assert SHIPPED is not None
    assert severities(says("R04", found()), says("R10", found())) == ["high", "high"]
    assert severities(says("R04", found()), says("R10", found()), says("R12", found())) == ["critical"] * 3


def test_a_medium_finding_has_no_say_and_is_not_raised():
    assert severities(says("R04", found()), says("R06", found(severity="medium"))) == ["high", "medium"]
    both = says("R04", found()), says("R05", found()), says("R06", found(severity="medium"))
    assert severities(*both) == ["critical", "critical", "medium"]


def test_two_subjects_do_not_confirm_each_other():
    assert severities(says("R04", found()), says("R05", found(subject="g2"))) == ["high", "high"]
    assert severities(says("R07", found("account", "a1")), says("R05", found())) == ["high", "high"]


def test_two_findings_of_one_rule_are_one_voice():
    assert severities(says("R22", found(discriminator="flagged"), found(discriminator="probing"))) == ["high", "high"]


def test_an_account_and_its_key_are_one_subject():
    assert severities(says("R07", found("account", "a1")), says("R17", found("key", "k1"))) == ["critical", "critical"]


def test_facts_on_record_may_be_critical_by_themselves_and_confirm_nobody():
    fact = says("R15", found("customer", "c1", "critical"))
    assert severities(fact) == ["critical"]
    assert severities(says("R23", found("account", "a1")), says("R07", found("account", "a1"))) == ["high", "high"]


def test_behaviour_that_says_critical_by_itself_says_high():
    alone = says(of_signal("X01", "content"), found(severity="critical"))
    assert severities(alone) == ["high"]
    assert severities(alone, terms=None) == ["high"]
    assert severities(alone, held=("X01",)) == ["high"]


def test_what_is_held_back_has_no_say():
    pair = says("R04", found()), says("R05", found())
    assert severities(*pair, held=("R05",)) == ["high", "high"]


def test_a_book_without_the_section_never_combines():
    assert severities(says("R04", found()), says("R05", found()), terms=None) == ["high", "high"]


def test_no_book_can_let_one_family_do():
    terms = Combination(1, "high", ())
    assert severities(says("R04", found()), terms=terms) == ["high"]


def test_the_summary_says_what_agreed():
    rule = of_signal("X01", "volume", summary="Much was used.")
    made = combine([says(rule, found()), says("R05", found()), says("R12", found())], SHIPPED, {"X01", "R05", "R12"})
    assert summary_of(rule, made[0].found[0]) == (
        "Much was used. Raised to critical, because other signals on the same group agree: "
        "R05 Template repetition (content); R12 Synchronised accounts (rhythm)."
    )


CLASS: Explained = {"g1": "one network has them, and they differ"}


def lowered(*evaluations: Evaluation, links: Explained = CLASS, held: tuple[str, ...] = ()) -> list[str]:
    published = {one.rule.id for one in evaluations} - set(held)
    return [one.severity for made in combine(evaluations, SHIPPED, published, links) for one in made.found]


def test_an_explained_link_lowers_by_one_step_and_what_is_lowered_confirms_nothing():
    assert lowered(says("R04", found()), says("R05", found())) == ["medium", "medium"]
    assert lowered(says("R10", found()), says("R12", found())) == ["medium", "medium"]
    assert lowered(says("R02", found(severity="medium")), says("R06", found(severity="medium"))) == ["low", "low"]
    assert lowered(says("R22", found()), says("R22", found(severity="medium"))) == ["medium", "medium"]


def test_what_is_high_in_the_table_is_never_below_medium_and_three_free_accounts_stay_medium():
    assert lowered(says("R04", found(severity="medium")), says("R19", found(severity="medium"))) == ["medium", "medium"]


def test_extraction_content_and_hand_overs_show_one_operator_so_that_nothing_is_lowered():
    operated = found(one_operator=True)
    assert lowered(says("R10", operated)) == ["high"]
    assert lowered(says("R04", found()), says("R28", found(severity="medium", one_operator=True))) == ["high", "medium"]
    assert lowered(says("R04", found()), says("R07", operated)) == ["critical", "critical"]


def test_one_operator_of_another_group_of_an_account_or_in_shadow_says_nothing():
    other = says("R07", found(subject="g2", one_operator=True))
    assert lowered(says("R04", found()), other) == ["medium", "high"]
    assert lowered(says("R04", found()), says("R07", found("account", "g1", one_operator=True))) == ["medium", "high"]
    assert lowered(says("R04", found()), says("R07", found(one_operator=True)), held=("R07",)) == ["medium", "high"]


def test_an_account_answers_for_itself_in_an_explained_group():
    assert lowered(says("R22", found(), found("account", "a1"))) == ["medium", "high"]


def test_what_a_rule_sees_without_the_link_is_not_explained_by_it():
    assert lowered(says("R08", found()), says("R24", found())) == ["critical", "critical"]


def test_another_group_an_account_and_a_lower_finding_stay_as_they_are():
    assert lowered(says("R04", found(subject="g2")), says("R02", found("account", "g1", "medium"))) == [
        "high",
        "medium",
    ]
    (one,) = combine([says("R04", found(severity="low"))], SHIPPED, {"R04"}, CLASS)[0].found
    assert one == found(severity="low")


def test_the_summary_says_what_lowered_it():
    rule = of_signal("X01", "volume", summary="Much was used.", explained="medium")
    (one,) = combine([says(rule, found())], SHIPPED, {"X01"}, CLASS)[0].found
    assert summary_of(rule, one) == ("Much was used. Lowered to medium, because one network has them, and they differ.")


def test_the_shipped_book_names_signal_families_that_rules_have():
    signals = {rule.spec.signal for rule in RULES.values()}
    assert SHIPPED is not None
    assert {signal for kin in SHIPPED.alike for signal in kin} <= signals
    assert SHIPPED.families_min == 2


SIGNALS = ("volume", "limits", "content", "rhythm")
SPOKEN = st.lists(
    st.tuples(st.sampled_from(SIGNALS), st.sampled_from(["g1", "g2"]), st.sampled_from(SEVERITIES)), max_size=8
)


@given(SPOKEN, st.randoms())
def test_critical_always_rests_on_two_families_in_whatever_order(spoken, random):
    evaluations = [
        says(of_signal(f"X{n:02d}", signal), found(subject=subject, severity=severity))
        for n, (signal, subject, severity) in enumerate(spoken)
    ]
    published = {one.rule.id for one in evaluations}
    made = combine(evaluations, SHIPPED, published)
    again = random.sample(evaluations, len(evaluations))
    assert {e.rule.id: e.found for e in combine(again, SHIPPED, published)} == {e.rule.id: e.found for e in made}
    for subject in ("g1", "g2"):
        families = {"volume" if s == "limits" else s for s, of, severity in spoken
                    if of == subject and severity in ("high", "critical")}  # fmt: skip
        critical = [f for e in made for f in e.found if f.subject_id == subject and f.severity == "critical"]
        assert bool(critical) == (len(families) >= 2)
        assert all(one.agreeing for one in critical)


@pytest.mark.parametrize("times", [2, 3])
def test_combining_what_was_combined_changes_nothing(times):
    made = [says("R04", found()), says("R05", found()), says("R06", found(severity="medium"))]
    once = combine(made, SHIPPED, {"R04", "R05", "R06"})
    for _ in range(times):
        made = combine(made, SHIPPED, {"R04", "R05", "R06"})
    assert made == once
