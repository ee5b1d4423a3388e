"""Groups that use the service like each other: batches of one campaign that share nothing else.

A campaign that buys a card for every four accounts and writes each of them a prompt of its own falls into batches. What
the batches have in common is the machine behind them: volume, length of requests and answers, hours of the day, how
often the exit and the wording change. Groups are rare and so may be compared with each other, where single accounts may
not: in the neighbourhood of a batch are many other batches, and hardly any of the accounts that nothing was found
about. A batch is compared by what its accounts do together, so that six requests a day of each are enough.

A group that is a crowd already takes the batches around it in, on the same test. Two crowds are never made one by it:
each has something that its accounts alone share, and so are two campaigns of one make.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from audits.linkage.evidence import Evidence, Flags, Floats, Ints
from audits.linkage.habits import Habits, place
from audits.linkage.joining import Joined, crowds, surprise_of, threshold
from audits.linkage.params import Params
from audits.linkage.uniformity import Usage

_POOLED = (1, 2, 4)  # strangers pooled; what is common to four is common to more
_REACHES = (0.25, 0.5, 1.0)  # of the widest: batches of two campaigns of one make are told apart by how near they are


def resembling(evidence: Evidence, joined: Joined, habits: Habits, usage: Usage, params: Params) -> list[Ints]:
    """Stars of accounts: groups in whose neighbourhood other groups are found far more often than accounts."""
    return list(_stars(evidence, joined, habits, usage, params))


def _stars(evidence: Evidence, joined: Joined, habits: Habits, usage: Usage, params: Params) -> Iterator[Ints]:
    party = joined.party
    customers = np.bincount(party)
    of = party[evidence.customer[habits.account]]
    sums = habits.pooled(of, len(customers))
    busy = sums[:, 0] >= params.least_requests_compared
    groups = np.flatnonzero(busy & (customers > 1))
    if len(groups) < params.least_resembling:
        return
    around = _Around(
        place(sums[groups], usage.unit, params),
        [KDTree(place(some, usage.unit, params)) for some in _strangers(evidence, party, sums, params)],
        crowds(evidence, party, joined.joins, params)[groups],
        threshold(party, params) + float(np.log2(len(groups) * len(_REACHES))),
        params,
    )
    free = np.ones(len(groups), bool)
    for star in around.stars(free):
        free[star] = False
        yield habits.account[np.isin(of, groups[star])]


@dataclass(frozen=True, slots=True)
class _Around:
    """Groups and strangers by where they lie, and what is found around a group."""

    middles: Floats
    strangers: list[KDTree]  # alone, and pooled as a batch is
    crowd: Flags
    needed: float  # bits
    params: Params

    def stars(self, free: Flags) -> Iterator[Ints]:
        """Groups that are one, the nearest to each other first; ``free`` are those that are in none yet."""
        widest = self.params.alike_together * np.sqrt(self.middles.shape[1])
        groups = KDTree(self.middles)
        for reach in widest * np.array(_REACHES):
            near = groups.query_ball_point(self.middles, reach)
            several = [g for g, others in enumerate(near) if len(others) >= self.params.least_resembling]
            usual = dict(zip(several, self._usual(self.middles[several], reach), strict=True))
            for centre in sorted(several, key=lambda g: (self.crowd[g], -len(near[g]), usual[g], g)):
                core = self._one_crowd(np.array([g for g in near[centre] if free[g]], np.int64))
                if centre in core and self._stands(core, free, usual[centre]):
                    yield self._grown(core, free, groups, widest)

    def _grown(self, core: Ints, free: Flags, groups: KDTree, widest: float) -> Ints:
        """A star and what is no further from its mean than its batches may scatter, if so many are not by chance."""
        batches = core[~self.crowd[core]]
        mean = self.middles[batches].mean(axis=0)
        scatter = float(np.median(np.linalg.norm(self.middles[batches] - mean, axis=1)))
        further = min(self.params.alike_away * scatter, widest)
        near = np.array([g for g in groups.query_ball_point(mean, further) if free[g]], np.int64)
        grown = np.union1d(core, self._one_crowd(near))
        crowds = np.count_nonzero(self.crowd[grown])
        return grown if crowds < 2 and self._stands(grown, free, self._usual(mean[None, :], further)[0]) else core

    def _usual(self, centres: Floats, reach: float) -> Floats:
        """Share of strangers that are around each centre, alone or pooled, whichever is more."""
        shares = [
            (np.asarray(tree.query_ball_point(centres, reach, return_length=True), np.float64) + 1.0) / (tree.n + 1.0)
            for tree in self.strangers
        ]
        return np.asarray(np.max(shares, axis=0))

    def _stands(self, star: Ints, free: Flags, usual: float) -> bool:
        """Whether so many groups are not there by chance, and hardly any of them is."""
        others, n = len(star) - 1, np.count_nonzero(free) - 1
        return bool(
            len(star) >= self.params.least_resembling
            and n * usual <= (1 - self.params.purity) * others
            and surprise_of(np.array([others]), np.array([n]), np.array([usual]))[0] >= self.needed
        )

    def _one_crowd(self, near: Ints) -> Ints:
        """The batches among some groups, and of the crowds the nearest, if it lies in their middle.

        Batches of a crowd scatter about it, so that it is nearer to their mean than half of them are; a crowd of the
        same make is beside them.
        """
        crowds, batches = near[self.crowd[near]], near[~self.crowd[near]]
        if not len(crowds) or not len(batches):
            return batches
        mean = self.middles[batches].mean(axis=0)
        away, scatter = (np.linalg.norm(self.middles[some] - mean, axis=1) for some in (crowds, batches))
        return np.append(batches, crowds[np.argmin(away)]) if away.min() <= np.median(scatter) else batches


def _strangers(evidence: Evidence, party: Ints, sums: Floats, params: Params) -> Iterator[Floats]:
    """The sums of parties that nothing was found about: of each, and of two and of four of one country and tier.

    What several people do together is nearer to what is usual than what one of them does: a couple that shares a card
    has to be held against couples of strangers.
    """
    lone = np.flatnonzero((np.bincount(party) == 1) & (sums[:, 0] > 0))
    home = evidence.milieu[np.unique(party, return_index=True)[1]]
    lone = lone[np.lexsort((lone, home[lone]))]  # within a milieu in an order that means nothing
    first = np.arange(0, len(lone), max(1, -(-len(lone) // params.most_strangers)))
    for size in _POOLED:
        pools = sums[lone[(first[:, None] + np.arange(size)) % max(len(lone), 1)]].sum(axis=1)
        yield pools[pools[:, 0] >= params.least_requests_compared]
