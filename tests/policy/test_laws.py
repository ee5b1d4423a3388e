"""Laws that hold for every book: one law a day, and a digest that only the content changes."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audits.policy import Book, PolicyError, load_book, policy_changes
from tests.policy.books import small_book

FIRST = date(2026, 1, 1)
HORIZON = 120  # days
DAYS = [FIRST + timedelta(days=n) for n in range(HORIZON)]

edges = st.lists(st.integers(1, HORIZON - 1), unique=True, max_size=6).map(sorted)
values = st.integers(0, 3)


@st.composite
def timelines(draw: st.DrawFn) -> list[tuple[int, int | None, int]]:
    """Pieces that follow each other from the first day on: (first day, end or None, value)."""
    starts = [0, *draw(edges)]
    return [(a, b, draw(values)) for a, b in zip(starts, [*starts[1:], None], strict=True)]


Timeline = list[tuple[int, int | None, int]]


def rows(name: str, tier: str, timeline: Timeline) -> list[dict[str, Any]]:
    return [
        {
            "limit": name,
            "tiers": {tier: value},
            "effective_from": (FIRST + timedelta(days=first)).isoformat(),
            **({} if last is None else {"effective_to": (FIRST + timedelta(days=last)).isoformat()}),
            "why": "A reason.",
        }
        for first, last, value in timeline
    ]


def text_of(limits: list[dict[str, Any]]) -> str:
    """The rule's file; JSON is YAML, but for days, which must not be quoted."""
    lines = [
        "{" + ", ".join(f"{k}: {v if k.startswith('effective') else json.dumps(v)}" for k, v in row.items()) + "}"
        for row in limits
    ]
    head = "rule: R05\ntitle: Template repetition\nin_force:\n"
    head += "  - {status: active, tiers: [free, build], effective_from: 2026-01-01, why: As agreed.}\nlimits:\n"
    return head + "".join(f"  - {line}\n" for line in lines)


def book_with(limits: list[dict[str, Any]]) -> Book:
    with TemporaryDirectory() as folder:
        return load_book(small_book(Path(folder), limits__R05=text_of(limits)))


def value_on(timeline: Timeline, day: int) -> int:
    return next(v for first, last, v in timeline if first <= day and (last is None or day < last))


@settings(max_examples=25, deadline=None)
@given(a=timelines(), b=timelines(), c=timelines(), d=timelines())
def test_every_day_has_exactly_one_row_with_the_values_of_that_day(
    a: Timeline, b: Timeline, c: Timeline, d: Timeline
) -> None:
    book = book_with([*rows("x", "free", a), *rows("y", "free", b), *rows("x", "build", c), *rows("y", "build", d)])
    by_tier = {"free": (a, b), "build": (c, d)}
    for number, day in enumerate(DAYS):
        found = book.limits("R05", day, day)
        assert [row.tier for row in found] == ["free", "build"]
        for row in found:
            x, y = by_tier[row.tier]
            assert row.values == {"x": value_on(x, number), "y": value_on(y, number)}
    for tier in by_tier:
        spans = [row for row in book.limits("R05", DAYS[0], DAYS[-1]) if row.tier == tier]
        assert [row.to_day for row in spans] == [*(row.from_day for row in spans[1:]), None]
        assert all(p.values != q.values for p, q in pairwise(spans))


@settings(max_examples=25, deadline=None)
@given(timeline=timelines(), shift=st.sampled_from([-1, 1]), which=st.integers(0, 5))
def test_a_gap_or_overlap_of_a_single_day_is_found(timeline: Timeline, shift: int, which: int) -> None:
    if len(timeline) == 1:
        timeline = [(0, 60, 1), (60, None, 2)]
    at = which % (len(timeline) - 1)
    first, last, value = timeline[at]
    assert last is not None
    timeline = [*timeline[:at], (first, last + shift, value), *timeline[at + 1 :]]
    limits = [*rows("x", "free", timeline), *rows("x", "build", [(0, None, 1)])]
    try:
        book_with(limits)
    except PolicyError as error:
        said = " ".join(problem.what for problem in error.problems)
        assert ("has no value from" if shift < 0 else "in force at once") in said or "before it is in force" in said
    else:
        raise AssertionError("a broken timeline was taken")


@settings(max_examples=15, deadline=None)
@given(data=st.data(), a=timelines(), b=timelines())
def test_the_digest_does_not_know_the_order_of_entries_or_keys(data: st.DataObject, a: Timeline, b: Timeline) -> None:
    limits = [*rows("x", "free", a), *rows("x", "build", b)]
    shuffled = [dict(data.draw(st.permutations(list(row.items())))) for row in data.draw(st.permutations(limits))]
    assert book_with(shuffled).digest == book_with(limits).digest


@settings(max_examples=25, deadline=None)
@given(a=timelines(), b=timelines())
def test_a_difference_is_named_for_exactly_the_days_that_differ(a: Timeline, b: Timeline) -> None:
    constant = rows("x", "build", [(0, None, 1)])
    before, after = book_with([*rows("x", "free", a), *constant]), book_with([*rows("x", "free", b), *constant])
    changes = policy_changes(before, after)
    for number, day in enumerate(DAYS):
        named = [c for c in changes if c.from_day <= day and (c.to_day is None or day < c.to_day)]
        x, y = value_on(a, number), value_on(b, number)
        assert [(c.before, c.after) for c in named] == ([(x, y)] if x != y else [])
