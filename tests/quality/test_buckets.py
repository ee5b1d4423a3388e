"""Bucketed usage: what is counted twice."""

from datetime import timedelta

from tests.quality.data import DAY, checks, judged, requests, world
from tests.rows import at, put

START = at(f"{DAY}T09:00")


def bucket(start=START, hours=1, **columns):
    return {
        "source_system": "export", "bucket_start": start, "bucket_end": start + timedelta(hours=hours),
        "ingested_ts": start + timedelta(hours=2), "account_id": "a", "api_key_hash": "key-a", "model": "m-1",
        "input_tokens": 10, "output_tokens": 5, "n_requests": 1, "cost_usd": 0.1,
    } | columns  # fmt: skip


def overlaps(url, **cases):
    """Source -> overlapping buckets, of a warehouse in which each case is a source."""
    buckets = [one | {"source_system": name} for name, many in cases.items() for one in many]
    put(url, world([], accounts="a") | {"usage_buckets": buckets})
    return {one.source_system: _overlapping(checks(one)) for one in judged(url)}


def _overlapping(found):
    return found["bucket_overlap_rows"].rows if "bucket_overlap_rows" in found else 0


def test_sound_buckets_are_left_alone(url):
    sound = {
        "side_by_side": [bucket(), bucket(START + timedelta(hours=1)), bucket(model="m-2"), bucket(account_id="b")],
        "delivered_again": [bucket(), bucket(ingested_ts=START + timedelta(hours=9))],
    }
    assert overlaps(url, **sound) == dict.fromkeys(sound, 0)


def test_buckets_that_were_delivered_again_are_named_and_change_nothing(url):
    again = [bucket(ingested_ts=START + timedelta(hours=n)) for n in range(3, 6)]
    put(url, world([], accounts="a") | {"usage_buckets": [bucket(), *again]})
    (one,) = judged(url)
    assert (one.verdict, {check: reason.rows for check, reason in checks(one).items()}) == (
        "good",
        {"repeated_rows": 3},
    )


def test_buckets_that_another_one_counts_too_are_found(url):
    cases = {
        "half_of_the_hour_again": bucket(START + timedelta(minutes=30)),
        "the_day_that_holds_the_hour": bucket(hours=24),
        "not_broken_down_by_key": bucket(api_key_hash=None),
        "corrected_and_the_old_one_left": bucket(input_tokens=11),
    }
    assert overlaps(url, **{name: [bucket(), other] for name, other in cases.items()}) == dict.fromkeys(cases, 2)


def test_of_two_days_the_later_one_tells_of_an_overlap_whatever_is_judged_with_it(url):
    long = bucket(START - timedelta(days=2), hours=72)
    days = [DAY - timedelta(days=n) for n in (2, 1, 0)]
    put(url, world([], accounts="a") | {"usage_buckets": [long]})
    judged(url, days[0], days[-1])
    put(url, {"usage_buckets": [bucket(input_tokens=11)]})
    found = judged(url, days[0], days[-1])
    assert [(one.day, checks(one)["bucket_overlap_rows"].rows) for one in found if one.reasons] == [(DAY, 1)]
    put(url, {"usage_buckets": [bucket(START - timedelta(days=1), hours=18, input_tokens=12)]})
    found = judged(url, days[0], days[-1])
    assert [(one.day, checks(one)["bucket_overlap_rows"].rows) for one in found if one.reasons] == [
        (days[1], 1),
        (DAY, 1),
    ]


def test_a_bucket_that_comes_late_and_reaches_into_a_later_day_is_seen_on_that_day(url):
    put(url, world([], accounts="a") | {"usage_buckets": [bucket()]})
    assert judged(url)[0].verdict == "good"
    put(url, {"usage_buckets": [bucket(START - timedelta(days=2), hours=72)]})
    assert checks(judged(url)[-1])["bucket_overlap_rows"].rows == 1


def test_events_and_buckets_of_one_source_share_a_verdict(url):
    put(url, world(requests(source_system="export", accounts="a")) | {"usage_buckets": [bucket()]})
    (one,) = judged(url)
    assert (one.source_system, one.verdict) == ("export", "good")
