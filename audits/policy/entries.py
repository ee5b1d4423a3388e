"""What a book says, as dated entries: one key, the days on which it holds, and its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from audits.policy.shapes import Path

Key = tuple[str, ...]
"""What an entry is about: its kind first, such as ``("limit", "R05", "build", "share_min")``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key's fields on the days [from_day, to_day); None is still so. ``path`` is its place in the file."""

    key: Key
    from_day: date
    to_day: date | None
    fields: Mapping[str, Any]
    why: str
    path: Path

    def holds(self, day: date) -> bool:
        """Whether the entry is in force on a day."""
        return self.from_day <= day and (self.to_day is None or day < self.to_day)

    def overlaps(self, first: date, last: date) -> bool:
        """Whether the entry is in force on any day of first..last."""
        return self.from_day <= last and (self.to_day is None or first < self.to_day)


def entries(kind: str, data: Mapping[str, Any]) -> Iterator[Entry]:
    """Every dated entry of one file's plain data; entries that do not fit (None) are passed over."""
    for listing, rows in data.items():
        if not isinstance(rows, list):
            continue
        for index, row in enumerate(rows):
            if isinstance(row, dict) and "effective_from" in row:
                yield from _entries_of(kind, listing, data, row, (listing, index))


def rule_tiers(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Every tier that a rule's file ever puts the rule in force for."""
    return tuple(dict.fromkeys(tier for row in data.get("in_force") or () if row for tier in row["tiers"]))


def _entries_of(kind: str, listing: str, data: Mapping[str, Any], row: dict[str, Any], path: Path) -> Iterator[Entry]:
    def entry(key: Key, fields: Mapping[str, Any]) -> Entry:
        ends = row.get("effective_to")
        from_day, to_day = date.fromisoformat(row["effective_from"]), ends and date.fromisoformat(ends)
        return Entry(key, from_day, to_day or None, fields, row.get("why", ""), path)

    rest = {name: value for name, value in row.items() if name not in {"effective_from", "effective_to", "why"}}
    match listing:
        case "settings":
            yield entry(("settings",), rest)
        case "standing":
            yield entry(("standing", row["severity"]), rest)
        case "combination" | "open_links":
            yield entry((listing,), rest)
        case "clauses":
            pack = str(data.get("pack", ""))
            yield entry(("clause", pack, row["family"], row["document"], row["section"]), rest)
        case "entitlements":
            for tier, allowed in row["tiers"].items():
                yield entry(("entitlement", tier, row["kind"], row["value"]), {"allowed": allowed})
        case "in_force":
            yield entry(("rule", str(data.get("rule", ""))), rest)
        case "limits":
            by_tier = row["tiers"] if "tiers" in row else dict.fromkeys(rule_tiers(data), row["value"])
            for tier, value in by_tier.items():
                yield entry(("limit", str(data.get("rule", "")), tier, row["limit"]), {"value": value})
        case "territories":
            yield entry(("territory", row["country"]), rest)
        case "checks":
            yield entry(("quality", row["check"]), rest)
        case "subscriptions" | "exceptions":
            yield entry((kind.rstrip("s"), row["id"]), rest)


def label(*keys: Key) -> str:
    """What some keys that differ by tier alone are about, in words: ``R05 build, scale share_min``."""
    tiers = ", ".join(dict.fromkeys(key[_TIER_AT[key[0]]] for key in keys)) if keys[0][0] in _TIER_AT else ""
    match keys[0]:
        case ("limit", rule, _, name):
            return f"{rule} {tiers} {name}"
        case ("entitlement", _, kind, value):
            return f"{tiers} {kind} {value}"
        case ("clause", pack, family, document, section):
            return f"{family} in {document}, {section} (pack {pack})"
        case other:
            return " ".join(other)


_TIER_AT = {"limit": 2, "entitlement": 1}
