"""Every file against its shape: unknown and missing keys, values of the wrong type, words that are not known."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from audits.errors import closest
from audits.policy.errors import Problem
from audits.policy.folder import Document
from audits.policy.shapes import (
    ByTier,
    Choice,
    Day,
    Each,
    Flag,
    LimitValue,
    Number,
    Path,
    Record,
    Ref,
    Shape,
    Text,
)


@dataclass(frozen=True, slots=True)
class _Report:
    document: Document
    problems: list[Problem]

    def __call__(self, path: Path, what: str, *, at: str = "value", allowed: str = "", suggestion: str = "") -> None:
        self.problems.append(self.document.problem(path, what, at=at, allowed=allowed, suggestion=suggestion))

    def name(self, to: str, name: str, path: Path) -> str:
        self.document.names.append((to, name, path))
        return name


def fit(document: Document) -> list[Problem]:
    """Fill ``document.data`` with what fits, and say what does not."""
    report = _Report(document, [])
    document.data = _value(document.kind.content, document.tree, (), report)
    document.whole = not report.problems
    return report.problems


def _value(shape: Shape, value: Any, path: Path, report: _Report) -> Any:
    """The value as plain data, or None where it does not fit (reported)."""
    match shape:
        case Record():
            return _record(shape, value, path, report)
        case Each(item, at_least):
            return _each(item, at_least, value, path, report)
        case ByTier(inner):
            return _by_tier(inner, value, path, report)
        case _:
            return _scalar(shape, value, path, report)


def _record(shape: Record, value: Any, path: Path, report: _Report) -> Any:
    known = tuple(shape.fields)
    if not isinstance(value, dict):
        return _wrong(path, value, f"keys and values: {', '.join(known)}", report)
    found: dict[str, Any] = {}
    good = True
    meant = {closest(key, known) for key in value if key not in shape.fields}  # misspelt, not missing as well
    for key, one in value.items():
        if key not in shape.fields:
            report((*path, key), f"'{key}' is not known here.", at="key", allowed=", ".join(known),
                   suggestion=closest(key, known))  # fmt: skip
            good = False
        else:
            plain = _value(shape.fields[key].shape, one, (*path, key), report)
            good &= plain is not None or not path
            if plain is not None:
                found[key] = plain
    for key, field in shape.fields.items():
        if field.required and key not in value:
            good = False
            if key in meant:
                continue
            report((*path, key), f"'{key}' is missing.", allowed=f"{key}: {_lower(field.meaning)}")
    if shape.either and sum(key in value or key in meant for key in shape.either) != 1:
        report(path, f"Exactly one of {' and '.join(shape.either)} is needed here.", allowed=" or ".join(shape.either))
        good = False
    # A file keeps what is good in it, so that one slip does not hide the others; an entry is kept whole or not at all.
    return found if good or not path else None


def _each(item: Shape, at_least: int, value: Any, path: Path, report: _Report) -> Any:
    if not isinstance(value, list):
        return _wrong(path, value, "a list", report)
    if len(value) < at_least:
        return _wrong(path, value, f"a list of {at_least} or more", report)
    found = [_value(item, one, (*path, index), report) for index, one in enumerate(value)]
    if not isinstance(item, Record) and None in found:
        return None
    return found


def _by_tier(inner: Shape, value: Any, path: Path, report: _Report) -> Any:
    if not isinstance(value, dict) or not value:
        return _wrong(path, value, "a value for each tier, such as {free: 1, build: 2}", report)
    found = {
        report.name("tier", str(tier), (*path, tier)): _value(inner, one, (*path, tier), report)
        for tier, one in value.items()
    }
    return None if None in found.values() else found


def _scalar(shape: Shape, value: Any, path: Path, report: _Report) -> Any:
    match shape:
        case Text(pattern, words):
            return _text(pattern, words, value, path, report)
        case Ref(to):
            good = isinstance(value, str) and value
            return report.name(to, str(value), path) if good else _wrong(path, value, "a name", report)
        case Choice(values):
            return _choice(values, value, path, report)
        case Number(whole, low, high):
            return _number(whole, low, high, value, path, report)
        case Day():
            return _day(value, path, report)
        case Flag():
            return bool(value) if isinstance(value, bool) else _wrong(path, value, "true or false", report)
        case LimitValue():
            return _limit(value, path, report)
        case _:
            raise AssertionError(shape)


def _text(pattern: str | None, words: str, value: Any, path: Path, report: _Report) -> Any:
    if isinstance(value, int | float | date):
        return _wrong(path, value, f'{words}, in quotes: "{value}"', report)
    if not isinstance(value, str) or not value.strip():
        return _wrong(path, value, words, report)
    if pattern and not re.fullmatch(pattern, value):
        return _wrong(path, value, words, report)
    return str(value).strip()


def _choice(values: Sequence[str], value: Any, path: Path, report: _Report) -> Any:
    if value in values:
        return str(value)
    report(path, f"{_shown(value)} is not known here.", allowed=", ".join(values), suggestion=closest(value, values))
    return None


def _number(whole: bool, low: float | None, high: float | None, value: Any, path: Path, report: _Report) -> Any:
    kind = "a whole number" if whole else "a number"
    bounds = (
        f"{kind} from {low:g} to {high:g}" if low is not None and high is not None else f"{kind}, {low or 0:g} or more"
    )
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or (whole and value != int(value)):
        return _wrong(path, value, bounds, report)
    if low is not None and value < low:
        report(path, f"{_shown(value)} is below {low or 'zero'}.", allowed=bounds)
        return None
    if high is not None and value > high:
        report(path, f"{_shown(value)} is above {high:g}.", allowed=bounds)
        return None
    return int(value) if isinstance(value, int) else float(value)


def _day(value: Any, path: Path, report: _Report) -> Any:
    if isinstance(value, datetime):
        return _wrong(path, value, "a UTC day without a time, such as 2026-10-01", report)
    if isinstance(value, date):
        return value.isoformat()
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None:
        return _wrong(path, value, "a day, such as 2026-10-01", report)
    report(path, f"{_shown(value)} is text, not a day.", allowed=f"a day without quotes: {day}")
    return None


def _limit(value: Any, path: Path, report: _Report) -> Any:
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return _wrong(path, value, "a number that can be reached", report)
        if value < 0:
            report(path, f"{_shown(value)} is below zero.", allowed="a number, 0 or more")
            return None
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, str) and value.strip():
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [str(one) for one in value]
    return _wrong(path, value, "a number, true or false, a word or a list of words", report)


def _wrong(path: Path, value: Any, allowed: str, report: _Report) -> Any:
    """Report the value; what is left of it is None."""
    report(path, f"{_shown(value)} does not fit here.", allowed=allowed)


def _shown(value: Any) -> str:
    if value is None:
        return "Nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value if len(value) <= 40 else value[:37] + '...'}'"
    if isinstance(value, dict):
        return "A group of keys"
    if isinstance(value, list):
        return "A list" if value else "An empty list"
    return str(value)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
