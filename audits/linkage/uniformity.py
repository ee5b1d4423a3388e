"""Uniform use: accounts that share a value and use the service so alike as people and companies never do.

Volumes of unrelated users of one prompt or network differ by factors of ten; accounts among which a load is dealt out
differ by a few per cent. Compared are requests on an active day and tokens of a request, against the spread of each
among all accounts of the tier.

Where requests are of one length, or a load is dealt out loosely, the accounts may be people's who use one tool for one
thing. But a tool's users have each hours, exits and habits of their own; one machine's accounts have not, and are near
each other in all of them at once. A campaign that is mixed with other traffic has no length of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import chdtri, gammainc
from sqlalchemy import Connection, func, select

from audits.linkage.evidence import Evidence, Flags, Floats, Ints, stretches
from audits.linkage.habits import Habits, place
from audits.linkage.joining import Stars, count, threshold, with_own
from audits.linkage.kinds import KINDS
from audits.linkage.params import Params
from audits.linkage.sightings import linked_accounts
from audits.rollups.account_day import account_day

# What a network or mail provider brings together is too mixed for a spread to tell one set of accounts from two; and
# two campaigns of one make may well run in the same weeks.
_ASKED = np.isin([kind.name for kind in KINDS], ["system_prompt", "prompt_template", "signup_burst"])
_MAD_TO_SD = 1.4826
_LEAST_SPREAD = 0.05  # accounts that spread less have no spread, and yet differ by a request or two
_DOUBT = 0.05  # a spread is at most its upper limit in nineteen cases of twenty
_EFFICIENCY = 0.5  # a spread from the median of deviations knows half as much as one from squares


@dataclass(frozen=True, slots=True)
class Usage:
    """Of each account with enough requests (sorted): ln of requests an active day, of input and output a request.

    Each in units of its usual spread within a tier, so that 1 is what unrelated accounts differ by. The unit is one for
    all tiers: a campaign whose accounts are of several must not look as if they differed.
    """

    account: Ints
    features: Floats  # (accounts, 3): volume first
    unit: Floats  # 3: the spread, infinite where all accounts are alike
    deviation: Floats  # 3: standard deviation in these units where it is less than one, as without tails; else one


def read_usage(connection: Connection, first: date, last: date, params: Params) -> Usage:
    """The usage of the window, from the daily rollups."""
    d, a = account_day.c, linked_accounts.c
    totals = (
        select(
            a.account_no - 1,
            a.tier,
            func.sum(d.n_requests),
            func.count(d.day.distinct()),
            func.sum(d.input_tokens),
            func.sum(d.output_tokens),
        )
        .select_from(account_day.join(linked_accounts, a.account_id == d.account_id))
        .where(d.day.between(first, last), d.n_requests > 0)
        .group_by(a.account_no, a.tier)
        .having(func.sum(d.n_requests) >= params.least_requests_alike)
        .order_by(a.account_no)
    )
    rows = connection.execute(totals).all()
    tiers = {tier: number for number, tier in enumerate(sorted({str(row.tier) for row in rows}))}
    numbers = np.array([[float(n) for n in row[2:]] for row in rows], np.float64).reshape(-1, 4)
    requests, days, tokens = numbers[:, 0], numbers[:, 1], numbers[:, 2:] + 1.0
    features = np.log(np.column_stack([requests / days, tokens / requests[:, None]]))
    tier = np.array([tiers[str(row.tier)] for row in rows], np.int64)
    away = features.copy()
    for number in range(len(tiers)):
        away[tier == number] -= np.median(features[tier == number], axis=0)
    spread = _spread(away)
    unit = np.where(spread > params.least_spread, spread, np.inf)
    deviation = np.where(np.isfinite(unit), np.minimum(away.std(axis=0) / unit, 1.0), 1.0) if len(rows) else np.ones(3)
    return Usage(np.array([row[0] for row in rows], np.int64), features / unit, unit, deviation)


def uniform(evidence: Evidence, party: Ints, usage: Usage, habits: Habits, params: Params) -> list[Ints]:
    """Stars of accounts that share a weak value and use the service alike."""
    return list(_stars(evidence, party, usage, habits, params)) if len(usage.account) else []


def _stars(evidence: Evidence, party: Ints, usage: Usage, habits: Habits, params: Params) -> Iterator[Ints]:
    # Both are of the accounts with so many requests in the window, so that each one's habits are found by its number.
    places = place(habits.sums[np.searchsorted(habits.account, usage.account)], usage.unit, params)
    shared = np.flatnonzero(_ASKED[evidence.kind[evidence.value]])
    at = np.minimum(np.searchsorted(usage.account, evidence.account[shared]), max(len(usage.account) - 1, 0))
    known = usage.account[at] == evidence.account[shared]
    value, account, row = evidence.value[shared][known], evidence.account[shared][known], at[known]
    party_of = party[evidence.customer]
    stars = Stars(evidence.value, evidence.account)
    apart = with_own(evidence, count(stars, len(evidence.kind), party_of), party, params)
    needed = threshold(party, params) + float(np.log2(max(len(evidence.kind), 1)))
    for start, end in stretches(value):
        if end - start < params.least_alike:
            continue
        features = usage.features[row[start:end]]
        spread = _spread(features)
        # Where nobody is out of line, squares know twice as much; the better of two tests costs a bit.
        robust = _bits(spread, _EFFICIENCY * (end - start - 1))
        bits = np.maximum(robust, _bits(features.std(axis=0, ddof=1) / usage.deviation, end - start - 1.0)) - 1
        compared = spread > 0
        if bits[0] < needed / 3 or bits[compared].sum() < needed:
            continue
        loose, tool = spread[0] > params.alike_spread, (spread[1:] <= params.alike_tool).all()
        if spread[0] > params.alike_spread_most or (loose and end - start < params.crowd):
            continue
        if (loose or tool) and not _one_habit(places[row[start:end]], params):
            continue
        alike = account[start:end][_alike(features, usage.features, np.maximum(spread, _LEAST_SPREAD), params)]
        parties = np.unique(party_of[alike])
        # Two crowds with a prompt of their own each are two campaigns of one make, whatever else they have in common.
        if len(parties) > 1 and np.count_nonzero(apart[parties]) < 2 and len(alike) >= params.least_alike:
            yield alike


def _one_habit(places: Floats, params: Params) -> bool:
    """Whether most accounts are near their middle in all habits together."""
    away = np.linalg.norm(places - np.median(places, axis=0), axis=1)
    return bool(np.median(away) <= params.alike_habits * np.sqrt(places.shape[1]))


def _alike(features: Floats, everyone: Floats, spread: Floats, params: Params) -> Flags:
    """Which are near the middle; how widely a few spread is not well known, so strangers' chance to be there decides.

    Nine accounts may well spread twice as widely as they seem to. Within what the spread may be are taken in those that
    are there by chance in few cases, by the share of everyone that is.
    """
    middle, n = np.median(features, axis=0), len(features)
    away = np.abs(features - middle) / spread
    near = np.asarray((away <= params.alike_away).all(axis=1))
    freedom = _EFFICIENCY * (n - 1)
    at_most = params.alike_away * np.sqrt(freedom / chdtri(freedom, 1 - _DOUBT))
    nearer = np.asarray((away <= at_most).all(axis=1))
    by_chance = np.mean((np.abs(everyone - middle) / spread <= at_most).all(axis=1)) * np.count_nonzero(~near)
    return nearer if by_chance <= (1 - params.purity) * np.count_nonzero(nearer & ~near) else near


def _spread(features: Floats) -> Floats:
    if not len(features):
        return np.zeros(features.shape[1])
    away = np.abs(features - np.median(features, axis=0))
    return np.asarray(_MAD_TO_SD * np.median(away, axis=0))


def _bits(spread: Floats, freedom: float) -> Floats:
    """-log2 of the probability that so narrow a spread comes by chance where 1 is usual (chi-square)."""
    tail = gammainc(freedom / 2, freedom * spread**2 / 2)
    return np.asarray(-np.log2(np.maximum(tail, 1e-300)))
