"""Batches and single accounts that only their behaviour ties to a campaign, and harmless people who look like it."""

import numpy as np

from tests.linkage.measure import linked
from tests.linkage.people import HOURS, Crowd, Someone
from tests.linkage.planted import Campaign, campaign


def test_batches_of_accounts_too_quiet_to_be_compared_one_by_one_are_compared_together(tmp_path):
    crowd = Crowd(31)
    people = crowd.benign(800)
    people += campaign(crowd, Campaign(name="drip", accounts=120, devices=4, even=True, per_day=3.5))
    found = linked(tmp_path, people)
    share, purity = found.found("drip")
    assert share >= 0.95
    assert purity == 1.0


def test_whoever_shares_nothing_is_found_by_a_crowds_habits_and_rhythm_but_not_by_its_habits(tmp_path):
    crowd = Crowd(33)
    people = crowd.benign(1_200)
    members = campaign(crowd, Campaign(name="pool", accounts=60, cards=3, sync=0.8, even=True, per_day=20))
    cards = sorted({card for one in members for card in one.cards})
    for one in members:
        if one.cards[0] in cards[::3]:
            one.cards = [f"card-{one.id}"]
    people += members
    people += campaign(crowd, Campaign(name="of one make", accounts=40, even=True, per_day=20))
    found = linked(tmp_path, people)
    assert found.found("pool") == (1.0, 1.0)
    assert found.found("of one make")[0] <= 0.1


def test_couples_in_a_population_that_is_much_alike_are_couples(tmp_path):
    crowd = Crowd(33)
    people = [_usual(crowd) for _ in range(2_000)]
    for one, other in zip(people[:1_000:2], people[1:1_000:2], strict=True):
        one.cards = other.cards = [f"card-{one.id}"]
    found = linked(tmp_path, people)
    assert len(found.groups) == 500
    assert {len(group) for group in found.groups.values()} == {2}


def test_what_two_campaigns_share_does_not_make_them_one_where_two_others_are_cut_apart(tmp_path):
    crowd = Crowd(34)
    people = crowd.benign(800)
    for name in ("by prompt", "by mail"):  # both work from one exit, which is rare enough to count with another kind
        for _ in range(20):
            people.append(one := crowd.someone(name))
            one.networks.insert(0, "net-exit")
            one.rate += 0.2
            if name == "by prompt":
                one.prompts.insert(0, (f"sys-{name}", f"tpl-{name}"))
            else:
                one.row["email_domain"] = f"{name}.example"
    bursts = [campaign(crowd, Campaign(name=name, accounts=30, prompts=1, burst=True)) for name in ("first", "second")]
    bursts[0][0].row["signup_device_hash"] = bursts[1][0].row["signup_device_hash"]  # second hand
    found = linked(tmp_path, [*people, *bursts[0], *bursts[1]])
    names = ("by prompt", "by mail", "first", "second")
    assert {name: found.found(name) for name in names} == dict.fromkeys(names, (1.0, 1.0))


def _usual(crowd: Crowd) -> Someone:
    """Somebody of a trade in which all work much alike."""
    one = crowd.someone()
    one.row["signup_country"], one.tier = "DE", "build"
    one.networks, one.row["signup_net_hash"] = [f"net-{one.id}"], f"net-{one.id}"
    one.prompts = [(f"sys-{one.id}", f"tpl-{one.id}")]
    one.row["email_domain"] = f"{one.id}.example"
    one.tokens = (float(420 * np.exp(crowd.rng.uniform(-0.7, 0.7))), float(300 * np.exp(crowd.rng.uniform(-0.7, 0.7))))
    one.rate = np.full(len(HOURS), 0.3)
    return one
