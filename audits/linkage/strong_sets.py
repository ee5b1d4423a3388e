"""Accounts of a group that hang together by strong values alone: one card, device or key after the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def strong_sets(account_ids: Sequence[str], values: Sequence[Hashable]) -> dict[str, str]:
    """Account -> the first of the accounts that it hangs together with, for each account that has one of the values.

    ``account_ids`` and ``values`` are of one length: an account and a strong value that it shares with others.
    """
    names, account = np.unique(np.asarray(account_ids, object), return_inverse=True)
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    value = [len(names) + numbers[one] for one in values]
    size = len(names) + len(numbers)
    graph = coo_array((np.ones(len(value), np.int8), (account, value)), shape=(size, size))
    label = connected_components(graph, directed=False)[1][: len(names)]
    _, first, place = np.unique(label, return_index=True, return_inverse=True)
    return dict(zip(names.tolist(), names[first[place]].tolist(), strict=True))
