"""Where a group hangs together by one value on a few accounts only: chance ties crowds together like that.

A second-hand device between a class and a campaign makes one component of both. In the graph of customers and the
values that joined them such a value is an articulation point between two crowds, and hardly any of one has it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array, csr_array

from audits.linkage.evidence import Evidence, Ints
from audits.linkage.params import Params


def bridging_rows(evidence: Evidence, rows: Ints, params: Params) -> Ints:
    """Of the rows that joined a group, those that tie two crowds of it by a value which hardly any of one crowd has."""
    values, value = np.unique(evidence.value[rows], return_inverse=True)
    customers, customer = np.unique(evidence.customer[evidence.account[rows]], return_inverse=True)
    n_customers, n = len(customers), len(customers) + len(values)
    if n_customers < 2 * params.crowd:
        return np.empty(0, np.int64)
    graph = coo_array((np.ones(len(rows), np.int8), (customer, n_customers + value)), shape=(n, n)).tocsr()
    cut = [np.empty(0, np.int64)]
    for node, below in _hanging((graph + graph.T).tocsr(), n_customers, params.crowd):
        ties = np.flatnonzero(value == node - n_customers)
        hangs = np.isin(customer[ties], below)
        for inside, crowd in ((ties[hangs], len(below)), (ties[~hangs], n_customers - len(below))):
            if len(np.unique(customer[inside])) < params.least_coverage * crowd:
                cut.append(rows[inside])
                break
    return np.concatenate(cut)


def _hanging(graph: csr_array, n_customers: int, crowd: int) -> Iterator[tuple[int, Ints]]:
    """(value's node, customers that hang on it alone) where both they and the others are a crowd; Tarjan's low points.

    Nodes below ``n_customers`` are customers, the others values; the search begins at a customer.
    """
    n = graph.shape[0]
    found, low, end = np.full(n, -1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    order: list[int] = []
    following, last = graph.indptr[:-1].copy(), graph.indptr[1:]
    path = [0]
    found[0] = 0
    order.append(0)
    while path:
        node = path[-1]
        if following[node] < last[node]:
            other = int(graph.indices[following[node]])
            following[node] += 1
            if found[other] < 0:
                found[other] = low[other] = len(order)
                order.append(other)
                path.append(other)
            elif len(path) < 2 or other != path[-2]:
                low[node] = min(low[node], found[other])
            continue
        path.pop()
        end[node] = len(order)
        if path:
            parent = path[-1]
            low[parent] = min(low[parent], low[node])
            if parent >= n_customers and low[node] >= found[parent]:
                below = np.array(order[found[node] : end[node]])
                below = below[below < n_customers]
                if len(below) >= crowd and n_customers - len(below) >= crowd:
                    yield parent, below
