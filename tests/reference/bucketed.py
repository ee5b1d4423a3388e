"""Usage in buckets, alone or beside requests and other buckets that may or may not count the same."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference.actors import Actor, dawn, noon
from tests.reference.behaviours import Draw, Setting


def in_buckets(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Usage in buckets of some days or hours, broken down or not, alone or beside requests that may be in them."""
    limit, output = (int(setting.limit("R01", name, actor.tier)) for name in ("requests_a_day", "output_tokens_a_week"))
    days = list(setting.period.days)
    for day in days[: draw(st.integers(1, 5))]:
        first_hour, hours = draw(st.sampled_from([(0, 24), (0, 24), (12, 1), (0, 12), (12, 24), (0, 48), (7, 7 * 24)]))
        for model in draw(st.sampled_from([("m-1",), (None,), ("m-1", "n-1")])):
            n = draw(st.sampled_from([1, 2, None, limit - 1, limit, limit + 1]))
            key = draw(st.sampled_from([None, f"key-{actor.account}", f"bucket-{actor.account}"]))
            tokens = draw(st.sampled_from([5, output // 2, output, output + 1]))
            columns = {"model": model, "api_key_hash": key, "output_tokens": tokens}
            actor.bucket(day, n, first_hour=first_hour, hours=hours, **columns)
        if draw(st.booleans()):
            at = noon(day) + timedelta(minutes=draw(st.sampled_from([-1, 0, 59, 60])))
            key = draw(st.sampled_from([f"key-{actor.account}", f"bucket-{actor.account}", None]))
            actor.requests(draw(st.sampled_from([1, 2, 3])), at, api_key_hash=key, every=1)


def beside_requests(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A day's bucket about as large as the limit, and a request or two that may be in it, or that cannot be."""
    limit = int(setting.limit("R01", "requests_a_day", actor.tier))
    output = int(setting.limit("R01", "output_tokens_a_week", actor.tier))
    day = setting.day(draw)
    counted = draw(st.sampled_from([{"n": limit}, {"n": limit - 1}, {"n": limit + 1}, {"output": output - 5}]))
    columns: dict[str, Any] = {"model": draw(st.sampled_from(["m-1", "m-1", None]))}
    columns["api_key_hash"] = draw(st.sampled_from([None, f"bucket-{actor.account}"]))
    columns["output_tokens"] = counted.get("output", draw(st.sampled_from([5, 10, 35, 40])))  # near commitments as well
    hours = draw(st.sampled_from([(0, 24), (0, 24), (12, 1), (0, 48), (0, 72)]))
    actor.bucket(day, counted.get("n", 2), first_hour=hours[0], hours=hours[1], **columns)
    other: dict[str, Any] = draw(
        st.sampled_from(
            [
                {}, {}, {}, {"model_requested": "n-1", "model_served": "n-1"}, {"status_code": 500},
                {"api_key_hash": f"bucket-{actor.account}"}, {"api_key_hash": None},
            ]
        )
    )  # fmt: skip
    when = draw(st.sampled_from([noon(day), noon(day), noon(day) + timedelta(hours=2), noon(day) + timedelta(days=1)]))
    actor.requests(
        draw(st.sampled_from([1, 2, limit])), when, every=1, output_tokens=draw(st.sampled_from([5, 6])), **other
    )


def beside_buckets(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Buckets of one day that may count the same: under two sources, broken down, or of times that overlap."""
    limit = int(setting.limit("R01", "requests_a_day", actor.tier))
    day = setting.day(draw)
    n = draw(st.sampled_from([limit // 2, limit - 1, limit, limit + 1]))
    half, rest = n // 2, n - n // 2 + draw(st.sampled_from([0, 0, 1]))
    kind = draw(
        st.sampled_from(["two sources", "by model", "by key", "by hours", "overlapping", "by key and by model"])
    )
    whole: dict[str, Any] = {"model": None, "output_tokens": 20, "input_tokens": 20}
    if kind != "overlapping":
        actor.bucket(day, n, **whole)
    if kind == "two sources":
        actor.bucket(day, n, **whole, source_system=f"{actor.source}-c")
    elif kind == "by model":
        actor.bucket(day, half, model="m-1")
        actor.bucket(day, rest, model="n-1")
    elif kind == "by key":
        actor.bucket(day, half, model=None, api_key_hash=f"one-{actor.account}")
        actor.bucket(day, rest, model=None, api_key_hash=f"two-{actor.account}")
    elif kind == "by hours":
        actor.bucket(day, half, model=None, first_hour=0, hours=12)
        actor.bucket(day, rest, model=None, first_hour=12, hours=12)
    elif kind == "overlapping":
        actor.bucket(day, n, first_hour=0, hours=14)
        actor.bucket(day, rest, first_hour=10, hours=14)
    else:
        actor.bucket(day, half, model="m-1")
        actor.bucket(day, rest, model=None, api_key_hash=f"one-{actor.account}")
    if draw(st.booleans()):
        actor.requests(1, noon(day))


def new_in_buckets(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A new account whose buckets come near its limits on three days, with a request beside each."""
    first = setting.period.first_day
    row = next(row for row in actor.rows.tables["accounts"] if row["account_id"] == actor.account)
    row["opened_at"] = dawn(first)
    near = -int(-0.8 * setting.limit("R27", "quota_requests_a_day", actor.tier) // 1)
    short = draw(st.sampled_from([0, 1, 2]))
    for number in range(3):
        _day_of(actor, first + timedelta(days=number), near - short, draw(st.sampled_from([0, 1])))


def woken_in_buckets(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A request long ago, and then two days that are known in part from buckets."""
    first = setting.period.first_day
    actor.requests(1, noon(first - timedelta(days=draw(st.sampled_from([29, 31, 33])))))
    for number in range(2):
        _day_of(
            actor, first + timedelta(days=number), draw(st.sampled_from([9, 10, 20, 40])), draw(st.sampled_from([0, 9]))
        )


def _day_of(actor: Actor, day: date, n: int, beside: int) -> None:
    actor.bucket(day, n)
    if beside:
        actor.requests(beside, noon(day), every=1)


BUCKETED = (in_buckets, beside_requests, beside_requests, beside_buckets, new_in_buckets, woken_in_buckets)
