"""Small groups that use the service like each other: batches of one campaign that share nothing else.

A campaign that buys a card for every four accounts and writes each of them a prompt of its own falls into batches. What
the batches have in common is the machine behind them: volume, length of requests and answers, hours of the day. Groups
are rare and so may be compared with each other, where single accounts may not: in the neighbourhood of a batch are many
other batches, and hardly any of the accounts that nothing was found about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from audits.linkage.activity import Hourly
from audits.linkage.evidence import Evidence, Flags, Floats, Ints
from audits.linkage.joining import surprise_of, threshold
from audits.linkage.params import Params
from audits.linkage.uniformity import Usage

_HOURS_APART = 6  # the day in quarters: enough for a share of each from a hundred requests


@dataclass(frozen=True, slots=True)
class Habits:
    """Accounts with enough requests, and each one's place: the unit is how far apart two of one machine may be."""

    account: Ints
    place: Floats  # (accounts, features)


def habits(usage: Usage, hourly: Hourly, params: Params) -> Habits:
    """Volume, lengths, and shares of the day's quarters and of the weekend."""
    requests = np.asarray(hourly.counts.sum(axis=1)).ravel()[usage.account]
    known = np.flatnonzero(requests >= params.least_requests_compared)
    account = usage.account[known]
    n_hours = hourly.counts.shape[1]
    parts = np.zeros((n_hours, 24 // _HOURS_APART + 1), np.float64)
    parts[np.arange(n_hours), np.arange(n_hours) % 24 // _HOURS_APART] = 1.0
    parts[np.repeat(hourly.weekend, 24), -1] = 1.0
    shares = hourly.counts[account] @ parts / requests[known][:, None]
    # The last quarter follows from the others.
    day = np.delete(shares, -2, axis=1) / params.alike_shares
    return Habits(account, np.hstack([usage.features[known] / (params.alike_volume, *[params.alike_lengths] * 2), day]))


def resembling(evidence: Evidence, party: Ints, known: Habits, params: Params) -> list[Ints]:
    """Stars of accounts: small groups in whose neighbourhood other groups are found far more often than accounts."""
    return list(_stars(evidence, party, known, params))


def _stars(evidence: Evidence, party: Ints, known: Habits, params: Params) -> Iterator[Ints]:
    customers = np.bincount(party)
    of = party[evidence.customer[known.account]]
    grouped = customers[of] > 1
    middles, groups = _middles(known.place, of, grouped & (customers[of] < params.crowd))
    if len(groups) < params.least_resembling:
        return
    near = _within(middles, middles)
    around = np.array([len(accounts) for accounts in _within(known.place[~grouped], middles)])
    usual = (around + 1.0) / (np.count_nonzero(~grouped) + 1.0)
    needed = threshold(party, params) + float(np.log2(len(groups)))
    free = np.ones(len(groups), bool)
    for centre in sorted(range(len(groups)), key=lambda g: (-len(near[g]), float(usual[g]), int(groups[g]))):
        others = np.array([g for g in near[centre] if free[g] and g != centre], np.int64)
        n = np.count_nonzero(free) - 1
        surprise = surprise_of(np.array([len(others)]), np.array([n]), usual[[centre]])[0]
        if (
            free[centre]
            and len(others) + 1 >= params.least_resembling
            and n * usual[centre] <= (1 - params.purity) * len(others)
            and surprise >= needed
        ):
            free[[centre, *others]] = False
            yield known.account[np.isin(of, groups[[centre, *others]])]


def _within(points: Floats, centres: Floats) -> list[list[int]]:
    """For each centre the points that are no further than 1 in any direction."""
    found: Any = KDTree(points).query_ball_point(centres, 1.0, p=np.inf) if len(points) else [[] for _ in centres]
    return list(found)


def _middles(place: Floats, of: Ints, chosen: Flags) -> tuple[Floats, Ints]:
    """The middle of each chosen party most of whose accounts are near it, and the parties' numbers."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(of[rows], kind="stable")]
    groups, first, size = np.unique(of[rows], return_index=True, return_counts=True)
    middles, kept = [np.empty((0, place.shape[1]))], []
    for group, start, n in zip(groups.tolist(), first.tolist(), size.tolist(), strict=True):
        inside = place[rows[start : start + n]]
        middle = np.median(inside, axis=0)
        if n > 1 and np.mean(np.abs(inside - middle).max(axis=1) <= 1.0) > 0.5:
            middles.append(middle[None, :])
            kept.append(group)
    return np.vstack(middles), np.array(kept, np.int64)
