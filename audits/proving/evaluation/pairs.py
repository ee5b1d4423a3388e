"""How well accounts are grouped: two at a time, together or apart, as the labels and as the audit have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs that are together in both, and in the groups or the labels alone."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """Share of the grouped pairs that belong together."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """Share of the pairs that belong together that are grouped."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both."""
        whole = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / whole if whole else None


def compare(
    groups: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    expected: Collection[str] | None = None,
    allowed: Mapping[str, Collection[Hashable]] | None = None,
) -> Pairs:
    """Compare groups (account -> group) with labels (account -> what it belongs to); an account without one is alone.

    Only pairs of ``expected`` accounts can be missed (by default all). Pairs with a common ``allowed`` mark (accounts
    of one customer, of one class) may be grouped or not: they count as neither right nor wrong.
    """
    expected = set(labels) if expected is None else set(expected)
    right = wrong = 0
    members: dict[str, list[str]] = {}
    for account, group in groups.items():
        members.setdefault(group, []).append(account)
    for held in members.values():
        together = _pairs(len(held))
        same = sum(_pairs(n) for n in Counter(labels[a] for a in held if a in labels).values())
        right += same
        wrong += together - same - _excused(held, labels, allowed or {})
    wanted = Counter(labels[a] for a in expected if a in labels)
    reached = Counter((labels[a], groups[a]) for a in expected if a in labels and a in groups)
    missed = sum(_pairs(n) for n in wanted.values()) - sum(_pairs(n) for n in reached.values())
    return Pairs(right, wrong, missed)


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _excused(held: list[str], labels: Mapping[str, str], allowed: Mapping[str, Collection[Hashable]]) -> int:
    """Pairs with a mark in common and no label in common; each pair once, whatever it shares."""
    by_mark: dict[Hashable, list[str]] = {}
    for account in held:
        for mark in allowed.get(account, ()):
            by_mark.setdefault(mark, []).append(account)
    pairs = {
        (one, other)
        for marked in by_mark.values()
        for i, one in enumerate(sorted(marked))
        for other in sorted(marked)[i + 1 :]
        if one not in labels or labels.get(one) != labels.get(other)
    }
    return len(pairs)
