"""Joining parties on the evidence, in rounds, until nothing more is joined.

A *party* is a declared customer, or several that were joined. After every round parties are counted again, so that a
prompt on 300 accounts that ten cards pay for is a prompt of ten parties. What few parties share goes first and what
many share last: two campaigns that hide behind one popular prompt are two parties by then, and not two crowds of
strangers who would have it in common with their first day of use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import betainc

from audits.linkage.evidence import INDEPENDENT, OWN, PROVEN, STRONG, Evidence, Flags, Floats, Ints
from audits.linkage.params import Params

_MOST_ROUNDS = 100  # every round joins something or goes on to wider values: never reached, it bounds a mistake
_FEW = 10.0  # parties of a milieu from which its own share counts as much as that of everybody
_MOST_BITS = 1000.0  # what a float can still say of a small probability


@dataclass(frozen=True, slots=True)
class Stars:
    """Rows (star, account), sorted by star: which accounts share a value, or a pair of values."""

    star: Ints
    account: Ints


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of independent weak values that at least two customers have both of, and on which accounts."""

    first: Ints  # number of a value, for each pair
    second: Ints
    rows: Stars

    def only(self, chosen: Flags) -> Pairs:
        """Some of the pairs, numbered anew."""
        number, at = np.cumsum(chosen) - 1, chosen[self.rows.star]
        rows = Stars(number[self.rows.star[at]], self.rows.account[at])
        return Pairs(self.first[chosen], self.second[chosen], rows)


@dataclass(frozen=True, slots=True)
class Counted:
    """Stars counted by party: one entry for each (star, party), sorted by star."""

    star: Ints
    party: Ints
    accounts: Ints  # of the party, in the star
    parties: Ints  # for each star


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of joining: each customer's party, and which rows of the evidence took part."""

    party: Ints
    joins: Flags


def join(evidence: Evidence, pairs: Pairs, before: Joined | None, params: Params) -> Joined:
    """Join on all evidence, the rarest first and from what was joined ``before``, until a round joins nothing more."""
    values, kinds = Stars(evidence.value, evidence.account), evidence.kind
    party, joins = np.arange(evidence.customers), np.zeros(len(evidence.value), bool)
    if before:
        party, joins[: len(before.joins)] = before.party, before.joins
    widest, publicly = float(params.rare_parties), False
    for _ in range(_MOST_ROUNDS if len(party) else 0):
        counted = count(values, len(kinds), party[evidence.customer])
        most = params.weak_share * (int(party.max(initial=-1)) + 1)
        at_most = np.maximum(counted.parties[pairs.first], counted.parties[pairs.second]) <= min(widest, most)
        looked_at = pairs.only(at_most)
        both = count(looked_at.rows, len(looked_at.first), party[evidence.customer])
        limit = strong_limit(int(party.max(initial=-1)) + 1, params)
        chosen = PROVEN[kinds] | (STRONG[kinds] & (counted.parties <= limit))
        if widest >= most:
            theirs = own(evidence, counted, party, crowds(evidence, party, joins, params), params)
            chosen |= theirs & (publicly | (counted.parties <= limit))
        chosen_pairs = coincidences(evidence, counted, both, looked_at, party, params)
        joins |= chosen[evidence.value]
        joins[pair_rows(evidence, looked_at, chosen_pairs)] = True
        size = np.bincount(party[evidence.customer])
        tied = [
            tied_parties(counted, chosen[counted.star], size, params),
            tied_parties(both, chosen_pairs[both.star], size, params),
        ]
        joined = merge(party, *(np.concatenate(ends) for ends in zip(*tied, strict=True)))
        if np.array_equal(joined, party):
            if publicly:
                break
            # Batches are made crowds by what is their own first: then it is seen what several crowds have in common.
            publicly = widest >= most
            widest *= params.rare_step
        party = joined
    return Joined(party, joins)


