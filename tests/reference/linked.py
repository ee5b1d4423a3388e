"""Linked groups of a generated world: five or six customers on one card, and what they do together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference.actors import Actor, Rows, dawn, noon, on_record
from tests.reference.behaviours import Draw, Setting, around
from tests.rows import LONG_AGO

TIERS = (("free",), ("build",), ("free", "build"), ("free", "enterprise"), ("scale", "build"))


def group(draw: Draw, rows: Rows, name: str, setting: Setting, hidden: tuple[str, ...]) -> None:
    """Members of one tier or of several, opened together or apart, of whom one may not record everything."""
    tiers, n = draw(st.sampled_from(TIERS)), draw(st.sampled_from([4, 5, 6]))
    opened = draw(st.sampled_from([LONG_AGO, datetime(2026, 9, 1, tzinfo=UTC)]))
    members = []
    for number in range(n):
        tier = tiers[number % len(tiers)]
        actor = Actor(rows, f"g{name}-{number}", f"cg{name}-{number}", tier, f"src-{name}-g")
        apart = timedelta(days=draw(st.sampled_from([0, 30]))) * number
        on_record(actor, [(tier, LONG_AGO, None)], opened_at=min(opened + apart, dawn(setting.period.first_day)))
        rows.tables["account_payments"][-1]["instrument_hash"] = f"card-{name}"
        members.append(actor)
    members[-1].hidden = hidden
    draw(st.sampled_from(TOGETHER))(draw, members, setting)


def _own(actor: Actor) -> Callable[[int], str]:
    return lambda i: f"t-{actor.account}-{i}"


def volume(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Some requests each, on one day or on several."""
    same, day, each = draw(st.booleans()), setting.day(draw), draw(st.integers(2, 4))
    for number, actor in enumerate(members):
        when = day if same else setting.day(draw)
        actor.requests(each, noon(when) + timedelta(seconds=7 * number), prompt_template_hash=_own(actor))


def content(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """One template, or requests that score alike; some of them fail."""
    name = members[0].account
    columns: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"prompt_template_hash": f"fixed-{name}"}, {"cot_elicit_score": 0.9}, {"rubric_grade_score": 0.9},
                {"benchmark_score": 0.9}, {"moderation_flagged": True}, {"topic_id": lambda i: 1 + i % 4},
                {"prompt_template_hash": f"item-{name}", "n_choices": 2}, {"top_logprobs": 5, "logit_bias_n": 3},
            ]
        )
    )  # fmt: skip
    day, each, failed = setting.day(draw), draw(st.integers(2, 4)), draw(st.sampled_from([0, 0, 1]))
    for number, actor in enumerate(members):
        start = noon(day) + timedelta(seconds=7 * number)
        varied = {"prompt_template_hash": _own(actor)} | columns
        actor.requests(each, start, status_code=lambda i: 500 if i < failed else 200, **varied)


