"""What many share links nobody and is said to be a hub; how many is counted in parties, not in accounts."""

import pytest

from tests.linkage.small import linked, paid, signed_up, strangers
from tests.rows import account, events, together


def uses(name: str, n: int = 3, **columns):
    own = {"system_prompt_hash": f"sys-{name}", "client_net_hash": f"net-{name}", "prompt_template_hash": f"tpl-{name}"}
    return {"usage_events": events(name, "2026-10-06", n, **(own | columns))}


def crowd(n: int, **columns):
    """People who share something and no more."""
    return together(*(together(account(f"m{i}"), uses(f"m{i}", **columns)) for i in range(n)))


def told(found, kind: str) -> list[tuple[int, int]]:
    return [(hub["customers"], hub["parties"]) for hub in found.hubs if hub["kind"] == kind]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("client_network", {"client_net_hash": "vpn-exit"}),
        ("system_prompt", {"system_prompt_hash": "harness"}),
    ],
)
def test_a_vpn_exit_or_a_prompt_of_a_fifth_of_all_links_nobody_and_is_told(url, kind, columns):
    found = linked(url, strangers(160), crowd(40, **columns))
    assert found.groups == set()
    assert told(found, kind) == [(40, 40)]
    assert (kind, 40) in {(hub.kind, hub.parties) for hub in found.report.hubs}


def test_a_university_network_joins_nobody_by_itself(url):
    students = [signed_up(f"s{i}", 17 * i, signup_net_hash="campus", signup_ip_hash="campus") for i in range(30)]
    found = linked(url, strangers(), *students)
    assert found.groups == set()
    assert told(found, "signup_network") == told(found, "signup_address") == [(30, 30)]


def test_a_class_is_a_group_by_place_mail_and_hour_and_says_so(url):
    campus = {"signup_net_hash": "campus", "email_domain": "campus.example"}
    found = linked(url, strangers(), *(signed_up(f"s{i}", i % 9, **campus) for i in range(30)))
    assert found.groups == {frozenset(f"s{i}" for i in range(30))}
    assert found.summaries[0]["causes"] == "beginning,mail,place"


def test_an_agency_s_card_over_many_declared_customers_is_a_hub(url):
    found = linked(url, strangers(), *(together(account(f"m{i}"), paid(f"m{i}", "card")) for i in range(40)))
    assert found.groups == set()
    assert told(found, "payment_instrument") == [(40, 40)]


def test_accounts_of_one_declared_customer_are_one_party_and_no_group(url):
    accounts = [together(account(f"m{i}", customer="one"), paid(f"m{i}", "card")) for i in range(40)]
    found = linked(url, strangers(), *accounts, account("other"), paid("other", "card"))
    assert found.groups == {frozenset([*(f"m{i}" for i in range(40)), "other"])}
    assert found.summaries[0]["customers"] == 2  # forty-one accounts share the card, and two parties: no hub


def test_accounts_of_one_declared_customer_alone_are_no_group(url):
    accounts = [together(account(f"m{i}", customer="one"), paid(f"m{i}", "card")) for i in range(5)]
    assert linked(url, strangers(), *accounts).groups == set()


def test_a_prompt_on_three_hundred_accounts_that_ten_cards_pay_for_is_rare(url):
    members = [
        together(account(f"m{i}"), paid(f"m{i}", f"card{i % 10}"), uses(f"m{i}", system_prompt_hash="sys"))
        for i in range(300)
    ]
    found = linked(url, strangers(1200), *members)
    assert found.groups == {frozenset(f"m{i}" for i in range(300))}
    prompt = next(edge for edge in found.edges if edge["kind"] == "system_prompt")
    assert (prompt["customers"], prompt["parties"]) == (300, 1)


def test_the_same_prompt_on_as_many_accounts_that_pay_for_themselves_links_nobody(url):
    members = [
        together(account(f"m{i}"), paid(f"m{i}", f"card{i}"), uses(f"m{i}", system_prompt_hash="sys"))
        for i in range(300)
    ]
    found = linked(url, strangers(1200), *members)
    assert found.groups == set()
    assert told(found, "system_prompt") == [(300, 300)]


def test_two_couples_that_happen_to_use_one_prompt_stay_two(url):
    people = [
        together(account(f"m{i}"), paid(f"m{i}", f"card{i % 2}"), uses(f"m{i}", system_prompt_hash="sys"))
        for i in range(4)
    ]
    assert linked(url, strangers(), *people).groups == {frozenset(("m0", "m2")), frozenset(("m1", "m3"))}


def test_a_mail_provider_and_a_mobile_network_of_one_country_are_no_coincidence(url):
    """In a small country half have its mail and many its network; both together tell nobody from anybody."""
    local = [
        signed_up(
            f"s{i}", 15 * i, signup_country="LU",
            signup_net_hash="mobile" if i % 3 == 0 else f"net{i}",
            email_domain="post.lu.example" if i % 2 == 0 else f"own{i}.example",
        )
        for i in range(40)
    ]  # fmt: skip
    assert linked(url, strangers(1000), *local).groups == set()


def test_a_campaign_that_comes_from_a_country_of_its_own_is_found(url):
    members = [
        signed_up(f"s{i}", 15 * i, signup_country="LU", signup_net_hash="hosting", email_domain="made.example")
        for i in range(12)
    ]
    assert linked(url, strangers(), *members).groups == {frozenset(f"s{i}" for i in range(12))}


def test_a_second_hand_device_does_not_make_one_of_a_class_and_a_campaign(url):
    campus = {"signup_net_hash": "campus", "email_domain": "campus.example"}
    students = [signed_up(f"s{i}", i % 9, **campus) for i in range(30)]
    members = [
        together(account(f"m{i}"), paid(f"m{i}", f"card{i % 5}"), uses(f"m{i}", system_prompt_hash="sys"))
        for i in range(29)
    ]
    bought = together(
        account("m29", signup_device_hash="dev-s0"), paid("m29", "card4"), uses("m29", system_prompt_hash="sys")
    )
    found = linked(url, strangers(), *students, *members, bought)
    assert found.groups == {frozenset(f"s{i}" for i in range(30)), frozenset(f"m{i}" for i in range(30))}
