"""What was in force on a day, as rows for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from audits.errors import AuditsError, unknown
from audits.policy.entries import Entry
from audits.policy.model import Book, all_entries
from audits.policy.words import spoken


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One thing in force: ``subject`` is a rule, ``entitlement``, ``clause``, ``standing`` or ``settings``."""

    subject: str
    name: str
    value: str
    from_day: date
    to_day: date | None
    why: str


PARTS = ("limits", "entitlements", "clauses", "standing", "settings")
"""The parts of what is in force, in order."""


def policy_show(book: Book, day: date, tier: str, rule: str | None = None, part: str | None = None) -> list[ShownRow]:
    """All that was in force for a tier on a day; with ``rule`` or ``part`` (see :data:`PARTS`) only those rows.

    Raises :class:`AuditsError` for a tier or rule that the book does not have.
    """
    if tier not in (tiers := [one.id for one in book.tiers]):
        raise unknown("tier", tier, tiers, where=f"--tier {tier}")
    if rule is not None and rule not in book.rules:
        raise unknown("rule", rule, list(book.rules), where=f"--rule {rule}")
    if rule is not None and part not in (None, PARTS[0]):
        raise AuditsError(
            f"A rule has no {part}: it has limits only.",
            where=f"--rule {rule}, --only {part}",
            fix=f"Leave --only out, or leave --rule out to see the {part} of the tier.",
        )
    packs = book.settings(day).packs
    held = [e for e in all_entries(book.snapshot()) if e.holds(day) and e.key[0] in _ORDER]
    rows = [
        (_ORDER[e.key[0]][0], row.subject, _ORDER[e.key[0]][1], row)
        for e in held
        if part in (None, PARTS[_ORDER[e.key[0]][0]])
        and (rule is None or (e.key[0] in {"rule", "limit"} and e.key[1] == rule))
        and _concerns(e, tier, packs)
        for row in _rows(e, tier)
    ]
    return [row for *_, row in sorted(rows, key=lambda one: (*one[:3], one[3].name))]


_ORDER = {
    "rule": (0, 0),
    "limit": (0, 1),
    "entitlement": (1, 0),
    "clause": (2, 0),
    "combination": (3, 1),
    "open_links": (3, 2),
    "standing": (3, 0),
    "settings": (4, 0),
}
"""Place of the group and, in it, of the kind."""


def _concerns(entry: Entry, tier: str, packs: tuple[str, ...]) -> bool:
    match entry.key[0]:
        case "limit":
            return entry.key[2] == tier
        case "entitlement":
            return entry.key[1] == tier
        case "clause":
            return entry.key[1] in packs
        case _:
            return True


def _rows(entry: Entry, tier: str) -> list[ShownRow]:
    f = entry.fields
    match entry.key[0]:
        case "rule":
            value = f["status"] if tier in f["tiers"] else f"not judged in {tier}"
            named = [(entry.key[1], "status", value)]
        case "limit":
            named = [(entry.key[1], entry.key[3], spoken(f["value"])[0])]
        case "entitlement":
            named = [("entitlement", f"{entry.key[2]} {entry.key[3]}", "allowed" if f["allowed"] else "not allowed")]
        case "clause":
            named = [("clause", f"{f['family']} {f['id']}", f"{f['effect']}: {f['text']}")]
        case "combination":
            alike = "; ".join(" with ".join(kin) for kin in f["alike"]) or "none"
            said = f"{f['families_min']} families from {f['severity_from']} on; alike: {alike}"
            named = [("critical", "by agreement", said)]
        case "open_links":
            holder, tied = f["holder_share_min"], f["tied_share_min"]
            said = (
                f"{holder:.0%} on one network, domain or instrument, less than {tied:.0%} in smaller circles; half of "
            )
            said += f"the daily volumes off the day's median by a factor of {f['volume_factor_min']:g}"
            named = [("links", "in the open", said)]
        case "standing":
            named = [("standing", entry.key[1], f"{f['standing']}, until {f['quiet_days']} quiet days")]
        case _:
            named = [("settings", name, spoken(value)[0]) for name, value in f.items()]
    return [ShownRow(subject, name, value, entry.from_day, entry.to_day, entry.why) for subject, name, value in named]
