"""Hand-over after a ban: accounts that began when others were banned, and share a value with them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from audits.linkage.evidence import STRONG, Evidence, Floats, Ints
from audits.linkage.joining import surprise_of, threshold
from audits.linkage.params import Params


def successors(evidence: Evidence, party: Ints, params: Params) -> list[Ints]:
    """Stars of accounts: those of a party that were banned together, with those that took over.

    Time alone links nobody: of all accounts that began around the ban, more must have a value of the banned ones than
    chance would bring, and only these are in the star.
    """
    return list(_stars(evidence, party, params))


def _stars(evidence: Evidence, party: Ints, params: Params) -> Iterator[Ints]:
    party_of_account = party[evidence.customer]
    banned = np.flatnonzero(~np.isnan(evidence.banned))
    if not len(banned):
        return
    by_account = np.argsort(evidence.account, kind="stable")
    starts = np.searchsorted(evidence.account[by_account], np.arange(len(evidence.account_ids) + 1))
    bounds = np.searchsorted(evidence.value, np.arange(len(evidence.kind) + 1))
    keys = np.unique(evidence.value * (party.max() + 1) + party_of_account[evidence.account])
    usual = np.bincount(keys // (party.max() + 1), minlength=len(evidence.kind)) / (party.max() + 1)
    by_beginning = np.argsort(evidence.began, kind="stable")
    began = evidence.began[by_beginning]
    for wave in _waves(banned, party_of_account, evidence.banned, params):
        first, last = evidence.banned[wave].min(), evidence.banned[wave].max()
        low, high = np.searchsorted(began, (first - params.ban_days_before, last + params.ban_days_after))
        near = by_beginning[low:high]
        near = near[party_of_account[near] != party_of_account[wave[0]]]
        values = np.unique(np.concatenate([evidence.value[by_account[starts[a] : starts[a + 1]]] for a in wave]))
        values = values[~STRONG[evidence.kind[values]] & (usual[values] <= params.weak_share)]
        values = values[[evidence.kind_name(v) not in _ABOUT_TIME for v in values]]
        candidates = len(np.unique(party_of_account[near]))
        for value in values:
            users = evidence.account[bounds[value] : bounds[value + 1]]
            taking_over = np.intersect1d(users, near)
            m = len(np.unique(party_of_account[taking_over]))
            needed = threshold(party, params) + np.log2(len(values))
            if m and surprise_of(np.array([m]), np.array([candidates]), usual[[value]])[0] >= needed:
                yield np.union1d(np.intersect1d(users, wave), taking_over)


_ABOUT_TIME = {"signup_burst", "active_span", "model_pivot"}


def _waves(banned: Ints, party_of_account: Ints, at: Floats, params: Params) -> Iterator[Ints]:
    """Accounts of one party that were banned within a short time of each other."""
    order = banned[np.lexsort((at[banned], party_of_account[banned]))]
    cuts = [
        i + 1
        for i, (one, other) in enumerate(pairwise(order))
        if party_of_account[one] != party_of_account[other] or at[other] - at[one] > params.ban_days_after
    ]
    yield from np.split(order, cuts)
