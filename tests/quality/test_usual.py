"""Hours that were not delivered, told from hours in which there was less to do."""

import random
from collections.abc import Iterable
from datetime import timedelta

import pytest

from tests.quality.data import ACCOUNTS, DAY, HOURS, checks, judged, requests, verdict, weeks, world
from tests.rows import Row, put


def test_a_missing_hour_degrades_its_day_and_source(url):
    one = verdict(url, weeks(), requests(hours=(9, 20)))
    reason = checks(one)["missing_hours"]
    assert (one.verdict, reason.hours, reason.rows) == ("degraded", (13,), 24)
    assert reason.what == "no rows in 1 hour (13:00-14:00 UTC), where about 24 are usual"
    assert "R01" in reason.rules


def test_a_whole_day_without_delivery_has_a_verdict_too(url):
    one = verdict(url, weeks())
    assert checks(one)["missing_hours"].hours == HOURS


def test_an_hour_falls_by_more_than_the_limit(url):
    put(url, world(weeks(), requests(hours=(9, 20)), requests(hours=(13,), each=2, accounts=ACCOUNTS[:5])))
    (one,) = judged(url, hour_drop_share=0.58)  # 10 of 24 rows are left
    assert checks(one)["hour_drop_share"].hours == (13,)
    (one,) = judged(url, hour_drop_share=0.59)
    assert one.reasons == ()


def test_little_from_everybody_is_no_loss(url):
    one = verdict(url, weeks(), requests(hours=(9, 20)), requests(hours=(13,), each=1))
    assert one.reasons == ()


def test_accounts_that_left_are_not_missed(url):
    crowd = [f"crowd{i}" for i in range(12)]
    put(url, world(weeks(), weeks(crowd), requests(), accounts=(*ACCOUNTS, *crowd)))
    (one,) = judged(url)
    assert one.reasons == ()


def test_accounts_that_come_back_were_not_delivered(url):
    crowd = [f"crowd{i}" for i in range(12)]
    later = requests(DAY + timedelta(days=1), crowd)
    put(url, world(weeks(), weeks(crowd), requests(), later, accounts=(*ACCOUNTS, *crowd)))
    (one,) = judged(url)
    assert checks(one)["hour_drop_share"].hours == HOURS


def test_a_missing_hour_of_a_small_source_is_found(url):
    one = verdict(url, weeks(ACCOUNTS[:4]), requests(accounts=ACCOUNTS[:4], hours=(9, 20)))
    assert checks(one)["missing_hours"].hours == (13,)


ROUND = tuple(range(24))


@pytest.mark.parametrize("each", [1, 2, 3])
def test_a_missing_hour_of_a_few_accounts_that_never_rest_is_found(url, each):
    clock = {"accounts": ACCOUNTS[:4], "each": each}
    rest = tuple(hour for hour in ROUND if hour != 13)
    one = verdict(url, weeks(hours=ROUND, **clock), requests(hours=rest, **clock))
    assert checks(one)["missing_hours"].hours == (13,)


@pytest.mark.parametrize("n_accounts", [3, 4, 6])
def test_a_whole_missing_day_of_a_few_accounts_is_found(url, n_accounts):
    few = {"accounts": ACCOUNTS[:n_accounts], "each": 2}
    elsewhere = [row | {"source_system": "other"} for row in requests(accounts="c", hours=(9,))]
    put(url, world([*weeks(hours=ROUND, **few), *elsewhere]))
    verdicts = {one.source_system: one for one in judged(url)}
    assert set(checks(verdicts["native"])["missing_hours"].hours) == set(ROUND)


def test_an_hour_is_not_missed_among_accounts_that_come_and_go(url):
    def seldom(day, part):
        for number, name in enumerate(ACCOUNTS):
            chance = random.Random(f"{day} {name}")
            hours = [hour for hour in part if hour == 9 or chance.random() < 0.6]
            yield from requests(day, [name], hours, each=1 + number % 2)

    before = [row for week in range(1, 5) for row in seldom(DAY - timedelta(weeks=week), ROUND)]
    one = verdict(url, before, list(seldom(DAY, [hour for hour in ROUND if hour != 13])))
    assert one.reasons == ()


def test_two_accounts_may_pause_together(url):
    one = verdict(url, weeks(ACCOUNTS[:2], each=40), requests(accounts=ACCOUNTS[:2], hours=(9, 20), each=40))
    assert one.reasons == ()


def test_an_hour_down_by_half_is_lost_though_every_account_is_active(url):
    one = verdict(url, weeks(each=40), requests(hours=(9, 20), each=40), requests(hours=(13,), each=20))
    reason = checks(one)["lost_hours"]
    assert (one.verdict, reason.hours, reason.rows) == ("degraded", (13,), 120)
    assert reason.what == "1 hour (13:00-14:00 UTC) lost up to 50% of the usual rows, across the accounts"


