"""Accounts, and other crowds, that nothing ties to a crowd but that do as it does, in the same hours.

A crowd's habits and rhythm are known far better than those of two accounts. Whoever is near it in all habits at once is
a candidate, and no more; of the candidates those belong to it that move with it, where most of them do. Habits say how
much, how long and by what kind of exit, rhythm is what is left in single hours after daily totals and hours of the day:
the second is no consequence of the first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import KDTree

from audits.linkage.activity import Residuals, cut_of, z_of
from audits.linkage.evidence import Evidence, Ints
from audits.linkage.habits import Habits, place
from audits.linkage.params import Params
from audits.linkage.uniformity import Usage


def following(
    evidence: Evidence, party: Ints, left: Residuals, habits: Habits, usage: Usage, params: Params
) -> list[Ints]:
    """Stars of accounts: each crowd that single accounts follow, and these; and two crowds that are one."""
    found = _followed(evidence, party, left, habits, usage, params)
    return [np.flatnonzero(np.isin(party[evidence.customer], parties)) for parties in found]


def _followed(
    evidence: Evidence, party: Ints, left: Residuals, habits: Habits, usage: Usage, params: Params
) -> Iterator[Ints]:
    customers = np.bincount(party)
    sums = habits.pooled(party[evidence.customer[habits.account]], len(customers))
    known = (sums[:, 0] >= params.least_requests_compared) & (left.row >= 0)
    crowds, lone = np.flatnonzero(known & (customers >= params.crowd)), np.flatnonzero(known & (customers == 1))
    if not len(crowds):
        return
    middles, places = (place(sums[some], usage.unit, params) for some in (crowds, lone))
    reach = params.alike_together * np.sqrt(middles.shape[1])
    tree = KDTree(middles)
    # Two crowds of one make have each a rhythm of its own, two parts of one crowd have not.
    for one, other in sorted(tree.query_pairs(reach)):
        a, b = (left.left[left.row[crowds[[number]]]] for number in (one, other))
        if z_of(a, b[0], left.days, params)[0] >= params.z_inside * left.scale:
            yield crowds[[one, other]]
    _, nearest = tree.query(places, distance_upper_bound=reach)
    for number, crowd in enumerate(crowds.tolist()):
        near = lone[nearest == number]
        z = z_of(left.left[left.row[near]], left.left[left.row[crowd]], left.days, params) / left.scale
        if np.count_nonzero(z >= params.z_inside) < params.least_synchronised:
            continue
        moving = near[z >= cut_of(z, params.z_least, params)]
        if len(moving) >= params.own_share * len(near):
            yield np.append(moving, crowd)
