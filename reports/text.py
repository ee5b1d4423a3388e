"""How numbers, dates and foreign text are written; the same in every format."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from audits.display import visible


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands set apart: ``16,900``; an unknown one is a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def short(value: float) -> str:
    """A number for an axis or a narrow cell: ``860``, ``16.9 k``, ``12.1 M``, ``2 G``."""
    size = abs(value)
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            scaled = value / (1e3 if name == "k" else unit)
            return f"{scaled:,.1f}".removesuffix(".0") + f" {name}"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value != int(value) else f"{int(value):,}"


def share(part: int, whole: int) -> str:
    """A share in per cent that never rounds up to 100 or down to 0: ``100 %`` is all of them and nothing less."""
    if whole == 0:
        return "–"
    percent = 100 * part / whole
    if part in {0, whole}:
        return f"{percent:.0f} %"
    return f"{min(99.9, max(0.1, percent)):.1f} %".replace(".0 %", " %")


def measured(value: Any, kind: str = "", name: str = "") -> str:
    """A figure of a finding, by the kind of its limit or by its own name."""
    if value is None:
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(measured(one, kind) for one in value)
    if not isinstance(value, int | float):
        return visible(value)
    if kind == "share" or "share" in name:
        return f"{100 * value:,.2f}".rstrip("0").rstrip(".") + " %"
    if kind == "percent" or name.endswith("_pct"):
        return f"{value:,.2f}".rstrip("0").rstrip(".") + " %"
    if kind == "usd" or name == "usd" or name.endswith("_usd"):
        return f"US$ {value:,.2f}"
    if kind == "factor" or "factor" in name:
        return f"{value:,.2f}".rstrip("0").rstrip(".") + "×"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def day(value: date, *, year: bool = True) -> str:
    """A day in prose: ``14 Oct 2026``, or ``14 Oct``."""
    return f"{value.day} {value:%b} {value.year}" if year else f"{value.day} {value:%b}"


def instant(value: datetime) -> str:
    """An instant in prose, UTC: ``3 Nov 2026, 06:00``."""
    return f"{day(value.date())}, {value:%H:%M}"


def counted(count: int, one: str, many: str = "") -> str:
    """``1 finding``, ``12 findings``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(parts: Iterable[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(parts)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""
