"""A sentence speaks of what was found, and of no limit that was kept."""

from __future__ import annotations

from typing import Any

from audits.rules.engine.base import Found
from audits.rules.engine.wording import told


def found(**observed: Any) -> Found:
    return Found("account", "a1", "build", "medium", "", ("a1",), ("c1",), observed, {"of_days": 3})


SENTENCE = "[[{observed[days]:# day} (limit {limits[of_days]}).]] [[{observed[weeks]:# week}.]] Always."


def test_a_part_without_its_figure_is_left_out():
    assert (
        told(SENTENCE, found(days=4, weeks=None)).strip() == "{observed[days]:# day} (limit {limits[of_days]}). Always."
    )
    assert told(SENTENCE, found(days=None, weeks=None)).strip() == "Always."
    assert told(SENTENCE, found(days=None, weeks=0)).strip() == "{observed[weeks]:# week}. Always."
