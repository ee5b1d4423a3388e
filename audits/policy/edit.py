"""Another book than the one at hand, made in memory: what would hold if a limit or a rule's status were another.

Nothing is written; the answer is a :class:`Book` like any other, so that it can be asked, compared and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from audits.policy.entries import rule_tiers
from audits.policy.model import Book
from audits.policy.rows import Value

Row = dict[str, Any]


def with_limit(book: Book, rule_id: str, limit: str, values: Mapping[str, Value]) -> Book:
    """The book with another value of a limit for some tiers, on all days on which it has one."""

    def changed(rows: list[Row], own: Mapping[str, Any]) -> list[Row]:
        return [_valued(row, own, values) if row["limit"] == limit else row for row in rows]

    return _edited(book, rule_id, "limits", changed)


def with_limit_from(book: Book, rule_id: str, limit: str, values: Mapping[str, Value], day: date, why: str) -> Book:
    """The book with another value of a limit for some tiers from a day on; what held before it stays as it was."""

    def changed(rows: list[Row], own: Mapping[str, Any]) -> list[Row]:
        found: list[Row] = []
        for row in rows:
            if row["limit"] != limit or not _holds(row, day):
                found.append(row)
                continue
            if row["effective_from"] < day.isoformat():
                found.append(row | {"effective_to": day.isoformat()})
            found.append(_valued(row, own, values) | {"effective_from": day.isoformat(), "why": why})
        return found

    return _edited(book, rule_id, "limits", changed)


def with_rule_active(book: Book, rule_id: str) -> Book:
    """The book with a rule's drafts and shadows in force, on the days and for the tiers that they name."""

    def changed(rows: list[Row], _own: Mapping[str, Any]) -> list[Row]:
        return [row | {"status": "active"} if row["status"] in {"draft", "shadow"} else row for row in rows]

    return _edited(book, rule_id, "in_force", changed)


def limit_entry(book: Book, rule_id: str, limit: str, day: date) -> Row | None:
    """What the rule's file has for a limit on a day, as plain data; several entries of different tiers as one."""
    own = book.snapshot()["limits"].get(rule_id, {})
    held = [row for row in own.get("limits", []) if row["limit"] == limit and _holds(row, day)]
    return held[0] | {"tiers": {t: v for row in held for t, v in _by_tier(row, own).items()}} if held else None


def _edited(
    book: Book, rule_id: str, listing: str, change: Callable[[list[Row], Mapping[str, Any]], list[Row]]
) -> Book:
    snapshot = book.snapshot()
    own = snapshot["limits"][rule_id]
    own[listing] = change(own[listing], own)
    return Book(snapshot)


def _valued(row: Row, own: Mapping[str, Any], values: Mapping[str, Value]) -> Row:
    before = _by_tier(row, own)
    after = before | {tier: _plain(value) for tier, value in values.items() if tier in before}
    return {name: value for name, value in row.items() if name != "value"} | {"tiers": after}


def _by_tier(row: Row, own: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row["tiers"]) if "tiers" in row else dict.fromkeys(rule_tiers(own), row["value"])


def _holds(row: Row, day: date) -> bool:
    ends = row.get("effective_to")
    return row["effective_from"] <= day.isoformat() and (not ends or day.isoformat() < ends)


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value
