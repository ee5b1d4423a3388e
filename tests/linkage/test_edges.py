"""Each kind of evidence: strong links join alone, weak ones only two independent kinds together."""

import pytest

from tests.linkage.small import linked, paid, signed_up, strangers
from tests.rows import account, at, events, together

TRIO = ("a1", "a2", "a3")
NO_USE: dict[str, list] = {"usage_events": []}


def used(name: str, **columns):
    """Five requests of an account on a day of the week, of a client and with prompts of its own unless said."""
    own = {"system_prompt_hash": f"sys-{name}", "client_net_hash": f"net-{name}"}
    return {"usage_events": events(name, "2026-10-06", 5, **(own | columns))}


STRONG = {
    "payment_instrument": lambda: together(
        *(together(account(name), paid(name, "card")) for name in TRIO)
    ),
    "signup_device": lambda: together(*(account(name, signup_device_hash="dev") for name in TRIO)),
    "api_key": lambda: together(*(together(account(name), used(name, api_key_hash="key-a1")) for name in TRIO)),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRONG)
def test_a_strong_link_joins_by_itself(url, kind):
    found = linked(url, strangers(), STRONG[kind]())
    assert found.groups == {frozenset(TRIO)}
    assert found.joining == {kind}
    assert [edge["account_id"] for edge in found.edges if edge["kind"] == kind] == list(TRIO)


# What accounts may share that is weak: how it comes about, by columns of the account or of its requests.
PLACE = {"signup_net_hash": "net"}
WEAK = {
    "phone": ({"phone_hash": "tel"}, {}),
    "signup_address": ({"signup_ip_hash": "ip"}, {}),
    "signup_network": (PLACE, {}),
    "client_network": ({}, {"client_net_hash": "net"}),
    "email_domain": ({"email_domain": "shared.example"}, {}),
    "disposable_mail": ({"email_disposable": True}, {}),
    "signup_burst": ({"minute": 0}, {}),
    "system_prompt": ({}, {"system_prompt_hash": "sys"}),
    "prompt_template": ({}, {"prompt_template_hash": "tpl"}),
}


def sharing(*kinds: str):
    """Three accounts that share a value of each kind and nothing else."""
    parts = []
    for number, name in enumerate(TRIO):
        person, requests = {"minute": 60 * number}, {}
        for kind in kinds:
            person |= WEAK[kind][0]
            requests |= WEAK[kind][1]
        parts += [signed_up(name, **person), used(name, **requests)]
    return together(*parts)


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_link_alone_joins_nobody(url, kind):
    assert linked(url, strangers(), sharing(kind)).groups == set()


@pytest.mark.parametrize(
    "kinds",
    [
        ("signup_network", "email_domain"),
        ("phone", "disposable_mail"),
        ("signup_address", "prompt_template"),
        ("client_network", "system_prompt"),
        ("signup_burst", "email_domain"),
        ("signup_burst", "signup_network"),
        ("disposable_mail", "prompt_template"),
    ],
    ids=" and ".join,
)
def test_two_weak_links_of_independent_causes_join(url, kinds):
    found = linked(url, strangers(), sharing(*kinds))
    assert found.groups == {frozenset(TRIO)}
    assert found.joining == set(kinds)
    assert len(found.summaries[0]["causes"].split(",")) == 2


@pytest.mark.parametrize(
    "kinds",
    [
        ("system_prompt", "prompt_template"),  # one program sends both
        ("signup_network", "signup_address", "client_network"),  # one place, seen three times
        ("email_domain", "disposable_mail"),
    ],
    ids=" and ".join,
)
def test_two_sides_of_one_thing_are_one_kind(url, kinds):
    assert linked(url, strangers(), sharing(*kinds)).groups == set()


def test_requests_that_were_few_enough_to_be_a_try_are_no_evidence(url):
    tries = [
        {"usage_events": events(name, "2026-10-06", 2, system_prompt_hash="sys", client_net_hash="net")}
        for name in TRIO
    ]
    assert linked(url, strangers(), *map(account, TRIO), *tries).groups == set()


def test_an_edge_keeps_how_many_share_the_value_and_when_it_was_seen(url):
    cards = [
        {"account_id": "a1", "instrument_hash": "card", "valid_from": at("2026-08-01"), "valid_to": at("2026-09-15")},
        {"account_id": "a2", "instrument_hash": "card", "valid_from": at("2026-09-20")},
    ]
    found = linked(url, strangers(254), account("a1"), account("a2"), {"account_payments": cards})
    one, other = (edge for edge in found.edges if edge["kind"] == "payment_instrument")
    assert (one["first_seen"], one["last_seen"]) == (at("2026-08-01"), at("2026-09-15"))
    assert (other["first_seen"], other["last_seen"]) == (at("2026-09-20"), at("2026-10-12"))  # the period's end
    assert (one["customers"], one["parties"], one["joins"]) == (2, 1, True)
    assert one["bits"] == 7.9944  # 1 of 255 parties, where the group is one
    assert one["value_digest"] == other["value_digest"] != "card"


def test_evidence_that_agrees_but_was_not_needed_is_kept_as_such(url):
    found = linked(
        url, strangers(), *(together(account(name, email_domain="d.example"), paid(name, "card")) for name in TRIO)
    )
    assert {(edge["kind"], edge["joins"]) for edge in found.edges} == {
        ("payment_instrument", True),
        ("email_domain", False),
    }


def test_what_speaks_against_a_link_is_kept_too(url):
    """Five accounts on two cards, three of them with one device: the devices of two differ, and all hangs on cards."""
    people = [
        together(
            signed_up(f"m{i}", 60 * i, phone_hash=None, signup_device_hash="dev" if i < 3 else f"own{i}"),
            paid(f"m{i}", f"card{i % 2}"),
        )
        for i in range(5)
    ]
    found = linked(url, strangers(), *people)
    assert found.groups == {frozenset(f"m{i}" for i in range(5))}
    told = {row["kind"]: (row["recorded"], row["sharing"], row["together_without"]) for row in found.against}
    assert told["payment_instrument"] == (5, 5, 3)  # without cards the device holds three
    assert told["signup_device"] == (5, 3, 3)  # without the device each card holds its own
    assert told["email_domain"] == (5, 0, 5)  # five of their own
    assert "phone" not in told  # nobody's is recorded: that says nothing


def test_what_lies_after_the_period_is_not_known_in_it(url):
    later = [{"account_id": name, "instrument_hash": "card", "valid_from": at("2026-10-12")} for name in TRIO]
    assert linked(url, strangers(), *map(account, TRIO), {"account_payments": later}).groups == set()
