"""From evidence to groups: join, compare activity, look for successors of the banned, and again until it is stable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audits.linkage.activity import Hourly, residuals, synchronised
from audits.linkage.evidence import Evidence, Ints
from audits.linkage.following import following
from audits.linkage.habits import Habits
from audits.linkage.holding import Held, stand_or_hold, without_bridges
from audits.linkage.joining import Counted, Joined, Stars, count, join, weak_pairs
from audits.linkage.likeness import resembling
from audits.linkage.params import Params
from audits.linkage.successors import successors
from audits.linkage.uniformity import Usage, uniform

_MOST_PASSES = 4


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups by their accounts, and what they rest on; ``counted`` is by party, each shown group being one."""

    evidence: Evidence
    joined: Joined
    groups: list[Ints]
    held: list[Held]
    counted: Counted
    parties: int  # all there are

    def group_of(self, nowhere: int = -1) -> Ints:
        """Each account's group by its number in ``groups``; ``nowhere`` for an account in none."""
        numbers = np.full(len(self.evidence.account_ids), nowhere, np.int64)
        for number, group in enumerate(self.groups):
            numbers[group] = number
        return numbers


def group(evidence: Evidence, hourly: Hourly, usage: Usage, habits: Habits, params: Params) -> Grouping:
    """Make the groups; the same evidence gives the same groups in whatever order its rows come."""
    pairs = weak_pairs(evidence, params)
    joined = join(evidence, pairs, None, params)
    for _ in range(_MOST_PASSES):
        # Looked at are parties as they stand without a chance tie, or what such a tie joined would never be compared.
        apart = without_bridges(evidence, joined, params)
        left = residuals(hourly, apart.party[evidence.customer], params)
        together = synchronised(evidence, apart.party, hourly, left, params)
        together += following(evidence, apart.party, left, habits, usage, params)
        replaced = successors(evidence, apart.party, params)
        alike = uniform(evidence, apart.party, usage, habits, params)
        evidence = evidence.plus("synchronised", together).plus("uniform_use", alike).plus("hand_over", replaced)
        joined = join(evidence, pairs, joined, params)
        # What crowds have of their own is known by now, so that batches of two campaigns of one make stay apart.
        batches = resembling(evidence, without_bridges(evidence, joined, params), habits, usage, params)
        evidence = evidence.plus("uniform_use", batches)
        if not (together or replaced or alike or batches):
            break
        joined = join(evidence, pairs, joined, params)
    joined = without_bridges(evidence, joined, params)
    groups, held = stand_or_hold(evidence, pairs, joined, params)
    party = _parties(evidence, groups)
    counted = count(Stars(evidence.value, evidence.account), len(evidence.kind), party[evidence.customer])
    return Grouping(evidence, joined, groups, held, counted, int(party.max(initial=-1)) + 1)


def _parties(evidence: Evidence, groups: list[Ints]) -> Ints:
    """Each customer's party, where the shown groups are one party each."""
    party = np.arange(evidence.customers)
    for accounts in groups:
        party[evidence.customer[accounts]] = evidence.customer[accounts[0]]
    return np.unique(party, return_inverse=True)[1].astype(np.int64)