def count(stars: Stars, n_stars: int, party_of_account: Ints) -> Counted:
    """How many parties there are in each star, and with how many accounts."""
    n = int(party_of_account.max(initial=0)) + 1
    keys, accounts = np.unique(stars.star * n + party_of_account[stars.account], return_counts=True)
    star = keys // n
    return Counted(star, keys % n, accounts, np.bincount(star, minlength=n_stars))


def merge(party: Ints, one: Ints, other: Ints) -> Ints:
    """Parties after joining ``one[i]`` with ``other[i]``; numbered by their first customer."""
    n = int(party.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, first, inverse = np.unique(label[party], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def strong_limit(parties: int, params: Params) -> float:
    """Most parties that may share a strong value which joins by itself."""
    return min(max(params.strong_parties, params.strong_share * parties), params.strong_parties_most)


def crowds(evidence: Evidence, party: Ints, joins: Flags, params: Params) -> Flags:
    """Which parties are crowds by something else than cards, devices and keys, which are dealt out in batches."""
    rows = joins & ~STRONG[evidence.kind[evidence.value]]
    known = np.zeros(int(party.max(initial=-1)) + 1, bool)
    known[party[evidence.customer[evidence.account[rows]]]] = True
    return np.asarray(known & (np.bincount(party) >= params.crowd))


def with_own(evidence: Evidence, counted: Counted, party: Ints, params: Params) -> Flags:
    """Which parties are crowds most of whose accounts have a prompt that hardly anybody else has."""
    users = np.bincount(counted.star, counted.accounts, len(evidence.kind))[counted.star]
    size = np.bincount(party[evidence.customer])[counted.party]
    theirs = OWN[evidence.kind[counted.star]] & (counted.accounts >= params.purity * users)
    holds = theirs & (counted.accounts >= np.maximum(params.own_share * size, params.crowd))
    return np.isin(np.arange(int(party.max(initial=-1)) + 1), counted.party[holds])


def own(evidence: Evidence, counted: Counted, party: Ints, crowd: Flags, params: Params) -> Flags:
    """Values most of whose users act as one already, on other evidence: they are these groups' own.

    Of more parties than may have one card nearly all must be in groups: a prompt in public use is used by campaigns,
    too, and that they hide behind it says nothing of its other users. What two crowds have in common is then neither's
    own; and never where each has a prompt of its own besides.

    The surprise is that of so many of its users being in groups, if users were drawn by lot. What a couple shares it
    shares as one: a few accounts of a group are one observation, several are two, and of a ``crowd`` each one is.
    """
    grouped_party = np.bincount(party) > 1
    together = grouped_party[counted.party]
    several = np.where((counted.accounts >= params.own_accounts) & together, 2, 1)
    observed = np.where(counted.accounts >= params.crowd, counted.accounts, several)

    def sum_of(numbers: Ints | Flags) -> Ints:
        return np.bincount(counted.star, numbers, len(counted.parties)).astype(np.int64)

    grouped, seen = sum_of(np.where(together, counted.accounts, 0)), sum_of(np.where(together, observed, 0))
    usual = max(float(np.mean(grouped_party[party])), 1 / len(party)) if len(party) else 1.0
    surprise = surprise_of(seen, sum_of(observed), np.full(len(grouped), usual))
    apart = with_own(evidence, counted, party, params)[counted.party]
    narrow = counted.parties <= strong_limit(int(party.max(initial=-1)) + 1, params)
    return np.asarray(
        OWN[evidence.kind]
        & (grouped >= params.own_accounts)
        & (seen >= params.own_observations)
        & (grouped >= np.where(narrow, params.own_share, params.purity) * sum_of(counted.accounts))
        & (counted.parties <= params.weak_share * (party.max(initial=-1) + 1))
        & (narrow | (sum_of(crowd[counted.party] & (counted.accounts >= params.crowd)) < 2))
        & (sum_of(apart & (counted.accounts >= params.own_accounts)) < 2)
        & (surprise >= threshold(party, params))
    )


def coincidences(
    evidence: Evidence, counted: Counted, both: Counted, pairs: Pairs, party: Ints, params: Params
) -> Flags:
    """Pairs of independent weak values that chance does not bring together on so many parties."""
    n = int(party.max(initial=-1)) + 1
    m, n1, n2 = both.parties, counted.parties[pairs.first], counted.parties[pairs.second]
    local = ~STRONG[evidence.kind[pairs.first]] & ~STRONG[evidence.kind[pairs.second]]  # cards and devices have no home
    there1, there2 = (local * there for there in _usual_there(counted, both, pairs, party, evidence.milieu))
    usual1, usual2 = np.maximum(there1, n1 / n), np.maximum(there2, n2 / n)
    # The first is free: any value would do, as long as another shares it.
    surprise = surprise_of(m - 1, np.minimum(n1, n2) - 1, np.where(n1 <= n2, usual2, usual1))
    needed = threshold(party, params) + _footing(both, np.bincount(party[evidence.customer]))
    by_chance1 = _by_chance(m, n2, np.maximum(there1, (n1 - m) / n))
    by_chance2 = _by_chance(m, n1, np.maximum(there2, (n2 - m) / n))
    rare = np.maximum(n1, n2) <= params.weak_share * n
    pure = np.maximum(by_chance1, by_chance2) <= (1 - params.purity) * m
    return np.asarray((m > 1) & rare & (surprise >= needed) & pure)


def _usual_there(counted: Counted, both: Counted, pairs: Pairs, party: Ints, milieu: Ints) -> tuple[Floats, Floats]:
    """Share of parties that have a pair's first value, and its second, in the milieus that the other's users are of.

    A mail provider and a mobile network of one country meet everywhere in it, and whoever pays nothing has a free
    mailbox as often as a hobbyist's agent; that is no coincidence. A milieu is a country and a tier. Asked are those
    who do not have the other value, or a milieu that a campaign alone comes from would explain the campaign.
    """
    n, n_milieus = int(party.max(initial=-1)) + 1, int(milieu.max(initial=0)) + 1
    home = milieu[np.unique(party, return_index=True)[1]]
    inside = np.bincount(home, minlength=n_milieus)

    def by_milieu(stars: Counted) -> Any:
        cells = np.ones(len(stars.star)), (stars.star, home[stars.party])
        return coo_array(cells, shape=(len(stars.parties), n_milieus)).tocsr()

    there, together, shares = by_milieu(counted), by_milieu(both), []
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        users = there[other].tocoo()
        with_one = np.asarray(there[one[users.row], users.col] - together[users.row, users.col]).ravel()
        elsewhere = (counted.parties[one] - both.parties)[users.row] / n
        known = users.col > 0
        share = (known * with_one + _FEW * elsewhere) / (known * (inside[users.col] - users.data) + _FEW)
        shares.append(np.bincount(users.row, users.data * share, len(one)) / np.maximum(counted.parties[other], 1))
    return shares[0], shares[1]


def threshold(party: Ints, params: Params) -> float:
    """Bits from which a coincidence is none: rarer than one in as many as there are parties, by a margin."""
    return float(np.log2(party.max() + 1)) + params.margin_bits


def surprise_of(m: Ints | Floats, n: Ints | Floats, p: Floats) -> Floats:
    """-log2 of the probability that at least ``m`` of ``n`` have what a share ``p`` of all have (binomial)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = np.where(m > 0, betainc(np.maximum(m, 1), np.maximum(n - m, 0) + 1, np.minimum(p, 1.0)), 1.0)
        return np.asarray(np.minimum(-np.log2(tail), _MOST_BITS))


def _by_chance(m: Ints, n: Ints, share: Floats) -> Floats:
    """How many of the ``n`` with one value have the other by chance, from its share outside of the ``m`` with both."""
    share = np.minimum(share, 0.99)
    return np.asarray((n - m) / (1 - share) * share)


def _footing(both: Counted, size: Ints) -> Floats:
    """Bits by which a large party had more chances to meet another: its accounts over those of them in the star."""
    ratio = np.log2(size[both.party] / both.accounts)
    order = np.lexsort((ratio, both.star))
    star, ratio = both.star[order], ratio[order]
    last = np.flatnonzero(np.r_[star[1:] != star[:-1], True]) if len(star) else np.empty(0, np.int64)
    bits = np.zeros(len(both.parties))
    bits[star[last]] = ratio[last]
    second = last[both.parties[star[last]] > 1] - 1
    bits[star[second]] += ratio[second]
    return bits


def tied_parties(counted: Counted, chosen: Flags, size: Ints, params: Params) -> tuple[Ints, Ints]:
    """Chosen entries of each star tied to the star's first one; but no crowd of which hardly any is in it to others."""
    hardly = (size[counted.party] >= params.crowd) & (counted.accounts < params.least_coverage * size[counted.party])
    others = np.bincount(counted.star, counted.accounts * chosen, len(counted.parties))[counted.star] - counted.accounts
    at = chosen & ~(hardly & (others >= params.crowd))
    star, party = counted.star[at], counted.party[at]
    if not len(star):
        return star, star
    first = np.r_[True, star[1:] != star[:-1]]
    return party[first][np.cumsum(first) - 1], party


def pair_rows(evidence: Evidence, pairs: Pairs, chosen: Flags) -> Ints:
    """The rows of the evidence that chosen pairs rest on."""
    rows = np.flatnonzero(chosen[pairs.rows.star])
    n, account = len(evidence.account_ids), pairs.rows.account[rows]
    keys = evidence.value * n + evidence.account
    sides = (side[pairs.rows.star[rows]] * n + account for side in (pairs.first, pairs.second))
    return np.searchsorted(keys, np.concatenate(list(sides)))


def weak_pairs(evidence: Evidence, params: Params) -> Pairs:
    """Every pair of independent values on one account that another customer's account has too.

    Strong values take part here as well: where they are too common to join by themselves.
    """
    counted = count(Stars(evidence.value, evidence.account), len(evidence.kind), evidence.customer)
    strong_alone = STRONG[evidence.kind] & (counted.parties <= strong_limit(evidence.customers, params))
    usable = (
        (counted.parties > 1)
        & ~strong_alone
        & ~PROVEN[evidence.kind]
        & (counted.parties <= max(params.weak_share * evidence.customers, 2))
    )
    rare_first = np.argsort(np.lexsort((np.arange(len(usable)), counted.parties)))  # V: rank by rarity
    rows = np.flatnonzero(usable[evidence.value])
    account, value = evidence.account[rows], evidence.value[rows]
    order = np.lexsort((rare_first[value], account))
    account, value = account[order], value[order]
    n, keys, holders = len(evidence.kind), [], []
    for step in range(1, 2 * params.values_per_account):
        at = np.flatnonzero(account[step:] == account[:-step])
        if not len(at):
            break
        one, other = value[at], value[at + step]
        apart = INDEPENDENT[evidence.kind[one], evidence.kind[other]]
        one, other, at = one[apart], other[apart], at[apart]
        keys.append(np.minimum(one, other) * n + np.maximum(one, other))
        holders.append(account[at])
    key = np.concatenate(keys) if keys else np.empty(0, np.int64)
    holder = np.concatenate(holders) if holders else np.empty(0, np.int64)
    distinct, star = np.unique(key, return_inverse=True)
    shared = count(Stars(star, holder), len(distinct), evidence.customer).parties > 1
    number = np.cumsum(shared) - 1
    kept = np.flatnonzero(shared[star])
    kept = kept[np.lexsort((holder[kept], star[kept]))]
    return Pairs(distinct[shared] // n, distinct[shared] % n, Stars(number[star[kept]], holder[kept]))
