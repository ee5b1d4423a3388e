"""What campaigns do as everybody does, or begin when another begins, does not make one campaign of several."""

import numpy as np
import pytest

from tests.linkage.measure import linked
from tests.linkage.people import HOURS, Crowd, Someone
from tests.linkage.planted import Campaign, campaign

HARNESS = ("sys-harness", "tpl-harness")


def test_campaigns_behind_one_popular_prompt_stay_apart_and_leave_its_other_users_alone(tmp_path):
    crowd = Crowd(41)
    people = crowd.benign(800, harness=0.0)
    for one in people[:150]:
        one.prompts.insert(0, HARNESS)
    campaigns = [campaign(crowd, Campaign(name=f"pool{n}", accounts=60, cards=6, prompts=1)) for n in range(3)]
    for one in (one for members in campaigns for one in members):
        one.prompts.append(HARNESS)
    found = linked(tmp_path, [*people, *(one for members in campaigns for one in members)])
    assert {name: found.found(name) for name in ("pool0", "pool1", "pool2")} == dict.fromkeys(
        ("pool0", "pool1", "pool2"), (1.0, 1.0)
    )


@pytest.mark.parametrize(("others", "make"), [(24, 1.0), (24, 1.5), (8, 1.5)])
def test_a_prompt_that_hardly_anybody_but_campaigns_uses_is_none_of_them_s_own(tmp_path, others, make):
    crowd = Crowd(44)
    people = crowd.benign(300, harness=0.0)
    for one in people[:others]:
        one.prompts.insert(0, HARNESS)
    names = [f"pool{n}" for n in range(6)]
    for n, name in enumerate(names):
        members = campaign(crowd, Campaign(name=name, accounts=50, cards=5, prompts=1, per_day=15 * make**n))
        for one in members:
            one.prompts.append(HARNESS)
            one.tokens = (200 * make**n, 1500 / make**n)
        people += members
    found = linked(tmp_path, people)
    assert {name: found.found(name) for name in names} == dict.fromkeys(names, (1.0, 1.0))


def test_two_pools_that_turn_to_round_the_clock_on_one_day_are_two(tmp_path):
    crowd = Crowd(42)
    people = crowd.benign(300)
    pools = [_turning(crowd, name) for name in ("one", "other")]
    found = linked(tmp_path, [*people, *pools[0], *pools[1]])
    assert {name: found.found(name) for name in ("one", "other")} == dict.fromkeys(("one", "other"), (1.0, 1.0))


def test_what_never_sleeps_and_is_spaced_evenly_moves_with_nobody(tmp_path):
    crowd = Crowd(45)
    people = crowd.benign(800)
    monitors = [crowd.someone("monitor") for _ in range(6)]
    agencies = {name: [crowd.someone(name) for _ in range(10)] for name in ("one", "other")}
    for name, clients in agencies.items():
        for client in clients:
            client.cards = [f"card-{name}"]
    steady = [*monitors, *agencies["one"], *agencies["other"]]
    for one, a_day in zip(steady, np.linspace(240, 930, len(steady)), strict=True):
        one.rate, one.evenly = np.where(HOURS >= 14 * 24, a_day / 24, 0.0), True
    found = linked(tmp_path, [*people, *steady])
    assert {name: found.found(name) for name in agencies} == dict.fromkeys(agencies, (1.0, 1.0))


def _turning(crowd: Crowd, name: str) -> list[Someone]:
    """A pool on one card that works by day, and from an hour in mid-window on round the clock."""
    turn = len(HOURS) // 2 + 7
    members = []
    for _ in range(12):
        one = crowd.someone(name)
        one.cards = [f"card-{name}"]
        one.rate = np.where(np.arange(len(HOURS)) < turn, crowd.office(0, 60.0), 6.0)
        members.append(one)
    return members


@pytest.mark.parametrize("days", [5, 9, 30])
def test_one_scheduler_is_seen_where_it_runs_for_a_few_days_as_well(tmp_path, days):
    crowd = Crowd(43)
    people = crowd.benign(800)
    pool = campaign(crowd, Campaign(name="short", accounts=40, cards=4, sync=0.8, per_day=60))
    for one in pool:
        one.rate = np.where((HOURS // 24 >= 10) & (10 + days > HOURS // 24), one.rate, 0.0)
    found = linked(tmp_path, [*people, *pool])
    share, purity = found.found("short")
    assert share >= 0.8
    assert purity == 1.0