def fan_out(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Minutes in which each member makes one request, around their least number; one may make more, one may pause."""
    start, loud, idle = noon(setting.day(draw)), draw(st.sampled_from([0, 0, 6])), draw(st.booleans())
    for minute in range(around(draw, setting.limit("R10", "minutes_min", members[0].tier))):
        for number, actor in enumerate(members[1:] if idle else members):
            at = start + timedelta(minutes=minute, seconds=number)
            actor.requests(1 + (loud if number == 0 else 0), at, every=0.1, prompt_template_hash=f"t-{at}-{number}")


def hand_overs(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Refusals after which another member goes on, in time or too late, around their least number."""
    late, start = draw(st.sampled_from([60, 120, 121])), dawn(setting.day(draw)) + timedelta(hours=3)
    again = draw(st.sampled_from([200, 200, 429]))
    busy = draw(st.sampled_from([False, False, True]))
    for number in range(around(draw, setting.limit("R10", "handovers_min", members[0].tier))):
        first, second = members[number % len(members)], members[(number + 1) % len(members)]
        at = start + timedelta(minutes=10 * number)
        for _ in range(2):
            first.requests(1, at, prompt_template_hash=f"t-{at}-a")
            if busy:
                second.requests(1, at + timedelta(seconds=5), prompt_template_hash=f"t-{at}-b")
        first.requests(1, at + timedelta(seconds=10), status_code=draw(st.sampled_from([429, 403])))
        after = at + timedelta(seconds=10 + late)
        second.requests(1, after, status_code=again, prompt_template_hash=f"t-{at}-c")
        second.requests(1, after + timedelta(seconds=1), prompt_template_hash=f"t-{at}-d")


def pivot(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """A new model within hours of its release, after its predecessor, by so many members within so many hours."""
    released = setting.released
    movers = members[: around(draw, 3)]
    spread, late = draw(st.sampled_from([5, 6, 7])), draw(st.sampled_from([0, 23, 24]))
    others = draw(st.sampled_from([0, 1, 2]))
    asked, served = draw(st.sampled_from([("f-1", "f-1"), ("m-1", "f-1"), ("m-1", "m-1")]))
    for number, actor in enumerate(members):
        for back in (1, 9, 28):
            at = released - timedelta(days=back, minutes=-number)
            actor.requests(1, at, model_requested=asked, model_served=served, prompt_template_hash=f"t-{at}")
        first = released + timedelta(hours=min(late, 23 if number else late), seconds=number)
        if actor in movers:
            step = timedelta(hours=spread * number / max(len(movers) - 1, 1)) if not late else timedelta(0)
            new = {"model_requested": "f-2", "model_served": "f-2", "prompt_template_hash": f"t-{number}"}
            actor.requests(1, first + step, **new)
        actor.requests(others, released + timedelta(hours=8), prompt_template_hash=_own(actor))


def waves(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Hours with many requests and hours with few, the same for all members or each its own, in hours enough or not."""
    hours = around(draw, setting.limit("R12", "hours_min", members[0].tier))
    same = draw(st.booleans())
    for number, actor in enumerate(members):
        for hour in range(hours):
            high = (hour if same else hour // (number + 1)) % 2
            at = dawn(setting.period.first_day) + timedelta(hours=2 * hour, minutes=number)
            actor.requests(4 if high else 1, at, prompt_template_hash=f"t-{actor.account}-{hour}")


def restless(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Every hour of five days or six, taken in turn."""
    gap = draw(st.sampled_from([None, 5]))
    for day in range(draw(st.sampled_from([5, 6, 6]))):
        for hour in range(24):
            actor = members[(day + hour) % len(members)]
            at = dawn(setting.period.first_day + timedelta(days=day)) + timedelta(hours=hour, minutes=5)
            if hour != gap or day:
                actor.requests(draw(st.sampled_from([1, 2])) if day == 0 else 1, at, prompt_template_hash=f"t-{at}")


def household(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Seen on one residential network, all of them or only some; the others elsewhere at home, or not at home."""
    at_home, others = draw(st.sampled_from([2, 3, len(members)])), draw(st.sampled_from(["residential", "hosting"]))
    for number, actor in enumerate(members):
        here = number < at_home
        actor.requests(
            1, noon(setting.day(draw)), ip_type="residential" if here else others,
            client_net_hash=f"home-{members[0].account}" if here else f"net-{actor.account}",
        )  # fmt: skip


def grown(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Four weeks at one request a day for all of them together, and then many on two days."""
    first, n = setting.period.first_day, draw(st.sampled_from([1, 4]))
    for back in range(draw(st.sampled_from([13, 14, 28])), 0, -1):
        members[back % len(members)].requests(1, noon(first - timedelta(days=back)))
    for day in range(draw(st.sampled_from([1, 2, 2]))):
        for number, actor in enumerate(members):
            at = noon(first + timedelta(days=day)) + timedelta(seconds=number)
            actor.requests(n, at, prompt_template_hash=_own(actor))


def in_buckets(draw: Draw, members: list[Actor], setting: Setting) -> None:
    """Together about as much as the group may use on a day, in buckets with a request or none beside each."""
    day, rest = setting.day(draw), around(draw, setting.limit("R04", "requests_a_day", members[0].tier))
    for number, actor in enumerate(members):
        n = rest // (len(members) - number)
        rest -= n
        actor.bucket(day, max(n, 1), hours=draw(st.sampled_from([24, 24, 24, 48])))
        actor.requests(draw(st.sampled_from([0, 0, 1])), noon(day), prompt_template_hash=_own(actor))


TOGETHER = (
    volume, in_buckets, in_buckets, content, content, fan_out, hand_overs, pivot, waves, restless, household, grown,
)  # fmt: skip
