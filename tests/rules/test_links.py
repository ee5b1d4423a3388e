"""Which links something harmless explains by the terms of the policy book, and whose members behave like people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import insert

from audits.linkage.tables import group_members, linkage_groups
from audits.periods import Period, utc_midnight
from audits.policy import load_book
from audits.policy.rows import OpenLinks
from audits.rollups.account_day import account_day
from audits.rollups.account_hour import account_hour
from audits.rules.engine.conduct import Conduct, Habits, conduct_of
from audits.rules.engine.links import explanations, holder_of
from audits.rules.engine.population import prepare
from audits.warehouse import warehouse
from audits.warehouse.staging import insert_in_bulk
from tests.rows import account, put, together

WEEK = Period.parse("2026-W41")
BOOK = load_book()
SHIPPED = BOOK.settings(date(2026, 10, 31)).open_links or OpenLinks(1, 0, 1)
POOL = {
    "one_network": 0.1, "venues": 0.1, "campus": 0.1, "one_domain": 0.1, "one_instrument": 0.1, "possession": 1.0,
    "several": 1.0, "cards_and_keys": 1.0, "circles": 0.9, "disposable": 0.0,
}  # fmt: skip
ONE_PAYER = {"one_instrument": 1.0, "circles": 0.0}


class Row:
    """A group's row with the shares of a pool but for some."""

    def __init__(self, **shares: float) -> None:
        self.__dict__.update(POOL | shares)


@pytest.mark.parametrize(
    ("shares", "holder"),
    [
        ({}, ""),
        ({"one_network": 0.8, "several": 0.49}, "80% of its accounts work from one network"),
        ({"one_network": 0.79, "several": 0.49}, ""),
        ({"one_network": 0.8, "several": 0.5, "circles": 0.0}, ""),
        ({"one_network": 0.5, "venues": 1.0, "several": 0.0}, "100% of its accounts work from a few networks"),
        ({"one_network": 0.5, "venues": 0.79, "several": 0.0}, ""),
        ({"one_network": 0.5, "venues": 1.0, "several": 0.5}, ""),
        ({"one_domain": 0.8, "several": 0.49}, "80% of its accounts have one organisation's mail"),
        ({"one_domain": 0.8, "several": 0.5, "cards_and_keys": 0.0}, ""),
        ({"one_domain": 0.8, "one_network": 0.5, "cards_and_keys": 0.49}, "80% of its accounts have one organisation"),
        ({"one_domain": 0.8, "one_network": 0.49, "campus": 0.49, "cards_and_keys": 0.0}, ""),
        ({"one_domain": 0.79, "one_network": 0.9, "cards_and_keys": 0.0}, ""),
        ({"one_domain": 0.8, "campus": 0.9, "cards_and_keys": 0.49}, "80% of its accounts have one organisation's mail "
         "and 90% work from the same few offices"),
        ({"one_domain": 0.8, "campus": 0.8, "cards_and_keys": 0.5}, ""),
        ({"one_domain": 0.79, "campus": 1.0, "several": 0.0}, ""),
        ({"one_instrument": 0.8, "several": 1.0, "circles": 0.49}, "one instrument pays for 80% of its accounts"),
        ({"one_instrument": 0.79, "circles": 0.49}, ""),
        ({"one_instrument": 0.8, "several": 1.0, "circles": 0.5}, ""),
        ({"one_instrument": 1.0, "circles": 0.0, "disposable": 0.5}, ""),
        ({"possession": 0.0, "several": 0.0, "cards_and_keys": 0.0, "circles": 0.0}, ""),
    ],
)  # fmt: skip
def test_one_holder_explains_a_link_that_no_smaller_circles_tie(shares: dict[str, float], holder: str) -> None:
    said = holder_of(Row(**shares), SHIPPED)
    assert said.startswith(holder)
    assert bool(said) == bool(holder)


def test_the_operator_s_shares_decide() -> None:
    assert holder_of(Row(), OpenLinks(0.1, 1.1, 1.25)).startswith("10% of its accounts work from one network")


# ---------------------------------------------------------------- how members behave

DAYTIME = tuple(range(8, 18))
Counts = npt.NDArray[np.int64]  # requests by member, day and hour


Kind = Callable[[np.random.Generator, int], Counts]


def shared_out(
    rng: np.random.Generator, levels: npt.NDArray[np.float64], hours: tuple[int, ...], days: int = 7
) -> Counts:
    """Each member's requests a day on each day and in each of some hours, by chance."""
    rate = np.zeros((len(levels), days, 24))
    rate[:, :, hours] = (levels / len(hours))[:, None, None]
    return rng.poisson(rate)


