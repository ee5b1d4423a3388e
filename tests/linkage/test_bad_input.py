"""Sensible answers where much is missing or everything is the same, and the reason said."""

from audits.linkage import link
from audits.warehouse import warehouse
from tests.linkage.small import WEEK, linked, paid, signed_up, strangers
from tests.rows import LONG_AGO, account, events, put, together


def uses(name: str, **columns):
    return {"usage_events": events(name, "2026-10-06", 5, **({"system_prompt_hash": f"sys-{name}"} | columns))}


def test_an_empty_warehouse_has_no_groups(url):
    found = linked(url, {"usage_events": []})
    assert (found.groups, found.report.accounts, found.report.groups) == (set(), 0, 0)


def test_without_sign_up_data_cards_and_prompts_still_link_and_what_is_missing_is_named(url):
    members = [
        together(account(f"m{i}"), paid(f"m{i}", f"card{i % 4}"), uses(f"m{i}", system_prompt_hash="sys"))
        for i in range(12)
    ]
    found = linked(url, strangers(), *members)
    assert found.groups == {frozenset(f"m{i}" for i in range(12))}
    missing = {"signup_device", "phone", "signup_address", "signup_network", "email_domain", "signup_burst"}
    assert missing <= set(found.report.without)


def test_with_half_of_the_identifiers_missing_those_that_are_there_link(url):
    members = []
    for i in range(20):
        known = {"signup_net_hash": "hosting", "email_domain": "made.example"} if i % 2 else {}
        missing = {} if i % 2 else {"signup_net_hash": None, "email_domain": None, "signup_ip_hash": None}
        members += [signed_up(f"m{i}", 30 * i, signup_device_hash=None, phone_hash=None, **(known | missing))]
        members += [paid(f"m{i}", "card")] if i in (0, 1) else []
    found = linked(url, strangers(), *members)
    assert found.groups == {frozenset(["m0", *(f"m{i}" for i in range(1, 20, 2))])}


def test_null_is_not_a_value_that_accounts_share(url):
    nothing = {
        "signup_net_hash": None,
        "email_domain": None,
        "signup_ip_hash": None,
        "signup_device_hash": None,
        "phone_hash": None,
    }
    people = [signed_up(f"m{i}", 30 * i, **nothing) for i in range(20)]
    blank = [signed_up(f"b{i}", 30 * i + 7, **dict.fromkeys(nothing, "")) for i in range(20)]
    assert linked(url, strangers(), *people, *blank).groups == set()


def test_one_instrument_on_a_third_of_all_accounts_links_nobody_and_is_told(url):
    found = linked(url, strangers(200), *(together(account(f"m{i}"), paid(f"m{i}", "card")) for i in range(100)))
    assert found.groups == set()
    assert [(hub["kind"], hub["customers"]) for hub in found.hubs] == [("payment_instrument", 100)]


def test_an_account_that_is_there_twice_is_not_linked_to_itself(url):
    twice = {
        "accounts": [{"account_id": "a1", "customer_id": "c-other", "opened_at": LONG_AGO, "signup_device_hash": "dev"}]
    }
    same = [{"account_id": "a1", "instrument_hash": "card", "valid_from": LONG_AGO}] * 2
    found = linked(url, strangers(), account("a1", signup_device_hash="dev"), twice, {"account_payments": same})
    assert found.groups == set()
    assert found.report.accounts == 301


def test_accounts_that_are_in_usage_alone_are_linked_too(url):
    found = linked(url, strangers(), *(uses(f"m{i}", system_prompt_hash="s", client_net_hash="n") for i in range(6)))
    assert found.groups == {frozenset(f"m{i}" for i in range(6))}


def test_usage_that_no_account_can_be_named_for_is_nobody_s(url):
    known = [together(account(f"m{i}"), uses(f"m{i}")) for i in range(2)]
    lost = [uses(name, system_prompt_hash="sys-m0", client_net_hash="net-m0") for name in ("UNMAPPED", "")]
    assert linked(url, strangers(), *known, *lost).groups == set()


def test_where_no_customer_is_named_each_account_is_a_party(url):
    found = linked(url, *(together(account(f"m{i}", customer=""), paid(f"m{i}", f"card{i // 2}")) for i in range(40)))
    assert found.groups == {frozenset((f"m{i}", f"m{i + 1}")) for i in range(0, 40, 2)}


def test_where_all_accounts_share_one_address_it_says_nothing(url):
    gateway = {"signup_ip_hash": "gw", "signup_net_hash": "gw", "client_net_hash": "gw"}
    asked = {"client_net_hash": "gw"}
    place = {key: value for key, value in gateway.items() if key.startswith("signup")}
    people = [
        together(signed_up(f"m{i}", 11 * i, email_domain=f"mail{i % 6}.example", **place), uses(f"m{i}", **asked))
        for i in range(100)
    ]
    found = linked(url, *people)
    assert found.groups == set()
    assert {hub["kind"] for hub in found.hubs} >= {"signup_address", "signup_network", "client_network"}


def test_a_world_without_a_campaign_has_no_groups(url):
    people = [
        together(
            signed_up(f"m{i}", 13 * i, email_domain=f"mail{i % 7}.example", signup_net_hash=f"net{i % 50}"),
            uses(f"m{i}"),
        )
        for i in range(200)
    ]
    assert linked(url, *people).groups == set()


def test_an_unchanged_warehouse_is_not_linked_again_and_tells_the_same(url):
    rows = together(strangers(), *(together(account(f"m{i}"), paid(f"m{i}", "card")) for i in range(40)))
    first = linked(url, rows)
    with warehouse(url, write=True) as opened:
        again = link(opened, WEEK, since=WEEK.first_day)
    assert (first.report.changed, again.changed) == (True, False)
    assert again.hubs == first.report.hubs
    put(url, paid("m0", "another"))
    with warehouse(url, write=True) as opened:
        assert link(opened, WEEK, since=WEEK.first_day).changed
