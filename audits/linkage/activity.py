"""Synchronised activity: who is busy in the same hours, beyond what day and week make the same for everybody.

Requests are counted by slots of an hour. What is left after a party's own daily total and its own hours of the day in
those weeks are taken out, and after what all parties have in common in a slot (an outage, a release), is noise for
people who know nothing of each other; for accounts that one scheduler feeds it is the same, day after day. Parties are
compared only with those that share a value with them, and groups that other evidence made with each other: never all
pairs. What only does as a crowd does is compared with it in :mod:`audits.linkage.following`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtr
from sqlalchemy import Connection, Integer, String, cast, func, literal, select

from audits.linkage.evidence import OWN, STRONG, Evidence, Floats, Ints, packed, stretches
from audits.linkage.params import Params
from audits.linkage.sightings import linked_accounts
from audits.rollups.account_hour import account_hour
from audits.warehouse.dialects import day_number

Matrix = NDArray[np.float32]

_BASE = 100_000  # a slot and its count travel as one number of 31 bits: slot * _BASE + count
_CLIP = 4.0  # one wild hour must not outweigh a month
_CELLS = 80_000_000  # most cells of the matrix of what is left; slots grow longer where it would be larger
_POWER = 40  # steps of power iteration; two rhythms in one block part long before
_AT_ONCE = 2_000  # rows worked on at a time
_OF_ROUNDING = 0.25  # largest variance of counts that are an even rate, rounded: a count is one of two neighbours


@dataclass(frozen=True, slots=True)
class Hourly:
    """Requests of each account (rows, by number) in each hour of the window (columns), and which days are weekend."""

    counts: csr_array
    weekend: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is left of the parties' counts; ``row`` has a party's row or -1, ``scale`` the spread of z by chance."""

    left: Matrix
    party: Ints
    row: Ints
    scale: float
    days: int


