"""What changed between two books, in words and by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from audits.policy.entries import Entry, Key, label
from audits.policy.model import Book, all_entries
from audits.policy.timeline import cuts, open_end, span
from audits.policy.words import days, spoken

_ABSENT = object()
_LONG = {"text"}  # fields whose words are too many for a sentence


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one entry that differs on the days [from_day, to_day); None where there was or is no such entry."""

    key: Key
    field: str
    before: Any
    after: Any
    from_day: date
    to_day: date | None

    def __str__(self) -> str:
        what, when = _subject(self.key, self.field), days(self.from_day, self.to_day)
        if self.field == "why":
            return f"{what}: another reason is given {when}"
        if self.before is _ABSENT or self.after is _ABSENT:
            there = self.after if self.before is _ABSENT else self.before
            words = "" if self.field in {"", "text"} else f" {spoken(there)[0]}"
            return f"{what}{words} {'is new' if self.before is _ABSENT else 'no longer holds'} {when}"
        if self.field in _LONG:
            return f"{_subject(self.key, '')} is reworded {when}"
        before, after = spoken(self.before, self.after)
        return f"{what} {before} -> {after} {when}"


def policy_changes(a: Book, b: Book) -> tuple[Change, ...]:
    """Every difference from book ``a`` to book ``b`` in what is in force, in order of key and day."""
    old, new = _by_key(a), _by_key(b)
    found: list[Change] = []
    for key in sorted(old.keys() | new.keys()):
        found += _merged(_pieces(key, old.get(key, []), new.get(key, [])))
    return tuple(found)


def policy_diff(a: Book, b: Book) -> list[str]:
    """The differences as sentences, such as ``R05 build share_min 0.60 -> 0.55 from 2026-10-01``."""
    undated = [
        ("title", a.title, b.title),
        ("tiers", [t.id for t in a.tiers], [t.id for t in b.tiers]),
        ("titles of tiers", [t.title for t in a.tiers], [t.title for t in b.tiers]),
        ("folders of own rules", a.rule_folders, b.rule_folders),
    ]
    said = [" ".join((name, " -> ".join(spoken(x, y)))) for name, x, y in undated if x != y]
    return said + [str(change) for change in policy_changes(a, b)]


def _by_key(book: Book) -> dict[Key, list[Entry]]:
    found: dict[Key, list[Entry]] = {}
    for entry in all_entries(book.snapshot()):
        found.setdefault(entry.key, []).append(entry)
    return found


def _pieces(key: Key, old: list[Entry], new: list[Entry]) -> Iterator[Change]:
    for first, last in cuts(span(e.from_day, e.to_day) for e in (*old, *new)):
        before, after = _fields(old, first), _fields(new, first)
        if before is None and after is None:
            continue
        if before is None or after is None:
            there = before or after or {}
            value = there.get("value", there.get("allowed", there.get("status", "")))
            x, y = (_ABSENT, value) if before is None else (value, _ABSENT)
            yield Change(key, "" if value == "" else "value", x, y, first, open_end(last))
            continue
        names = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
        for name in names:
            if name != "why" or len(names) == 1:  # with another value, another reason goes without saying
                yield Change(key, name, before.get(name), after.get(name), first, open_end(last))


def _fields(entries: list[Entry], day: date) -> Mapping[str, Any] | None:
    return next(({**e.fields, **({"why": e.why} if e.why else {})} for e in entries if e.holds(day)), None)


def _merged(changes: Iterator[Change]) -> list[Change]:
    """Neighbouring days with the same change as one; grouped by field."""
    found: list[Change] = []
    for change in sorted(changes, key=lambda c: (c.field, c.from_day)):
        last = found[-1] if found else None
        if (
            last
            and (last.field, last.before, last.after) == (change.field, change.before, change.after)
            and last.to_day == change.from_day
        ):
            found[-1] = Change(last.key, last.field, last.before, last.after, last.from_day, change.to_day)
        else:
            found.append(change)
    return found


def _subject(key: Key, field: str) -> str:
    what = label(key)
    if key[0] in {"limit", "entitlement", "territory"} and field in {"value", "allowed", "status", "why", ""}:
        return what
    named = {"clause": f"clause {what}", "settings": "setting", "rule": key[-1]}.get(key[0], what)
    return named if field in {"", "why", "value"} else f"{named} {field}"