def test_a_batch_that_one_account_skips_is_no_loss(url):
    batch = {"accounts": "a", "hours": (13,), "each": 400, "input_tokens": 7}
    nightly = [row | {"event_id": f"batch:{row['event_id']}"} for week in range(1, 5)
               for row in requests(DAY - timedelta(weeks=week), **batch)]  # fmt: skip
    assert verdict(url, weeks(each=20), nightly, requests(each=20)).reasons == ()


def test_a_quiet_day_is_no_loss(url):
    assert verdict(url, weeks(each=40), requests(each=15)).reasons == ()


def launch(accounts: Iterable[str] = "z", hours: Iterable[int] = (9,), each: int = 3000) -> list[Row]:
    """Many requests of a few accounts in a few hours."""
    return requests(DAY, accounts, hours, each=each)


def test_a_launch_of_one_account_in_one_hour_loses_no_hour(url):
    put(url, world(weeks(each=40), requests(each=40), launch(), accounts=(*ACCOUNTS, "z")))
    (one,) = judged(url)
    assert one.figures["lost_hours"] == 0


def test_the_busy_hour_of_a_campaign_loses_no_hour(url):
    crowd = [f"crowd{i}" for i in range(5)]
    put(url, world(weeks(each=40), requests(each=40), launch(crowd, each=560), accounts=(*ACCOUNTS, *crowd)))
    (one,) = judged(url)
    assert one.figures["lost_hours"] == 0


def test_a_job_of_one_account_through_most_of_the_day_loses_no_hour(url):
    put(url, world(weeks(each=40), requests(each=40), launch(hours=(13, 20), each=500), accounts=(*ACCOUNTS, "z")))
    (one,) = judged(url)
    assert one.figures["lost_hours"] == 0


def test_jobs_of_a_few_of_many_accounts_lose_no_hour(url):
    many, few = crowd_of(60), ["z0", "z1", "z2"]
    before = weeks(many, hours=range(24), each=2), weeks(few, hours=(13,), each=1)
    jobs = requests(DAY, few, range(8, 20), each=125)
    put(url, world(*before, requests(DAY, many, range(24), each=2), jobs, accounts=(*many, *few)))
    (one,) = judged(url)
    assert one.figures["lost_hours"] == 0


def test_an_hour_down_by_half_is_lost_on_the_day_of_a_launch_too(url):
    rows = weeks(each=40), requests(hours=(9, 20), each=40), requests(hours=(13,), each=20), launch()
    put(url, world(*rows, accounts=(*ACCOUNTS, "z")))
    (one,) = judged(url)
    assert (checks(one)["lost_hours"].hours, checks(one)["lost_hours"].rows) == ((13,), 120)


def crowd_of(n: int) -> list[str]:
    """Accounts that nobody has seen before."""
    return [f"new{number}" for number in range(n)]


def test_newcomers_that_stop_before_an_hour_lose_none(url):
    crowd = crowd_of(90)
    put(
        url,
        world(weeks(each=40), requests(each=40), requests(DAY, crowd, (9, 13), each=20), accounts=(*ACCOUNTS, *crowd)),
    )
    (one,) = judged(url)
    assert one.reasons == ()


def test_newcomers_hide_no_lost_hour(url):
    crowd = crowd_of(30)
    rows = weeks(each=40), requests(hours=(9, 20), each=40), requests(hours=(13,), each=16)
    put(url, world(*rows, requests(DAY, crowd, (13,), each=10), accounts=(*ACCOUNTS, *crowd)))
    (one,) = judged(url)
    assert (checks(one)["lost_hours"].hours, checks(one)["lost_hours"].rows) == ((13,), 144)


def test_newcomers_make_up_for_no_fallen_hour(url):
    crowd = crowd_of(30)
    rows = weeks(), requests(hours=(9, 20)), requests(hours=(13,), each=2, accounts=ACCOUNTS[:5])
    put(url, world(*rows, requests(DAY, crowd, (13,)), accounts=(*ACCOUNTS, *crowd)))
    (one,) = judged(url)
    assert checks(one)["hour_drop_share"].hours == (13,)


def test_an_hour_in_which_newcomers_alone_came_is_lost(url):
    crowd = crowd_of(30)
    rows = weeks(each=40), requests(hours=(9, 20), each=40), requests(DAY, crowd, (13,), each=10)
    put(url, world(*rows, accounts=(*ACCOUNTS, *crowd)))
    (one,) = judged(url)
    assert checks(one)["lost_hours"].what.startswith("1 hour (13:00-14:00 UTC) lost up to 100% of the usual rows")
    assert "missing_hours" not in checks(one)


def test_one_week_is_no_habit(url):
    one = verdict(url, requests(DAY - timedelta(weeks=1)), requests(hours=(9, 20)))
    assert one.reasons == ()


def test_hours_with_few_rows_are_not_judged(url):
    few = requests(hours=(13,), each=2, accounts=ACCOUNTS[:5])
    one = verdict(url, weeks(), requests(hours=(9, 20)), few, hour_rows_min=1000)
    assert one.reasons == ()
