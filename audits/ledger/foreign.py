"""Foreign text as either database can keep it: without NUL, and identifiers of bounded length.

What is altered shows it: a NUL becomes the symbol for it, and an identifier ends in the digest of what it was, so that
two that differ stay two.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import NoneType
from typing import Any

LONGEST = 200
"""Characters of an identifier. PostgreSQL indexes at most 2,704 bytes of a row: two identifiers of four-byte characters
fit beside a run's number."""

_DIGITS = 12  # of the digest that tells altered identifiers apart
_IDENTIFIERS = frozenset({
    "tier", "tiers", "customer_id", "customer_ids", "customers", "account_id", "account_ids", "accounts",
    "source_system", "subject_id", "group_id",
})  # fmt: skip

_PLAIN = (int, date, Decimal, NoneType)
"""What is kept as it is: most of a run's values, which need not be asked for more."""


def kept_id(text: str) -> str:
    """An identifier as the ledger keeps it: as it is, or shortened and marked with its digest.

    >>> kept_id("acme"), kept_id("a\\0b")
    ('acme', 'a␀b~59b271ae1bbc')
    """
    if len(text) <= LONGEST and "\0" not in text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{_without_nul(text)[: LONGEST - _DIGITS - 2]}{'…' if len(text) > LONGEST else ''}~{digest}"


def kept(value: Any, name: str = "") -> Any:
    """A value of a row, or whatever JSON holds, as the ledger keeps it under a column or key of that name."""
    if isinstance(value, str):
        return kept_id(value) if name in _IDENTIFIERS else _without_nul(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict | Mapping):  # in this order, since nearly all are dicts
        return {_without_nul(key) if isinstance(key, str) else key: kept(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        if _is_plain_text(value):
            return list(value)
        return [kept(one, name) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no such number
    return value


def _is_plain_text(values: Sequence[Any]) -> bool:
    """Whether each of them is text that is kept as it is under any name; thousands of customers are asked at once."""
    try:
        return "\0" not in "".join(values) and max(map(len, values), default=0) <= LONGEST
    except TypeError:
        return False


def _without_nul(text: str) -> str:
    return text.replace("\0", "␀") if "\0" in text else text