def read_hourly(connection: Connection, first: date, last: date, n_accounts: int, params: Params) -> Hourly:
    """The hourly counts of accounts with enough requests for a comparison; one text an account crosses the wire."""
    h = account_hour.c
    slot = (day_number(h.day) - day_number(literal(first))) * 24 + cast(h.hour, Integer)
    packed_up = slot * literal(_BASE, Integer) + func.least(h.n_requests, _BASE - 1)
    busy = (
        select(
            linked_accounts.c.account_no - 1,
            func.aggregate_strings(cast(packed_up, String), " "),
        )
        .select_from(account_hour.join(linked_accounts, linked_accounts.c.account_id == h.account_id))
        .where(h.day.between(first, last))
        .group_by(linked_accounts.c.account_no)
        .having(func.sum(h.n_requests) >= params.least_requests_compared)
    )
    account, both = packed(connection, busy)
    days = (last - first).days + 1
    cells = (both % _BASE).astype(np.float32), (account, both // _BASE)
    weekend = np.array([date.fromordinal(first.toordinal() + day).weekday() > 4 for day in range(days)])
    return Hourly(coo_array(cells, shape=(n_accounts, days * 24)).tocsr(), weekend)


def residuals(hourly: Hourly, party_of_account: Ints, params: Params) -> Residuals:
    """What is left of each party's hourly counts, for parties with enough requests."""
    n, hours = int(party_of_account.max(initial=-1)) + 1, hourly.counts.shape[1]
    accounts = np.arange(len(party_of_account))
    gather = coo_array((np.ones(len(accounts), np.float32), (party_of_account, accounts)), shape=(n, len(accounts)))
    counts = (gather.tocsr() @ hourly.counts).tocsr()
    chosen = np.flatnonzero(counts.sum(axis=1) >= params.least_requests_compared)
    counts = counts[chosen]
    step = next(s for s in (1, 2, 3, 4, 6, 8, 12, 24) if len(chosen) * hours / s <= _CELLS or s == 24)
    fold = coo_array((np.ones(hours, np.float32), (np.arange(hours), np.arange(hours) // step))).tocsr()
    counts = (counts @ fold).tocsr()
    left = np.empty(counts.shape, np.float32)
    for start in range(0, len(chosen), _AT_ONCE):
        left[start : start + _AT_ONCE] = _left_over(
            counts[start : start + _AT_ONCE].toarray(), hourly.weekend, params.profile_days
        )
    left[:, _shocks(left)] = 0
    row = np.full(n, -1, np.int64)
    row[chosen] = np.arange(len(chosen))
    return Residuals(left, chosen, row, _scale(left), len(hourly.weekend))


def _left_over(counts: Matrix, weekend: NDArray[np.bool_], profile_days: int) -> Matrix:
    """Residuals in their own spread, against the party's own daily totals and own hours on weekdays and weekends.

    Hours are its own for ``profile_days``: over a longer time whatever sets in between makes strangers alike, who are
    awake by day before it and busy round the clock after. Of requests that are spaced evenly round the clock nothing is
    left but rounding, which is alike in all of them: these move with nobody.
    """
    days = len(weekend)
    x = counts.reshape(len(counts), days, -1)
    total = x.sum(axis=2, keepdims=True)
    expected = np.zeros_like(x)
    alike = 2 * (np.arange(days) // profile_days) + weekend
    for some in (alike == kind for kind in np.unique(alike)):
        hours = x[:, some].sum(axis=1, keepdims=True) + 0.5
        expected[:, some] = total[:, some] * (hours / hours.sum(axis=2, keepdims=True))
    used = np.broadcast_to(total > 0, x.shape).reshape(len(counts), -1).copy()
    slots = np.maximum(used.sum(axis=1, keepdims=True), 1)
    away = np.where(used, (x - expected).reshape(used.shape), 0)
    rate = np.where(used, expected.reshape(used.shape), 0).sum(axis=1, keepdims=True) / slots
    even = (away**2).sum(axis=1, keepdims=True) / slots <= _OF_ROUNDING * np.minimum(rate, 1)
    used &= ~even
    left = np.where(used, away / np.sqrt(expected.reshape(used.shape) + 0.1), 0)
    left = np.clip(left / np.sqrt((left**2).sum(axis=1, keepdims=True) / slots + 1e-9), -_CLIP, _CLIP)
    return np.asarray(np.where(used, left - left.sum(axis=1, keepdims=True) / slots, 0), np.float32)


def _shocks(left: Matrix) -> NDArray[np.bool_]:
    """Slots in which everybody did the same: an outage, a release. They say nothing of anybody."""
    if not len(left):
        return np.zeros(left.shape[1], bool)
    common = left[:: max(1, len(left) // 5_000)].mean(axis=0)
    away = np.abs(common - np.median(common))
    return np.asarray(away > 8 * 1.4826 * np.median(away) + 0.2)


def _scale(left: Matrix) -> float:
    """How widely z spreads between parties taken by lot, 1 where hours are independent."""
    if len(left) < 20:
        return 1.0
    half = min(len(left) // 2, 4_000)
    one, other = left[:: len(left) // half][:half], left[1 :: len(left) // half][:half]
    product = one * other[: len(one)] if len(other) >= len(one) else one[: len(other)] * other
    z = product.sum(axis=1) / np.sqrt((product**2).sum(axis=1) + 1e-9)
    return max(1.0, float(1.4826 * np.median(np.abs(z))), float(np.quantile(np.abs(z), 0.99) / 2.576))


def synchronised(evidence: Evidence, party: Ints, hourly: Hourly, left: Residuals, params: Params) -> list[Ints]:
    """Stars of accounts that are synchronised: inside a shared weak value, and across groups; each by its accounts."""
    party_of_account = party[evidence.customer]
    found = [*_inside_values(evidence, party, left, params), *_across_groups(party, left, params)]
    busy = np.diff(hourly.counts.indptr) > 0
    return _widest([np.flatnonzero(np.isin(party_of_account, parties) & busy) for parties in found])


def _widest(stars: list[Ints]) -> list[Ints]:
    """The stars that are not part of another: one rhythm is found in every value that its accounts share."""
    kept: list[set[int]] = []
    for star in sorted((set(star.tolist()) for star in stars), key=lambda star: (-len(star), min(star, default=0))):
        if len(star) > 1 and not any(star <= other for other in kept):
            kept.append(star)
    return [np.array(sorted(star), np.int64) for star in kept]


def _inside_values(evidence: Evidence, party: Ints, left: Residuals, params: Params) -> Iterator[Ints]:
    """For each weak value, those of its parties that move with the others of them."""
    size = np.bincount(party)
    n = len(size)
    keys = np.unique(evidence.value * n + party[evidence.customer[evidence.account]])
    value, mover = keys // n, keys % n
    known = (left.row[mover] >= 0) & ~STRONG[evidence.kind[value]]
    value, mover = value[known], mover[known]
    for start, end in stretches(value):
        if end - start >= params.least_synchronised:
            members = mover[start:end]
            least = params.z_least if OWN[evidence.kind[value[start]]] else params.z_inside
            floor = np.select([size[members] >= params.crowd, size[members] > 1], [params.z_across, params.z_inside])
            if end - start > params.hub_from(n):  # so many are compared that a common holiday or shift is found
                least, floor = params.z_across, np.maximum(floor, params.z_across)
            rows = left.left[left.row[members]]
            yield from (members[some] for some in _movements(rows, left, least, floor, params))


def _movements(rows: Matrix, all_left: Residuals, least: float, floor: Floats, params: Params) -> Iterator[Ints]:
    """Sets of rows that move together, the strongest first; rows of another rhythm are another set.

    ``floor`` is each row's own: a group is not carried along on what would do for one account.
    """
    remaining = np.arange(len(rows))
    while len(remaining) >= params.least_synchronised:
        part = rows[remaining]
        if np.count_nonzero(_roughly(part) >= 0.8 * params.z_inside * all_left.scale) < params.least_synchronised:
            return
        weight = np.ones(len(part), np.float32)
        own = (part**2).sum(axis=1)
        for _ in range(_POWER):  # towards the rhythm that explains most, each row's own noise left out
            weight = np.maximum(part @ (weight @ part) - own * weight, 0)
            weight /= max(float(np.linalg.norm(weight)), 1e-9)
        z = z_of(part, _others(part, weight), all_left.days, params) / all_left.scale
        if np.count_nonzero(z >= params.z_inside) < params.least_synchronised:
            return
        moving = np.flatnonzero(z >= np.maximum(cut_of(z, least, params), floor[remaining]))
        if len(moving) < params.least_synchronised:
            return
        yield remaining[moving]
        remaining = np.delete(remaining, moving)


def _roughly(rows: Matrix) -> Floats:
    """z of each row with the sum of the others as if every hour counted alike: quick, and seldom too small."""
    together = rows.sum(axis=0)
    own, product = np.einsum("ij,ij->i", rows, rows), rows @ together
    others = together @ together - 2 * product + own
    return np.asarray((product - own) / np.sqrt(own * others / rows.shape[1] + 1e-9), np.float64)


def cut_of(z: Floats, least: float, params: Params) -> float:
    """The least z whose holders are there by chance in few cases: as many do not move as twice those below zero."""
    still = 2 * np.count_nonzero(z < 0)
    for cut in np.arange(least, params.z_inside, 0.25):
        if still * ndtr(-cut) <= (1 - params.purity) / 2 * np.count_nonzero(z >= cut):
            return float(cut)
    return params.z_inside


def _others(rows: Matrix, weight: Matrix) -> Matrix:
    """The weighted sum of the rows without each one of them."""
    return np.asarray(weight @ rows - weight[:, None] * rows)


def z_of(rows: Matrix, rhythm: Floats | Matrix, days: int, params: Params) -> Floats:
    """z of each row with a rhythm, one for all or one for each; none where a few days make all of it."""
    products = np.asarray(rows * rhythm)
    z = products.sum(axis=1) / np.sqrt((products**2).sum(axis=1) + 1e-9)
    by_day = products.reshape(len(products), days, products.shape[1] // days).sum(axis=2)
    lasts = _lasts(by_day.sum(axis=1), (by_day**2).sum(axis=1), np.count_nonzero(by_day, axis=1), params)
    return np.asarray(np.where(lasts, z, np.minimum(z, 0)), np.float64)


def _lasting(one: Matrix, other: Matrix, days: int, params: Params) -> NDArray[np.bool_]:
    """Whether what each row of ``one`` and each of ``other`` have in common lasts over days."""
    shape = len(one), len(other)
    product, squares, common = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.int64)
    width = one.shape[1] // days
    for start in range(0, one.shape[1], width):
        of_day = one[:, start : start + width] @ other[:, start : start + width].T
        product += of_day
        squares += of_day**2
        common += of_day != 0
    return _lasts(product, squares, common, params)


def _lasts(product: Any, squares: Any, common: Any, params: Params) -> NDArray[np.bool_]:
    """Whether sums over days, of their squares too, say that most of the days in common take part.

    Over n days alike the z of their sum is the root of n, over one of them it is 1: of few days no more can be asked.
    """
    least = np.minimum(params.z_steady, params.steady_share * np.sqrt(common))
    return np.asarray(product >= least * np.sqrt(squares + 1e-9))


def _across_groups(party: Ints, left: Residuals, params: Params) -> Iterator[Ints]:
    """Groups that move together, and then whoever moves with all of them."""
    grouped = np.bincount(party)[left.party] > 1
    rows = np.flatnonzero(grouped)
    volume = np.abs(left.left[rows]).sum(axis=1)
    rows = np.sort(rows[np.argsort(-volume, kind="stable")[: params.most_compared]])
    groups = left.left[rows]
    squares = groups**2
    one, other = [], []
    for start in range(0, len(rows), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        z = groups[some] @ groups.T / np.sqrt(squares[some] @ squares.T + 1e-9)
        moving = z >= params.z_across * left.scale
        moving &= np.arange(len(z))[:, None] + start < np.arange(len(rows))
        at, to = np.flatnonzero(moving.any(axis=1)), np.flatnonzero(moving.any(axis=0))
        lasting = _lasting(groups[at + start], groups[to], left.days, params)
        a, b = np.nonzero(moving[np.ix_(at, to)] & lasting)
        one.append(at[a] + start)
        other.append(to[b])
    if not one:
        return
    edges = np.concatenate(one), np.concatenate(other)
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(len(rows), len(rows)))
    n_clusters, cluster = connected_components(graph, directed=False)
    for number in np.flatnonzero(np.bincount(cluster, minlength=n_clusters) > 1):
        members = rows[cluster == number]
        together = left.left[members].sum(axis=0)
        moved = []
        for start in range(0, len(left.left), _AT_ONCE):
            part = left.left[start : start + _AT_ONCE]
            own = np.isin(np.arange(start, start + len(part)), members)
            z = z_of(part, together - np.where(own[:, None], part, 0), left.days, params)
            moved.append(start + np.flatnonzero(z >= params.z_across * left.scale))
        yield left.party[np.concatenate(moved)]
