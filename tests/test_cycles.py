"""How often cycles of objects are looked for while an audit runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from audits.cycles import few_searches

KEPT = 10_000  # objects, more than ten times of what makes Python look for cycles by itself


@pytest.fixture(params=[(700, 10, 10), (0, 10, 10), (90_000, 5, 5)], ids=["usual", "switched off", "seldom already"])
def before(request: pytest.FixtureRequest) -> Iterator[tuple[int, int, int]]:
    there = gc.get_threshold()
    gc.set_threshold(*request.param)
    yield request.param
    gc.set_threshold(*there)


def test_cycles_are_looked_for_seldom_while_much_is_kept(before):
    with few_searches():
        gc.collect()
        searches = sum(generation["collections"] for generation in gc.get_stats())
        kept = [[number] for number in range(KEPT)]
        assert sum(generation["collections"] for generation in gc.get_stats()) == searches
    assert len(kept) == KEPT
    assert gc.get_threshold() == before


def test_what_was_set_before_holds_again_after_an_error(before):
    @few_searches()
    def failing() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        failing()
    assert gc.get_threshold() == before
