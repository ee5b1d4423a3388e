"""The numbers that linkage decides by, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Params:
    """What counts as evidence. Shares are of all parties; a party is a declared customer or what was joined already."""

    look_back_days: int = 180  # a pool that was banned half a year ago may still have a successor
    hub_parties: int = 20  # a card or device that so many unrelated parties share is an institution's
    hub_share: float = 0.02  # ... in a large population: a fiftieth of all parties
    min_parties: int = 2  # accounts of one declared customer are declared, not linked


DEFAULT = Params()