def people(rng: np.random.Generator, n: int, days: int = 7) -> Counts:
    """People who are set the same task: days and hours of their own, some work four times as much as others."""
    counts = np.zeros((n, days, 24), int)
    for member, level in enumerate(60 * rng.lognormal(0, 0.6, n)):
        for day in range(days):
            if rng.random() < 0.8:
                begin = int(rng.integers(7, 14))
                counts[member, day, begin : begin + 6] = rng.poisson(level / 6 * rng.lognormal(0, 0.3), 6)
    return counts


def drawn_each_day(rng: np.random.Generator, n: int) -> Counts:
    """People whose work of a day does not foretell the next: over the week, all of them come to much the same."""
    counts = np.zeros((n, 7, 24), int)
    for member, day in np.ndindex(n, 7):
        begin = int(rng.integers(8, 15))
        counts[member, day, begin : begin + 5] = rng.poisson(rng.uniform(3, 16), 5)
    return counts


def passed_on(rng: np.random.Generator, n: int) -> Counts:
    """One load that moves from account to account: none works on the day of another."""
    counts = np.zeros((n, 7, 24), int)
    for day in range(7):
        counts[day % n, day, 9:17] = rng.poisson(30, 8)
    return counts


def dealt(rng: np.random.Generator, n: int) -> Counts:
    """One load in even portions, in office hours."""
    return shared_out(rng, 200 * rng.lognormal(0, 0.12, n), DAYTIME)


def at_the_limit(rng: np.random.Generator, n: int) -> Counts:
    """Most accounts run up to what the plan gives, the others do little."""
    return shared_out(rng, np.where(np.arange(n) % 3 > 0, 440.0, rng.uniform(5, 60, n)), DAYTIME)


def unsleeping(rng: np.random.Generator, n: int) -> Counts:
    """As much by night as by day, however different the accounts are in volume."""
    return shared_out(rng, 90 * rng.lognormal(0, 0.7, n), tuple(range(24)))


def clockwork(rng: np.random.Generator, n: int) -> Counts:
    """A request every so many minutes of the working day, each account with an interval of its own."""
    counts = np.zeros((n, 7, 24), int)
    counts[:, :, DAYTIME] = rng.integers(4, 30, n)[:, None, None]
    return counts


def beside_decoys(rng: np.random.Generator, n: int) -> Counts:
    """A load without sleep on fewer than half of the accounts; the others are used a little, each as much as it is."""
    counts = shared_out(rng, np.where(np.arange(n) < 0.45 * n, 480 * rng.uniform(0.4, 1, n), 0.0), tuple(range(24)))
    decoys = np.arange(n) >= 0.45 * n
    counts[decoys, 2, 11] = rng.integers(2, 70, n)[decoys]
    return counts


def agency(rng: np.random.Generator, n: int) -> Counts:
    """People, and a fifth of them with a service that never sleeps and makes as much as all others."""
    counts, services = people(rng, n), np.arange(n) % 5 == 0
    counts[services] = rng.poisson(counts.sum() / services.sum() / 7 / 24, (services.sum(), 7, 24))
    return counts


def one_shift(rng: np.random.Generator, n: int) -> Counts:
    """A few hours of evenly spaced requests, more from some than from others; the first hour is not a whole one."""
    counts = np.zeros((n, 7, 24), int)
    portions = np.exp(rng.normal(4, 0.8, n))
    counts[:, 2, 10:18] = np.floor(portions[:, None] * np.arange(1, 9)) - np.floor(portions[:, None] * np.arange(8))
    counts[:, 2, 9] = portions / 3
    return counts


def hackathon(rng: np.random.Generator, n: int) -> Counts:
    """One weekend, the same hours at the same table."""
    counts = np.zeros((n, 7, 24), int)
    for day in (5, 6):
        counts[:, day, 10:20] = rng.poisson((12 * rng.lognormal(0, 0.6, n))[:, None], (n, 10))
    return counts


