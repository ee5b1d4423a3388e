"""Which links something harmless would explain, by the terms of the policy book."""

from datetime import date

import pytest
from sqlalchemy import insert

from audits.linkage.tables import linkage_groups
from audits.periods import Period
from audits.policy import load_book
from audits.policy.rows import OpenLinks
from audits.rules.links import explanations
from audits.warehouse import warehouse
from tests.rows import account, put

WEEK = Period.parse("2026-W41")
SHIPPED = load_book().settings(date(2026, 10, 31)).open_links
POOL = {
    "one_network": 0.1, "campus": 0.1, "one_domain": 0.1, "one_instrument": 0.1, "possession": 1.0, "several": 1.0,
    "cards_and_keys": 1.0, "circles": 0.9, "disposable": 0.0,
}  # fmt: skip


def told(url, terms=SHIPPED, **shares):
    """What explains a group with the shares of a pool but for these."""
    row = {"group_id": "g", "accounts": 20, "customers": 20, "kinds": "", "causes": ""} | POOL | shares
    put(url, account("a"))
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        connection.execute(insert(linkage_groups), [row | {"period": WEEK.id}, row | POOL | {"period": "2026-W40"}])
        return explanations(connection, WEEK, terms)


@pytest.mark.parametrize(
    ("shares", "reasons"),
    [
        ({}, set()),
        ({"one_network": 0.8, "several": 0.49}, {"open"}),
        ({"one_network": 0.79, "several": 0.49}, set()),
        ({"one_network": 0.8, "several": 0.5, "circles": 0.0}, set()),
        ({"one_domain": 0.8, "several": 0.49}, {"organisation"}),
        ({"one_domain": 0.8, "several": 0.5, "cards_and_keys": 0.0}, set()),
        ({"one_domain": 0.8, "one_network": 0.5, "cards_and_keys": 0.49}, {"organisation"}),
        ({"one_domain": 0.8, "campus": 0.5, "cards_and_keys": 0.49}, {"organisation"}),
        ({"one_domain": 0.8, "one_network": 0.49, "campus": 0.49, "cards_and_keys": 0.0}, set()),
        ({"one_domain": 0.8, "one_network": 0.5, "cards_and_keys": 0.5}, set()),
        ({"one_domain": 0.9, "one_network": 0.9, "cards_and_keys": 0.0}, {"open", "organisation"}),
        ({"one_domain": 0.79, "one_network": 0.9, "cards_and_keys": 0.0}, set()),
        ({"one_domain": 0.79, "several": 0.0, "cards_and_keys": 0.0}, set()),
        ({"one_domain": 0.8, "campus": 0.8, "cards_and_keys": 0.49}, {"open", "organisation"}),
        ({"one_domain": 0.8, "campus": 0.79, "cards_and_keys": 0.49}, {"organisation"}),
        ({"one_domain": 0.8, "campus": 0.8, "cards_and_keys": 0.5}, set()),
        ({"one_domain": 0.79, "campus": 1.0, "several": 0.0}, set()),
        ({"one_instrument": 0.8, "several": 1.0, "circles": 0.49}, {"open"}),
        ({"one_instrument": 0.79, "circles": 0.49}, set()),
        ({"one_instrument": 0.8, "several": 1.0, "circles": 0.5}, set()),
        ({"one_instrument": 1.0, "circles": 0.0, "disposable": 0.5}, set()),
        ({"possession": 0.49}, {"loose"}),
        ({"possession": 0.5}, set()),
        ({"one_network": 0.97, "possession": 0.0, "several": 0.0, "circles": 0.0}, {"open", "loose"}),
    ],
)
def test_one_holder_explains_what_no_smaller_circles_tie(url, shares, reasons):
    assert set(told(url, **shares).get("g", ())) == reasons


def test_a_book_without_the_section_explains_nothing(url):
    assert told(url, None, one_network=1.0, circles=0.0) == {}


def test_the_operator_s_shares_decide(url):
    assert set(told(url, OpenLinks(0.1, 1.1))["g"]) == {"open", "organisation", "loose"}


def test_words_give_the_figures(url):
    said = told(url, one_network=0.97, possession=0.25, several=0.1)["g"]
    assert said["open"] == (
        "97% of its accounts work from one network and only for 10% a card, device or key ties them in circles: "
        "a class, an office or an agency looks like this"
    )
    assert said["loose"].startswith("of its accounts 25% share")


def test_the_machines_of_an_organisation_s_room_are_no_circles(url):
    said = told(url, one_network=0.9, one_domain=0.92, several=0.95, cards_and_keys=0.0)["g"]
    assert said["open"] == (
        "90% of its accounts work from one network and no card or key ties them in circles: "
        "a class, an office or an agency looks like this"
    )


def test_the_buildings_of_a_campus_are_told_of(url):
    said = told(url, one_network=0.45, campus=0.93, one_domain=0.92, cards_and_keys=0.1)["g"]
    assert said["open"] == (
        "92% of its accounts have one organisation's mail and 93% work from the same few offices and only for 10% "
        "a card or key ties them in circles: a class, an office or an agency looks like this"
    )


def test_an_agency_s_machines_are_told_of_although_its_clients_have_one_mail(url):
    said = told(url, one_instrument=1.0, one_domain=0.9, one_network=0.5, circles=0.1, cards_and_keys=0.0)["g"]
    assert said["open"].startswith(
        "one instrument pays for 100% of its accounts and only for 10% a card, device or key"
    )
    assert "and no card or key ties them" in said["organisation"]


def test_of_several_holders_the_first_is_told(url):
    said = told(url, one_network=0.9, one_instrument=1.0, several=0.0, circles=0.0)["g"]
    assert said["open"].startswith("90% of its accounts work from one network and no card, device or key ties")
