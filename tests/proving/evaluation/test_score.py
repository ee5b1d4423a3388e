from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audits.proving.evaluation.score import (
    covers,
    score_campaign,
    score_groups,
    score_look_alike,
    score_rule,
    score_severity,
)
from tests.proving.evaluation.made import accounts, audited, breach, campaign, group, one, party, truth


def test_a_finding_covers_a_campaign_from_four_fifths_of_it():
    c = campaign(count=10)
    assert covers(group(accounts("c", 8)), c)
    assert not covers(group(accounts("c", 7)), c)


def test_a_finding_that_is_not_pure_shows_nothing():
    c = campaign(count=20)
    assert covers(group(accounts("c", 19) | {"w/b0"}), c)  # 95 %
    assert not covers(group(accounts("c", 18) | {"w/b0"}), c)


def test_banned_members_need_not_be_found_but_do_not_spoil():
    c = campaign(count=10, at_work=accounts("c", 5))
    assert covers(group(accounts("c", 10)), c)
    assert covers(group(accounts("c", 4)), c)


def test_one_account_is_no_group():
    assert not covers(one("w/c0"), campaign(count=1))


def test_severity_counts_what_is_at_least_as_grave():
    t = truth(campaign(), breaches=(breach(),), parties=(party(),), benign=94)
    a = audited(group(accounts("c", 10)), one("w/x0"), one("w/b1", "low"), one("w/u1", "high"))
    high, low = score_severity("high", t, a), score_severity("low", t, a)
    assert (high.campaigns.hits, high.campaign_accounts.hits, high.breaches.hits) == (1, 10, 0)
    assert (high.wrong.hits, high.wrong.of) == (1, 100)
    assert (low.wrong.hits, low.breaches.hits, low.accounts.hits, low.accounts.of) == (2, 1, 11, 11)
    assert low.seen.value == 11 / 13


def test_without_group_findings_only_members_hit_one_by_one_are_left():
    t = truth(campaign())
    a = audited(group(accounts("c", 10)), *(one(f"w/c{n}", "high") for n in range(7)))
    score = score_severity("high", t, a)
    assert (score.campaigns.hits, score.campaigns_alone.hits) == (1, 0)
    assert (score.campaign_accounts.hits, score.campaign_accounts_alone.hits) == (10, 7)


def test_a_rule_is_held_against_what_plants_its_signal():
    t = truth(campaign(), campaign("d", rules=("R05",)), breaches=(breach("R04"), breach("R01", "x1")))
    a = audited(group(accounts("c", 10)), one("w/x1", rule="R04"), one("w/b0", rule="R04"))
    score = score_rule("R04", t, a)
    assert (score.campaigns.hits, score.campaigns.of) == (1, 1)
    assert (score.breaches.hits, score.breaches.of, score.other_breaches) == (0, 1, 1)
    assert score.wrong.hits == 1
    assert score.severities == {"medium": 2, "high": 1}


def test_a_campaign_says_how_it_was_found():
    c = campaign(count=10)
    groups = dict.fromkeys(accounts("c", 9), "w/g") | {"w/b0": "w/g"}
    a = audited(group(accounts("c", 9)), group(accounts("c", 9), "medium", "R26"), one("w/c9", "low"), groups=groups,
                found_on={"w/c": 7})  # fmt: skip
    score = score_campaign(c, a)
    assert (score.found, score.rules, score.found_on) == ("high", ("R04", "R26"), 7)
    assert (score.accounts.hits, score.accounts_alone.hits) == (9, 0)
    assert (score.largest_group.value, score.purity) == (0.9, 0.9)


def test_a_look_alike_says_which_rules_hit_it_how_gravely():
    a = audited(one("w/u0", "high", "R07"), one("w/u1", "low", "R21"), one("w/b0", "critical"))
    score = score_look_alike("university-class", truth(parties=(party(),)), a)
    assert (score.gravest, score.rules) == ("high", {"low": ["R21"], "high": ["R07"]})
    assert [score.hit[s].hits for s in ("low", "medium", "high", "critical")] == [2, 1, 1, 0]


def test_a_class_may_be_one_group():
    t = truth(campaign(), parties=(party(),))
    groups = dict.fromkeys(accounts("c", 10), "w/g1") | dict.fromkeys(accounts("u", 6), "w/g2")
    assert score_groups(t, audited(groups=groups)).f1 == 1.0
    mixed = groups | {"w/b0": "w/g1"}
    assert score_groups(t, audited(groups=mixed)).wrong == 10


@given(st.sets(st.integers(0, 99)), st.sets(st.integers(0, 9)), st.sampled_from(["low", "medium", "high"]))
def test_what_is_graver_is_never_more(benign, members, severity):
    t = truth(campaign())
    hits = [one(f"w/b{n}", severity) for n in benign] + [one(f"w/c{n}", "high") for n in members]
    scores = [score_severity(s, t, audited(*hits)) for s in ("low", "medium", "high", "critical")]
    wrong, right = [s.wrong.hits for s in scores], [s.accounts.hits for s in scores]
    assert wrong == sorted(wrong, reverse=True)
    assert right == sorted(right, reverse=True)
    assert scores[0].wrong.hits == len(benign)
