"""How values of the book read in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

_LEAST_DECIMALS = 2  # of a fraction: 0.60 -> 0.55


def spoken(*values: Any) -> tuple[str, ...]:
    """Values in words; numbers that stand side by side get the same number of decimals."""
    decimals = max((_decimals(value) for value in values), default=0)
    return tuple(_one(value, decimals) for value in values)


def days(from_day: date, to_day: date | None) -> str:
    """``from 2026-10-01`` or ``from 2026-10-01 to 2026-11-01``; the end is exclusive."""
    return f"from {from_day}" + (f" to {to_day}" if to_day else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decimals(value: Any) -> int:
    if not isinstance(value, float) or value == int(value):
        return 0
    return max(_LEAST_DECIMALS, len(f"{value:.10f}".rstrip("0").partition(".")[2]))


def _one(value: Any, decimals: int) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(value):
        return f"{value:,.{decimals}f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_one(one, decimals)}" for name, one in value.items())
    return str(value)
