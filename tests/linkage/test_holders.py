"""How much of a group one network or one instrument holds, and how much hangs together in smaller circles."""

import pytest

from tests.linkage.small import linked, paid, signed_up, strangers
from tests.rows import events, together

PRESENT = ("one_network", "one_domain", "one_instrument", "possession", "circles", "disposable")


def shares(found):
    """The columns of the only group."""
    (summary,) = found.summaries
    return {name: summary[name] for name in PRESENT}


def works(name: str, net: str, ip_type: str | None = "corporate"):
    """Three requests from a network, and three from home."""
    return {
        "usage_events": events(name, "2026-10-06", 3, client_net_hash=net, ip_type=ip_type)
        + events(name, "2026-10-07", 3, client_net_hash=f"home-{name}", ip_type="residential")
    }


def students(n: int, nets: int = 1, ip_type: str | None = "corporate"):
    """Opened within nine minutes in one place under one organisation's mail, working from so many networks."""
    one = {"email_domain": "campus.example", "signup_net_hash": "campus"}
    return [together(signed_up(f"s{i}", i % 9, **one), works(f"s{i}", f"net{i % nets}", ip_type)) for i in range(n)]


def test_a_class_works_from_one_network_and_shares_nothing_else(url):
    assert shares(linked(url, strangers(), *students(20))) == {
        "one_network": 1, "one_domain": 1, "one_instrument": 0, "possession": 0, "circles": 0, "disposable": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nets", "ip_type", "venues"),
    [(1, "corporate", 1), (2, "residential", 1), (3, None, 1), (4, "corporate", 0), (2, "hosting", 0)],
)
def test_several_events_have_a_venue_each(url, nets, ip_type, venues):
    (summary,) = linked(url, strangers(), *students(24, nets=nets, ip_type=ip_type)).summaries
    assert summary["venues"] == venues


@pytest.mark.parametrize("ip_type", ["hosting", "vpn", "tor"])
def test_a_rented_network_is_no_roof(url, ip_type):
    assert shares(linked(url, strangers(), *students(20, ip_type=ip_type)))["one_network"] == 0


def test_where_requests_name_no_network_that_of_sign_up_counts(url):
    one = {"email_domain": "campus.example", "signup_net_hash": "campus"}
    group = [signed_up(f"s{i}", i % 9, **one) for i in range(20)]
    assert shares(linked(url, strangers(), *group))["one_network"] == 1


def test_who_signed_up_in_one_place_and_works_in_many_has_no_roof(url):
    assert shares(linked(url, strangers(), *students(20, nets=4)))["one_network"] == 0.25


@pytest.mark.parametrize(
    ("nets", "ip_type", "campus"),
    [
        (1, "corporate", 1), (3, "corporate", 1), (4, "corporate", 0.75),
        (3, "residential", 0), (3, "mobile", 0), (3, "hosting", 0), (3, None, 0),
    ],
)  # fmt: skip
def test_a_campus_has_a_few_offices_networks(url, nets, ip_type, campus):
    (summary,) = linked(url, strangers(), *students(24, nets=nets, ip_type=ip_type)).summaries
    assert summary["campus"] == campus


def test_who_works_in_two_of_a_campus_s_buildings_is_one_of_its_people(url):
    moved = [works(f"s{i}", f"net{(i + 1) % 3}") for i in range(24)]
    for i, rows in enumerate(moved):
        for row in rows["usage_events"]:
            row["event_id"] += f"-again-{i}"
    (summary,) = linked(url, strangers(), *students(24, nets=3), *moved).summaries
    assert summary["campus"] == 1


def test_a_mail_provider_is_no_organisation(url):
    """A group on one network and two prompts, whose mail is that of everybody."""
    mail = {"email_domain": "mail.example"}
    everybody = [signed_up(f"x{i}", 60 + 20 * i, **mail) for i in range(200)]
    group = [
        together(signed_up(f"s{i}", i % 9, signup_net_hash="campus", **mail), works(f"s{i}", "campus"))
        for i in range(9)
    ]
    found = shares(linked(url, *everybody, *group))
    assert (found["one_network"], found["one_domain"]) == (1, 0)


def test_a_room_s_machines_are_circles_and_neither_card_nor_key(url):
    def at_one_of_four(i: int):
        return signed_up(f"s{i}", i % 9, email_domain="campus.example", signup_device_hash=f"lab{i % 4}")

    (summary,) = linked(url, strangers(), *(at_one_of_four(i) for i in range(16))).summaries
    assert (summary["several"], summary["cards_and_keys"]) == (0.75, 0)


def test_one_card_for_all_is_one_payer_and_no_circle(url):
    clients = [together(signed_up(f"c{i}", 100 * i), paid(f"c{i}", "agency")) for i in range(12)]
    assert shares(linked(url, strangers(), *clients)) == {
        "one_network": 0, "one_domain": 0, "one_instrument": 1, "possession": 1, "circles": 0, "disposable": 0,
    }  # fmt: skip


def test_one_card_and_two_devices_are_an_agency_s_and_no_circles(url):
    clients = [
        together(signed_up(f"c{i}", 100 * i, signup_device_hash=f"d{i % 2}"), paid(f"c{i}", "agency"))
        for i in range(12)
    ]
    found = shares(linked(url, strangers(), *clients))
    assert (found["one_instrument"], found["circles"]) == (1, 0)


def test_cards_in_small_batches_are_circles(url):
    """Four cards of three accounts, chained by devices that two accounts of neighbouring batches share."""
    rows = []
    for i in range(12):
        device = {"signup_device_hash": f"d{(i + 1) // 3}"} if i % 3 in (0, 2) else {}
        rows.append(together(signed_up(f"c{i}", 100 * i, **device), paid(f"c{i}", f"card{i // 3}")))
    linkage = linked(url, strangers(), *rows)
    found = shares(linkage)
    assert linkage.summaries[0]["cards_and_keys"] == 0.75
    assert found["one_instrument"] == 0.25
    assert found["possession"] == 1
    assert found["circles"] == 1


def test_throw_away_mail_is_told(url):
    one = {"email_domain": "tempbox.example", "email_disposable": True, "signup_net_hash": "exit"}
    found = shares(linked(url, strangers(), *(signed_up(f"s{i}", i % 9, **one) for i in range(10))))
    assert found["disposable"] == 1


def test_a_world_without_groups_has_no_summaries(url):
    assert linked(url, strangers(20)).summaries == []
