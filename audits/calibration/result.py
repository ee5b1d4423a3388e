"""What a calibration says, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class LimitFigure:
    """A limit of a tier: what the book says, what benign accounts or groups reach, and what is proposed."""

    rule_id: str
    limit: str
    tier: str
    meaning: str
    kind: str
    now: float
    of: str  # account or group: whose values these are
    upper: bool  # whether it is found up to the limit: then the percentile is the 0.5th, and the lower one decides
    percentile: float | None  # None where none of the tier could be measured
    furthest: float | None  # the largest value, under an upper limit the smallest
    measured: int  # accounts or groups
    left_out: int  # of the tier, for an open or confirmed finding
    proposed: float  # max(now, percentile), under an upper limit min, as the limit's kind is written

    @property
    def changed(self) -> bool:
        """Whether another value than the book's is proposed."""
        return self.proposed != self.now


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of YAML for one file of the book."""

    file: str
    ends: str  # the limit whose entry in force gets an end
    text: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """The whole of it."""

    policy_version: str
    weeks: tuple[str, ...]
    first_day: date
    last_day: date
    effective_from: date
    quantile: float
    figures: tuple[LimitFigure, ...]
    differences: tuple[str, ...]  # the proposal against the book, in words
    pieces: tuple[Piece, ...]
    failures: tuple[str, ...]  # rules that could not be measured, and why
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        data = asdict(self)
        for figure, own in zip(data["figures"], self.figures, strict=True):
            figure["changed"] = own.changed
        for name in ("first_day", "last_day", "effective_from"):
            data[name] = data[name].isoformat()
        return data
