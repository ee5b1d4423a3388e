"""What holds each group: one network, organisation or payer in the open, or cards, devices and keys in small circles.

A class behind one network and an agency's clients on one card are linked as rightly as a pool is. But who wants several
accounts to pass for strangers deals out cards and devices in small batches; a school, an office or an agency does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, case, func, select

from audits.linkage.evidence import KIND_NO, STRONG, Evidence, Flags, Floats, Ints
from audits.linkage.grouping import Grouping
from audits.linkage.params import Params
from audits.linkage.sightings import shared_values
from audits.periods import Period
from audits.rollups.account_client_day import FOR_HIRE, account_client_day

CORPORATE = ("corporate",)
"""Kinds of address that belong to an office, a school or a campus."""

NETWORKS = ("client_network", "signup_network")
"""Where accounts work; where that is not recorded of a group, where they were opened."""


def holders(
    connection: Connection, period: Period, since: date, grouping: Grouping, params: Params
) -> Iterator[dict[str, float]]:
    """For each group, in order, the columns of ``linkage_groups`` that are shares of its accounts."""
    evidence = grouping.evidence
    rented, corporate = (
        np.isin(np.arange(len(evidence.kind)), _mostly(types, connection, period, since))
        for types in (FOR_HIRE, CORPORATE)
    )
    sizes = np.array([len(group) for group in grouping.groups], np.int64)
    group_of = grouping.group_of()
    rows = np.flatnonzero(group_of[evidence.account] >= 0)
    rows = rows[_ties(group_of[evidence.account[rows]], rows, evidence)]
    few = (grouping.counted.parties <= params.hub_from(grouping.parties))[evidence.value[rows]]
    rows = rows[few | grouping.joined.joins[rows]]  # what everybody shares, like a mail provider, holds nobody
    of, value, account = group_of[evidence.account[rows]], evidence.value[rows], evidence.account[rows]
    kind = evidence.kind[value]

    def share(which: Any) -> Any:
        """Accounts of each group on any of some ties, as a share of the group."""
        accounts = np.unique(np.column_stack([of[which], account[which]]), axis=0)
        return np.bincount(accounts[:, 0], minlength=len(sizes)) / np.maximum(sizes, 1)

    pairs, star, n = np.unique(np.column_stack([of, value]), axis=0, return_inverse=True, return_counts=True)
    star = star.reshape(-1)
    width = n / sizes[pairs[:, 0]]  # of each value in its group, as a share of the group's accounts

    def widest(which: Any) -> Any:
        """Accounts on the widest value among some ties, as a share of each group."""
        held = np.zeros(len(sizes))
        chosen = np.unique(star[which])
        np.maximum.at(held, pairs[chosen, 0], width[chosen])
        return held

    works, opened = (widest((kind == KIND_NO[name]) & ~rented[value]) for name in NETWORKS)
    seen_at_work = np.bincount(of[kind == KIND_NO["client_network"]], minlength=len(sizes)) > 0
    possession = STRONG[kind]
    carried = possession & (kind != KIND_NO["signup_device"])

    def but_for_widest(which: Any) -> Any:
        """Accounts on some ties without the widest value among them, as a share of each group."""
        return share(which & ~np.isin(star, _widest_stars(pairs, width, np.unique(star[which]), most=1)))

    of_office = (kind == KIND_NO["client_network"]) & corporate[value]
    at_work = (kind == KIND_NO["client_network"]) & ~rented[value]
    campus = _widest_stars(pairs, width, np.unique(star[of_office]), most=params.campus_networks)

    figures = {
        "one_network": np.where(seen_at_work, works, opened),
        "venues": share(at_work & (width[star] > params.circle_share)),
        "campus": share(of_office & np.isin(star, campus)),
        "one_domain": widest(kind == KIND_NO["email_domain"]),
        "one_instrument": widest(kind == KIND_NO["payment_instrument"]),
        "possession": share(possession),
        "several": but_for_widest(possession),
        "cards_and_keys": but_for_widest(carried),
        "circles": share(possession & (width[star] <= params.circle_share)),
        "disposable": share(kind == KIND_NO["disposable_mail"]),
    }
    for number in range(len(sizes)):
        yield {name: round(float(column[number]), 4) for name, column in figures.items()}


def _widest_stars(pairs: Ints, width: Floats, stars: Ints, *, most: int) -> Ints:
    """Of each group's stars so many with most accounts, the first by number where several have as many."""
    order = stars[np.lexsort((stars, -width[stars], pairs[stars, 0]))]
    group, number = pairs[order, 0], np.arange(len(order))
    begins = np.r_[True, group[1:] != group[:-1]][: len(order)]
    chosen: Ints = order[number - np.maximum.accumulate(np.where(begins, number, 0)) < most]
    return chosen


def _ties(group: Ints, rows: Ints, evidence: Evidence) -> Flags:
    """Which of some rows of evidence have a value that at least two customers of the same group share."""
    star = group * len(evidence.kind) + evidence.value[rows]
    pairs = np.unique(np.column_stack([star, evidence.customer[evidence.account[rows]]]), axis=0)[:, 0]
    stars, customers = np.unique(pairs, return_counts=True)
    return np.isin(star, stars[customers > 1])


def _mostly(types: tuple[str, ...], connection: Connection, period: Period, since: date) -> Ints:
    """Numbers of the networks from which most requests came by addresses of some kinds."""
    v, c = shared_values.c, account_client_day.c
    of_them = func.sum(case((c.ip_type.in_(types), c.n_requests), else_=0))
    rows = connection.execute(
        select(v.value_no - 1)
        .where(v.kind.in_(NETWORKS), c.client_net_hash == v.value, c.day.between(since, period.last_day))
        .group_by(v.value_no)
        .having(2 * of_them > func.sum(c.n_requests))
    )
    return np.array([number for (number,) in rows], np.int64)
