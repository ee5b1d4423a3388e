"""While a rule is in force for a tier, each of its limits has a value there; and no limit is for a tier without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from audits.policy.entries import Entry, entries, label, rule_tiers
from audits.policy.errors import Problem
from audits.policy.folder import Document, Folder
from audits.policy.shapes import Path
from audits.policy.timeline import FOREVER, span, uncovered
from audits.policy.validate.names import known_tiers


def check(folder: Folder, _: object) -> Iterator[Problem]:
    """Days on which a rule is in force without one of its limits, and limits that have no effect."""
    tiers = known_tiers(folder)
    for document in folder.of("limits"):
        if document.whole and all(to != "tier" or name in tiers for to, name, _ in document.names):
            yield from _missing(document)
            yield from _idle(document)


def _missing(document: Document) -> Iterator[Problem]:
    found = [e for e in entries("limits", document.data) if e.to_day is None or e.from_day < e.to_day]
    limits = [e for e in found if e.key[0] == "limit"]
    names = dict.fromkeys(e.key[3] for e in limits)
    holes: dict[tuple[Path, date, date], list[tuple[str, ...]]] = defaultdict(list)
    for rule in (e for e in found if e.key[0] == "rule" and e.fields["status"] != "retired"):
        for tier in rule.fields["tiers"]:
            for name in names:
                key = ("limit", rule.key[1], tier, name)
                own = [e for e in limits if e.key == key]
                for first, last in uncovered(
                    span(rule.from_day, rule.to_day), [span(e.from_day, e.to_day) for e in own]
                ):
                    holes[_place(own, first, last, rule), first, last].append(key)
    for (path, first, last), keys in holes.items():
        for name in dict.fromkeys(key[3] for key in keys):
            what = label(*(key for key in keys if key[3] == name))
            until = f" to {last}" if last != FOREVER else " on"
            yield document.problem(
                path,
                f"{what} has no value from {first}{until}, while the rule is in force.",
                allowed="entries that follow each other without a gap, for every tier of in_force",
            )


def _place(own: list[Entry], first: date, last: date, rule: Entry) -> Path:
    """Where a hole is best mended: the entry after it, else the one before, else where the rule is put in force."""
    for entry in own:
        if entry.from_day == last:
            return (*entry.path, "effective_from")
    for entry in own:
        if entry.to_day == first:
            return (*entry.path, "effective_to")
    return (*rule.path, "tiers")


def _idle(document: Document) -> Iterator[Problem]:
    judged = rule_tiers(document.data)
    for index, row in enumerate(document.data["limits"]):
        for tier in row.get("tiers", {}):
            if tier not in judged:
                yield document.problem(
                    ("limits", index, "tiers", tier),
                    f"{document.data['rule']} is never in force for tier '{tier}', so this value has no effect.",
                    at="key",
                    allowed=", ".join(judged),
                )