def put_group(url: str, counts: Counts, shares: dict[str, float], *, timed: bool = True) -> None:
    """A group ``g`` of free accounts that made these requests in the week; whether their hours are known."""
    names = [f"a{n:03d}" for n in range(len(counts))]
    put(url, together(*(account(name, "free") for name in names)))
    hours = []
    for (member, day, hour), n in np.ndenumerate(counts):
        if n:
            of_day = WEEK.first_day + timedelta(days=day)
            row = {"day": of_day, "slice_start": utc_midnight(of_day), "account_id": names[member], "output_tokens": 0}
            hours.append(row | {"hour": hour, "n_requests": int(n), "n_ok": int(n)})
    days = [
        {"day": day, "slice_start": utc_midnight(day), "account_id": name, "source_system": "native", "grain": "event",
         "n_requests": n, "n_ok": n, "input_tokens": 0, "output_tokens": 0, "used_from": utc_midnight(day),
         "used_until": utc_midnight(day)}
        for (name, day), n in _by_day(hours).items()
    ]  # fmt: skip
    with warehouse(url, write=True) as opened, opened.begin() as connection:
        if timed:
            insert_in_bulk(connection, account_hour, hours)
        insert_in_bulk(connection, account_day, days)
        members = [{"period": WEEK.id, "as_of": WEEK.end_day, "group_id": "g", "account_id": name} for name in names]
        insert_in_bulk(connection, group_members, members)
        row = {"group_id": "g", "accounts": len(names), "customers": len(names), "kinds": "", "causes": ""}
        connection.execute(insert(linkage_groups), [row | POOL | shares | {"period": WEEK.id}])


def _by_day(hours: list[dict[str, Any]]) -> dict[tuple[str, date], int]:
    days: dict[tuple[str, date], int] = {}
    for row in hours:
        key = row["account_id"], row["day"]
        days[key] = days.get(key, 0) + row["n_ok"]
    return days


def told(url: str, counts: Counts, **shares: float) -> tuple[dict[str, str], Conduct]:
    """What explains the group, and how its members behave."""
    put_group(url, counts, shares)
    return told_of(url)


def told_of(url: str) -> tuple[dict[str, str], Conduct]:
    with warehouse(url) as opened, opened.begin() as connection:
        prepare(connection, WEEK, WEEK.first_day, tuple(tier.id for tier in BOOK.tiers))
        return dict(explanations(connection, WEEK, BOOK)), conduct_of(
            connection, WEEK, BOOK, ["g"], SHIPPED.holder_share_min
        )["g"]


@pytest.mark.parametrize("n", [14, 49, 150])
@pytest.mark.parametrize("kind", [people, drawn_each_day, agency, hackathon])
def test_people_with_one_payer_are_explained(duckdb_warehouse: str, kind: Kind, n: int) -> None:
    links, conduct = told(duckdb_warehouse, kind(np.random.default_rng(n), n), **ONE_PAYER)
    assert set(links) == {"g"}, conduct


@pytest.mark.parametrize("n", [14, 49, 150])
@pytest.mark.parametrize("kind", [dealt, passed_on, at_the_limit, unsleeping, clockwork, one_shift, beside_decoys])
def test_one_payer_does_not_explain_what_a_machine_does(duckdb_warehouse: str, kind: Kind, n: int) -> None:
    links, conduct = told(duckdb_warehouse, kind(np.random.default_rng(n), n), **ONE_PAYER)
    assert links == {}, conduct


def test_people_whom_nothing_holds_are_not_explained(duckdb_warehouse: str) -> None:
    assert told(duckdb_warehouse, people(np.random.default_rng(1), 14))[0] == {}


def test_people_whose_hours_are_not_known_are_not_explained(duckdb_warehouse: str) -> None:
    """What is known in buckets only has no hours: nobody can say that it is not a machine's."""
    counts = people(np.random.default_rng(1), 14)
    put_group(duckdb_warehouse, counts, ONE_PAYER, timed=False)
    assert told_of(duckdb_warehouse)[0] == {}


def test_words_give_the_figures_and_both_engines_agree(url: str) -> None:
    counts = np.zeros((5, 7, 24), int)
    counts[:, 0, 9] = [10, 20, 40, 80, 160]
    links, conduct = told(url, counts, one_network=0.97, several=0.1)
    assert links["g"] == (
        "97% of its accounts work from one network, and its members behave like different people: half of their "
        "daily volumes differ from the day's median by a factor of 2.0 or more, and most members, and most of the "
        "largest, are neither at their limits nor round the clock nor evenly spaced"
    )
    assert (conduct.everybody, conduct.bearing) == (Habits(5, 0, 0, 0), Habits(3, 0, 0, 0))  # 240 of 310 are too few


def test_figures_of_a_machine_on_both_engines(url: str) -> None:
    counts = np.zeros((4, 7, 24), int)
    counts[:3] = 18  # 432 a day, round the clock and evenly spaced
    counts[3, :, 9] = 3
    conduct = told(url, counts, **ONE_PAYER)[1]
    assert conduct == Conduct(1.0, 5, Habits(4, 3, 3, 3), Habits(3, 3, 3, 3))
