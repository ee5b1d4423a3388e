"""Why a period has another revision: what differs between that from which two audits were made, in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger.models import PolicyVersion, Run, RunInput
from audits.periods import Period
from audits.policy import Book
from audits.policy.diff import policy_changes
from audits.warehouse.raw_text import shown

Items = Mapping[str, Any]

TIERS = "tiers"  # which were asked for
BEFORE = "before"  # what the audit of the period before came to: a report says what changed since
ARRIVED = "arrived"
"""How many rows of each day there are, and when the last one came: it decides whether an audit must be made again, but
is no reason for a revision by itself. The same rows may have been delivered again."""

BELOW_ZERO, NOT_LOADED = "below-zero", "not-loaded"
REJECTED = {
    BELOW_ZERO: "rows left out because their tokens or cost are below zero",
    NOT_LOADED: "rows that could not be loaded and may belong to this period",
}
"""Kinds of rows that no audit counts, in the words of the report's notes."""

_NAMED = 3  # differences that a sentence lists


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """The parts whose digests differ."""
    return {part for part in before.keys() | now.keys() if before.get(part) != now.get(part)}


def causes_of_change(
    session: Session, before: Run, made_from: Mapping[str, Items], policy: Mapping[str, Any]
) -> list[str]:
    """Everything that differs from what the revision before was made from, one sentence part each."""
    rows = session.execute(select(RunInput.part, RunInput.items).where(RunInput.run_id == before.id))
    was: dict[str, Items] = {part: items for part, items in rows}  # noqa: C416 rows are no pairs to the type checker
    causes: list[str] = []
    for part, say in _SAY.items():
        old, new = was.get(part, {}), made_from.get(part, {})
        if old != new:
            causes += say(old, new)
    if was.get("policy") != made_from.get("policy"):
        causes += _policy(session, before, made_from.get("policy", {}), policy)
    if not causes and was.get(ARRIVED) != made_from.get(ARRIVED):
        changed = _changed(was.get(ARRIVED, {}), made_from.get(ARRIVED, {}))
        causes.append(f"requests that a rule reads one by one differ {_on(changed)}")
    return causes or ["what a rule reads or how it is evaluated differs, though no figure by day does"]


def _changed(old: Items, new: Items) -> list[str]:
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _data(old: Items, new: Items) -> Iterable[str]:
    yield f"the usage data changed {_on(_changed(old, new))}"


def _quality(old: Items, new: Items) -> Iterable[str]:
    days = {key.split(" ", 1)[0] for key in _changed(old, new)}
    yield f"the verdict on the quality of the data changed {_on(days)}"


def _rejected(old: Items, new: Items) -> Iterable[str]:
    for key in _changed(old, new):
        kind, _, source = key.partition(" ")
        what = REJECTED.get(kind, "rows that were rejected")
        yield f"{shown(source, 'source_system')}: {what}: {new.get(key, 0):,} instead of {old.get(key, 0):,}"


def _dimensions(old: Items, new: Items) -> Iterable[str]:
    names = [name.replace("_", " ") for name in _changed(old, new)]
    yield f"reference data changed: {', '.join(names)}"


def _linkage(old: Items, new: Items) -> Iterable[str]:
    was, now = ({group: set(one["accounts"]) for group, one in it.get("groups", {}).items()} for it in (old, new))
    homes, origins = _homes(now), _homes(was)
    split = {group for group, accounts in was.items() if len({homes[a] for a in accounts if a in homes}) > 1}
    joined = {group for group, accounts in now.items() if len({origins[a] for a in accounts if a in origins}) > 1}
    both = was.keys() & now.keys()
    members = {group for group in both if was[group] != now[group]}
    evidence = {group for group in both - members if old["groups"][group] != new["groups"][group]}
    counts = {
        "new": len(now.keys() - was.keys() - joined),
        "gone": len(was.keys() - now.keys() - split),
        "split": len(split),
        "joined from several": len(joined),
        "with other members": len(members - split - joined),
        "with other evidence": len(evidence),
    }
    words = [f"{len(now)} groups instead of {len(was)}"] if len(was) != len(now) else []
    words += [f"{count} {word}" for word, count in counts.items() if count]
    yield f"linked groups changed: {', '.join(words) or 'what they were searched in'}"


def _homes(groups: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Account -> its group."""
    return {account: group for group, accounts in groups.items() for account in accounts}


def _rules(old: Items, new: Items) -> Iterable[str]:
    words = []
    for rule in _changed(old, new):
        before, now = (items.get(rule, "").split("+")[0] for items in (old, new))
        if not before or not now:
            words.append(f"{rule} {'is new' if now else 'is not evaluated any more'}")
        else:
            words.append(f"{rule} version {before} -> {now}" if before != now else f"{rule} within version {now}")
    yield f"rules changed: {_listed(words)}"


def _code(old: Items, new: Items) -> Iterable[str]:
    yield f"the service's own code changed: {', '.join(_changed(old, new))}"


def _tiers(old: Items, new: Items) -> Iterable[str]:
    if added := _changed(old, new):
        yield f"other tiers were asked for: {', '.join(added)}"


def _before(old: Items, new: Items) -> Iterable[str]:
    (period,) = {key.split(" ", 1)[0] for key in old.keys() | new.keys()}
    yield f"the {Period.parse(period).kind} before was audited{' again' if old else ''}, with which it is compared"


_SAY: Mapping[str, Callable[[Items, Items], Iterable[str]]] = {
    "data": _data,
    "quality": _quality,
    "rejected": _rejected,
    "dimensions": _dimensions,
    "linkage": _linkage,
    "rules": _rules,
    "code": _code,
    TIERS: _tiers,
    BEFORE: _before,
}


def _policy(session: Session, before: Run, items: Items, policy: Mapping[str, Any]) -> Iterable[str]:
    stored = session.get(PolicyVersion, before.policy_version)
    first, last = (date.fromisoformat(items[end]) for end in ("from", "to"))
    try:
        changes = policy_changes(Book(stored.content), Book(policy)) if stored else ()
    except (KeyError, TypeError, ValueError, AttributeError):
        changes = ()  # a book that this version of the service cannot read any more
    held = [
        str(change)
        for change in changes
        if change.field != "why" and change.key[0] != "subscription"
        if change.from_day <= last and (change.to_day is None or change.to_day > first)
    ]
    yield f"the policy book changed{f': {_listed(held)}' if held else ''}"


def _on(days: Collection[str]) -> str:
    found = sorted(date.fromisoformat(day) for day in days)
    if not found:
        return ""
    if len(found) == 1:
        return f"on {found[0].isoformat()}"
    return f"on {len(found)} days from {found[0].isoformat()} to {found[-1].isoformat()}"


def _listed(words: list[str]) -> str:
    more = len(words) - _NAMED
    return "; ".join(words[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
