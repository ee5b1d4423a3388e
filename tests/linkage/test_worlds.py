"""Made-up populations: campaigns are found whole and pure, look-alikes are not mixed with them, strangers stay apart.

A class, a company and the projects on one vendor's machines do form groups: a group is no finding.
"""

import numpy as np
import pytest

from tests.linkage.measure import linked
from tests.linkage.people import HOURS, Crowd
from tests.linkage.planted import Campaign, agency, campaign, ci_fleets, company, newcomers, university_class

LOOK_ALIKES = {"class": university_class, "agency": agency, "company": company, "ci": ci_fleets, "launch": newcomers}
LOUD = [
    Campaign(name="batches of cards, one prompt", accounts=120, cards=12, prompts=1, per_day=12),
    Campaign(name="five with a prompt and a burst", accounts=5, prompts=1, burst=True),
    Campaign(name="prompt and burst", accounts=40, prompts=1, burst=True, domain="disposable"),
    Campaign(name="prompt and mail, slow", accounts=40, prompts=1, domain="own"),
    Campaign(name="two pools", accounts=60, cards=6, prompts=1, pools=2, burst=True),
    Campaign(name="a quarter of mixed traffic", accounts=60, cards=6, devices=5, prompts=1, share=0.25, networks=20),
]
QUIET = [
    Campaign(name="cards of three, one scheduler", accounts=60, cards=3, sync=0.7, per_day=25),
    Campaign(name="cards and devices, one scheduler", accounts=80, cards=4, devices=3, sync=0.6, per_day=15),
    Campaign(name="cards of four, one load", accounts=60, cards=4, even=True, per_day=40),
    Campaign(name="cards of four, one pivot", accounts=60, cards=4, pivot=True, per_day=30),
    Campaign(name="two pools without a card", accounts=40, prompts=1, pools=2, per_day=50),
    Campaign(name="exits and five prompts", accounts=60, networks=12, prompts=5, per_day=20),
]


@pytest.mark.parametrize(("seed", "planted"), [(21, LOUD), (22, QUIET)], ids=["loud", "quiet"])
def test_campaigns_are_found_and_mixed_with_nobody(tmp_path, seed, planted):
    crowd = Crowd(seed)
    people = crowd.benign(1_200)
    for one in planted:
        people += campaign(crowd, one)
    for name, plant in LOOK_ALIKES.items():
        people += plant(crowd, name)
    crowd.rng.shuffle(people)
    found = linked(tmp_path, people)
    names = [one.name for one in planted]
    precision, recall = found.pairwise(names)
    print(f"pairwise precision {precision:.4f}, recall {recall:.4f}, F1 {2 / (1 / precision + 1 / recall):.4f}")
    assert precision >= 0.99
    assert recall >= 0.95
    shares = {name: found.found(name) for name in names}
    assert {name: share for name, share in shares.items() if share[0] < 0.8 or share[1] < 0.95} == {}
    assert [group for group in found.strangers() if len(group) > 1] == []  # nobody is mixed with a planted party
    assert max(group[""] for group in found.strangers()) <= 5  # a couple's card, a second-hand device
    assert "agency" not in {label for group in found.groups.values() for label in map(found.label.get, group)}


def test_two_campaigns_of_one_make_that_run_in_the_same_weeks_stay_two(tmp_path):
    crowd = Crowd(24)
    people = crowd.benign(600)
    make = {"accounts": 40, "even": True, "per_day": 30, "cards": 4, "prompts": 1}
    for name in ("one", "other"):
        members = campaign(crowd, Campaign(name=name, **make))
        for someone in members:  # begun and ended on the same days, with silence before and after
            someone.rate = np.where((HOURS >= 24 * 8) & (HOURS < 24 * 29), someone.rate, 0.0)
        people += members
    found = linked(tmp_path, people)
    assert {name: found.found(name) for name in ("one", "other")} == {"one": (1.0, 1.0), "other": (1.0, 1.0)}


def test_a_world_without_a_campaign_has_couples_and_no_more(tmp_path):
    crowd = Crowd(23)
    found = linked(tmp_path, crowd.benign(1_200))
    assert set(found.kinds.values()) <= {"payment_instrument", "signup_device", "payment_instrument,signup_device"}
    assert max(map(len, found.groups.values())) <= 5
    assert found.report.held_back == ()
