"""What an audit said of a world, reduced to what can be measured: who was hit by which rule, and who was grouped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from audits.rules.engine.base import SEVERITIES

RANK: dict[str, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Hit:
    """One published finding."""

    rule: str
    subject_type: str
    subject: str
    severity: str
    accounts: frozenset[str]

    def reaches(self, severity: str) -> bool:
        """Whether it is at least so severe."""
        return RANK[self.severity] >= RANK[severity]


@dataclass(frozen=True, slots=True)
class Audited:
    """The outcome of one world's audit, or of several worlds' together; every id carries its world's name.

    ``found_on``: campaign -> days of the period that had to pass until it was found as a group; campaigns that no
    prefix of the period finds are not in it.
    """

    hits: tuple[Hit, ...]
    groups: Mapping[str, str]  # account -> group
    found_on: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def joined(several: Iterable[Audited]) -> Audited:
    """Several worlds' outcomes as one."""
    all_of = list(several)
    return Audited(
        hits=tuple(hit for one in all_of for hit in one.hits),
        groups={account: group for one in all_of for account, group in one.groups.items()},
        found_on={campaign: day for one in all_of for campaign, day in one.found_on.items()},
        notes=tuple(note for one in all_of for note in one.notes),
    )
