"""When the use was that a row tells of, and whether a time can be one of use at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""Between these lies every time of use. Seconds read as milliseconds lie in 1970, milliseconds as seconds far later."""

IMPOSSIBLE = "a time before 2000 or after 2099"


def instant_trouble(value: Any) -> str | None:
    """What keeps a value from being an instant."""
    return None if isinstance(value, datetime) and value.tzinfo else "no time"


def time_trouble(value: Any) -> str | None:
    """What keeps a value from being a time of use."""
    return instant_trouble(value) or (None if EARLIEST <= value < LATEST else IMPOSSIBLE)


def occurred_at(row: Mapping[str, Any]) -> datetime | None:
    """When the use was that a row tells of, by its contract columns; None where it cannot be read, or is of several
    days.
    """
    begun = row.get("event_ts") or row.get("bucket_start")
    ended = row.get("bucket_end", begun)
    if begun is None or time_trouble(begun) or time_trouble(ended):
        return None
    begun, ended = begun.astimezone(UTC), ended.astimezone(UTC)
    midnight = datetime(begun.year, begun.month, begun.day, tzinfo=UTC)
    return begun if ended <= midnight + timedelta(days=1) else None
