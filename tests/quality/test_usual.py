"""Hours that were not delivered, told from hours in which there was less to do."""

from datetime import timedelta

from tests.quality.data import ACCOUNTS, DAY, HOURS, checks, judged, requests, verdict, weeks, world
from tests.rows import put


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


def test_few_accounts_may_pause_together(url):
    one = verdict(url, weeks(ACCOUNTS[:4]), requests(accounts=ACCOUNTS[:4], hours=(9, 20)))
    assert one.reasons == ()


def test_one_week_is_no_habit(url):
    one = verdict(url, requests(DAY - timedelta(weeks=1)), requests(hours=(9, 20)))
    assert one.reasons == ()


def test_hours_with_few_rows_are_not_judged(url):
    one = verdict(url, weeks(), requests(hours=(9, 20)), hour_rows_min=1000)
    assert one.reasons == ()
