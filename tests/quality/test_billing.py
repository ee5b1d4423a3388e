"""Usage against billing: an account and month at a time, on the month's last day."""

from datetime import date, timedelta

from tests.quality.data import checks, judged, requests, world
from tests.rows import put

MONTH_END = date(2026, 10, 31)
DAYS = [MONTH_END - timedelta(days=n) for n in range(31)]


def month(factor=1.0, **columns):
    """Three accounts with a request an hour on five days, each request a cent; the bill of ``b`` times ``factor``."""
    used = [row for day in DAYS[:5] for row in requests(day, "abc", hours=(9, 10), each=5, **columns)]
    bills = [
        {
            "account_id": name, "usage_day": day, "model": "m-1", "input_tokens": 1000, "output_tokens": 500,
            "cost_usd": 0.1 * (factor if name == "b" else 1),
        }
        for day in DAYS[:5]
        for name in "ab"
    ]  # fmt: skip
    return world(used, accounts="abc") | {"billed_usage": bills}


def of_month_end(url):
    verdicts = judged(url, MONTH_END - timedelta(days=3), MONTH_END)
    assert all("billing_tolerance" not in checks(one) for one in verdicts[:-1])
    return checks(verdicts[-1]).get("billing_tolerance")


def test_equal_sums_agree_and_unbilled_accounts_are_not_compared(url):
    put(url, month())
    assert of_month_end(url) is None


def test_a_difference_names_the_account_and_the_rules_that_wait(url):
    put(url, month(0.96))
    reason = of_month_end(url)
    assert reason.accounts == ("b",)
    assert reason.rules == ("R25",)
    assert reason.what == "usage of 1 account in October 2026 differs from what was billed by up to 4.2%"


def test_one_per_cent_is_within_the_tolerance(url):
    put(url, month(1.005))
    assert of_month_end(url) is None


def test_without_costs_tokens_are_compared(url):
    put(url, month(0.5, cost_usd=None))
    assert of_month_end(url) is None
    put(url, {"usage_events": requests(DAYS[9], "b", hours=(9,), each=9, cost_usd=None)})
    put(
        url,
        {
            "billed_usage": [
                {"account_id": "a", "usage_day": DAYS[9], "input_tokens": 0, "output_tokens": 0, "cost_usd": 0}
            ]
        },
    )
    assert of_month_end(url).accounts == ("b",)


def test_what_was_billed_and_is_nowhere_in_usage_is_a_difference(url):
    rows = month()
    put(url, rows | {"usage_events": [row for row in rows["usage_events"] if row["account_id"] != "b"]})
    assert of_month_end(url).accounts == ("b",)


def test_days_that_are_not_billed_yet_are_left_out(url):
    rows = month()
    put(url, rows | {"billed_usage": [bill for bill in rows["billed_usage"] if bill["usage_day"] < MONTH_END]})
    assert of_month_end(url) is None


def test_repeated_rows_are_counted_once(url):
    rows = month()
    put(url, rows | {"usage_events": rows["usage_events"] + rows["usage_events"][:7]})
    assert of_month_end(url) is None


def test_an_account_whose_source_sent_nothing_on_the_last_day_is_compared_as_well(url):
    rows = month(0.96)
    other = [row | {"source_system": "other"} for row in rows["usage_events"] if row["account_id"] == "b"]
    kept = [row for row in rows["usage_events"] if row["account_id"] != "b"]
    put(url, rows | {"usage_events": [*kept, *(row for row in other if row["event_ts"].date() != MONTH_END)]})
    reason = of_month_end(url)
    assert reason.accounts == ("b",)
    assert reason.what == "usage of 1 account in October 2026 differs from what was billed by up to 16.7%"
