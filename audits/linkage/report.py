"""What linking came to, as data; kept with the groups so that an unchanged period is told again without work."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date


@dataclass(frozen=True, slots=True)
class Hub:
    """A value that so many parties share that it links nobody."""

    kind: str
    value_digest: str
    customers: int
    parties: int


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A component that fell apart without its widest-shared value; what is left of it is shown in its stead."""

    accounts: int
    kind: str
    value_digest: str
    customers: int  # of the component that share the value
    pieces: int

    def __str__(self) -> str:
        return (
            f"a component of {self.accounts:,} accounts was held back: one {self.kind.replace('_', ' ')} "
            f"({self.value_digest}), shared by {self.customers:,} of its customers, holds it together; "
            f"without it {self.pieces:,} groups stand"
        )


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What linking came to. ``changed`` is False where the inputs were those of the last time and nothing was done."""

    period: str
    as_of: date
    changed: bool
    accounts: int  # that were looked at
    parties: int  # with each group as one
    groups: int
    members: int
    hubs: tuple[Hub, ...] = ()  # the widest-shared ones; the table has all
    held_back: tuple[HeldBack, ...] = ()
    without: tuple[str, ...] = field(default=())  # kinds of evidence of which nothing is recorded

    def to_json(self) -> str:
        """The report as JSON text."""
        return json.dumps(asdict(self) | {"as_of": self.as_of.isoformat()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> LinkReport:
        """The report that :meth:`to_json` wrote."""
        data = json.loads(text)
        report = cls(**data | {"as_of": date.fromisoformat(data["as_of"]), "without": tuple(data["without"])})
        return replace(
            report,
            hubs=tuple(Hub(**hub) for hub in data["hubs"]),
            held_back=tuple(HeldBack(**held) for held in data["held_back"]),
        )
