"""Components so large that one value may have made them: held back until they stand without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from audits.linkage.bridges import bridging_rows
from audits.linkage.evidence import INDEPENDENT, OWN, PROVEN, Evidence, Ints, stretches
from audits.linkage.joining import Joined, Pairs, join
from audits.linkage.params import Params


@dataclass(frozen=True, slots=True)
class Held:
    """A component that fell apart without its widest-shared value."""

    accounts: int
    value: int
    customers: int  # that share the value
    pieces: int


def without_bridges(evidence: Evidence, joined: Joined, params: Params) -> Joined:
    """What was joined, cut where a value on a few accounts alone holds two crowds together."""
    rows = np.flatnonzero(joined.joins)
    party = joined.party[evidence.customer[evidence.account[rows]]]
    rows, party = rows[np.argsort(party, kind="stable")], np.sort(party)
    cut = [bridging_rows(evidence, rows[start:end], params) for start, end in stretches(party)]
    if not any(map(len, cut)):
        return joined
    joins = joined.joins.copy()
    joins[np.concatenate(cut)] = False
    rows, n = np.flatnonzero(joins), evidence.customers
    owner = evidence.customer[evidence.account[rows]]
    # A value has a node in each party: two parties that it took part in joining, each with another value, stay two.
    nodes, node = np.unique(evidence.value[rows] * n + joined.party[owner], return_inverse=True)
    ends = owner, n + node
    graph = coo_array((np.ones(len(rows), np.int8), ends), shape=(n + len(nodes), n + len(nodes)))
    label = connected_components(graph, directed=False)[1][:n]
    return Joined(np.unique(label, return_inverse=True)[1].astype(np.int64), joins)


def groups_of(evidence: Evidence, joined: Joined) -> list[Ints]:
    """The accounts that evidence joined, by group of at least two customers; ordered by first account."""
    linked = np.zeros(len(evidence.account_ids), bool)
    linked[evidence.account[joined.joins]] = True
    accounts = np.flatnonzero(linked)
    party = joined.party[evidence.customer[accounts]]
    order = np.argsort(party, kind="stable")
    accounts, party = accounts[order], party[order]
    cuts = np.flatnonzero(party[1:] != party[:-1]) + 1
    groups = np.split(accounts, cuts) if len(accounts) else []
    return [group for group in groups if len(np.unique(evidence.customer[group])) > 1]


def stand_or_hold(evidence: Evidence, pairs: Pairs, joined: Joined, params: Params) -> tuple[list[Ints], list[Held]]:
    """The groups that may be shown, and those that were held back and replaced by what stands of them."""
    limit = max(params.held_accounts, params.held_share * len(evidence.account_ids))
    shown: list[Ints] = []
    held: list[Held] = []
    to_look_at = [(group, joined, evidence) for group in groups_of(evidence, joined)]
    while to_look_at:
        group, made, seen = to_look_at.pop()
        if len(group) <= limit:
            shown.append(group)
            continue
        widest, customers = _widest(seen, made, group)
        fewer = seen.without(np.array([widest]))
        others = pairs.only((pairs.first != widest) & (pairs.second != widest))
        again = join(fewer, others, None, params)
        member = np.zeros(len(evidence.account_ids), bool)
        member[group] = True
        pieces = [piece for other in groups_of(fewer, again) if len(piece := other[member[other]]) > 1]
        if _stands(seen, made, group, pieces, widest, params):
            shown.append(group)
        else:
            held.append(Held(len(group), widest, customers, len(pieces)))
            to_look_at += [(piece, again, fewer) for piece in pieces]
    return sorted(shown, key=lambda group: int(group[0])), held


def _stands(evidence: Evidence, joined: Joined, group: Ints, pieces: list[Ints], widest: int, params: Params) -> bool:
    """Whether a component is one without its widest-shared value, or that value is a prompt which proves to be its own.

    A prompt is a component's own where nearly everyone in it uses the prompt and shares another value too, of another
    cause, that is hardly found outside: ten cards that each pay for thirty of its accounts are ten witnesses. One that
    speaks for more than half is none, and a place is rented out to anybody, so it has to do without such proof.
    """
    enough = params.stands_share * len(group)
    if max(map(len, pieces), default=0) >= enough:
        return True
    if not OWN[evidence.kind[widest]]:
        return False
    rows = np.flatnonzero(np.isin(evidence.account, group))
    other = joined.joins[rows] & INDEPENDENT[evidence.kind[widest], evidence.kind[evidence.value[rows]]]
    inside = np.bincount(evidence.value[rows], minlength=len(evidence.kind))
    everywhere = np.bincount(evidence.value, minlength=len(evidence.kind))
    several = (inside >= params.stands_part) & (inside <= len(group) / 2)
    witness = several & (inside >= params.stands_share * everywhere)
    users = evidence.account[rows[evidence.value[rows] == widest]]
    return len(np.intersect1d(users, evidence.account[rows[other & witness[evidence.value[rows]]]])) >= enough


def _widest(evidence: Evidence, joined: Joined, group: Ints) -> tuple[int, int]:
    """The value that joined most of the group's customers, and how many; a rhythm was tested on each, and is none."""
    rows = np.flatnonzero(joined.joins & np.isin(evidence.account, group) & ~PROVEN[evidence.kind[evidence.value]])
    keys = np.unique(evidence.value[rows] * evidence.customers + evidence.customer[evidence.account[rows]])
    sharing = np.bincount(keys // evidence.customers, minlength=1)
    return int(sharing.argmax()), int(sharing.max())
