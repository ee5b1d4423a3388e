"""How often Python looks for objects that only refer to each other."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

CREATED = 50_000
"""Objects created, and still there, after which cycles are looked for among them; Python's own 700 is for small
programs."""


@contextmanager
def few_searches() -> Iterator[None]:
    """Look for cycles less often, in a block or in a function that this decorates.

    An audit builds and drops statements by the thousand, and what it finds stays until it is recorded: a tenth of its
    time went into going through all of that again and again.
    """
    before, *rest = gc.get_threshold()
    gc.set_threshold(before and max(before, CREATED), *rest)  # 0: whoever runs this has switched it off
    try:
        yield
    finally:
        gc.set_threshold(before, *rest)
