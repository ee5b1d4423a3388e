"""Names of groups that stay: across periods, revisions, and members that join or leave.

A group keeps the name under which most of an earlier group's members are found in it again, or under which most of its
own members were known: of two pools, one banned and long out of sight, the other goes on by the name of both. A new
group is named after the account of it that was opened first. Names are told by the groups that are recorded and by
those that the caller has kept elsewhere, so that a lost rollups file names nobody anew.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from audits.periods import Period

Groups = Mapping[str, Sequence[str]]  # id -> accounts
Named = Mapping[str, tuple[date, Groups]]
"""Period -> the first day after it, and its groups as they were named."""

EARLIER = 3  # earlier and later periods in which a group's name is looked for

_LETTERS = 6  # 30 bits: ten thousand groups meet in one case of twenty, and then one name grows longer


def name_groups(groups: Sequence[Sequence[str]], recorded: Sequence[Groups]) -> list[str]:
    """A name for each group, whose accounts come with the one opened first in front.

    ``recorded`` are earlier groups, nearest first: those that were made for the same period before, then others.
    """
    names: dict[int, str] = {}
    for earlier in recorded:
        names |= _continued(groups, earlier, names)
    taken = set(names.values())
    for number, accounts in enumerate(groups):
        if number not in names:
            names[number] = _new_name(accounts[0], taken)
            taken.add(names[number])
    return [names[number] for number in range(len(groups))]


def nearest(ends: Mapping[str, date], period: Period) -> list[str]:
    """Of periods with the first days after them, those whose names count for one: its own, then those that end nearest
    to it, earlier ones first.
    """

    def distance(one: str) -> tuple[bool, bool, int, str]:
        return one != period.id, ends[one] > period.end_day, abs((ends[one] - period.end_day).days), one

    return sorted(ends, key=distance)[: EARLIER + 1]


def _continued(groups: Sequence[Sequence[str]], earlier: Groups, names: Mapping[int, str]) -> dict[int, str]:
    """Names of groups in which most members of an earlier group are found, or the other way; largest overlap first."""
    was = {account: name for name, accounts in earlier.items() for account in accounts}
    overlaps = [
        (-n, name, number)
        for number, accounts in enumerate(groups)
        if number not in names
        for name, n in Counter(was[a] for a in accounts if a in was).items()
        if 2 * n > min(len(earlier[name]), len(accounts))
    ]
    used, given = set(names.values()), dict[int, str]()
    for _, name, number in sorted(overlaps):
        if name not in used and number not in given:
            given[number] = name
            used.add(name)
    return given


def _new_name(account: str, taken: set[str]) -> str:
    text = base64.b32encode(hashlib.sha256(account.encode()).digest()).decode()
    return next(name for letters in range(_LETTERS, len(text)) if (name := f"G-{text[:letters]}") not in taken)
