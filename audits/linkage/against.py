"""What speaks against a group: kinds in which its accounts differ, and how much hangs on each kind alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection, and_, case, func, select

from audits.linkage.evidence import PROVEN, Flags, Ints
from audits.linkage.grouping import Grouping
from audits.linkage.kinds import KINDS
from audits.linkage.sightings import linked_accounts, sightings
from audits.linkage.tables import group_members
from audits.periods import Period


def against(connection: Connection, period: Period, grouping: Grouping, names: list[str]) -> Iterator[dict[str, Any]]:
    """A row for each group and kind that was recorded of its accounts or joined them; members are written already."""
    known, evidence, joins = _recorded(connection, period), grouping.evidence, grouping.joined.joins
    group_of = grouping.group_of(nowhere=len(names))
    for kind_no, kind in enumerate(KINDS):
        of_kind = joins & (evidence.kind[evidence.value] == kind_no)
        joined = np.bincount(group_of[np.unique(evidence.account[of_kind])], minlength=len(names) + 1)
        without = _together(grouping, joins & ~of_kind) if of_kind.any() else [len(group) for group in grouping.groups]
        for number, name in enumerate(names):
            recorded, sharing = known.get((name, kind.name), (None, int(joined[number])))
            if recorded or sharing:
                yield {
                    "group_id": name,
                    "kind": kind.name,
                    "recorded": None if PROVEN[kind_no] else recorded,
                    "sharing": sharing,
                    "together_without": without[number],
                }


def _recorded(connection: Connection, period: Period) -> dict[tuple[str, str], tuple[int, int]]:
    """(group, kind) -> accounts of which it was recorded, and those that share a value with another customer's."""
    s, a, g = sightings.c, linked_accounts.c, group_members.c
    customers = func.count(a.customer_id.distinct())
    members = (
        sightings.join(linked_accounts, a.account_no == s.account_no)
        .join(group_members, and_(g.account_id == a.account_id, g.period == period.id))
    )  # fmt: skip
    shared = (
        select(g.group_id, s.kind, s.value)
        .select_from(members)
        .group_by(g.group_id, s.kind, s.value)
        .having(customers > 1)
        .subquery("shared")
    )
    v = shared.c
    rows = (
        select(
            g.group_id,
            s.kind,
            func.count(s.account_no.distinct()),
            func.count(case((v.value.is_not(None), s.account_no)).distinct()),
        )
        .select_from(
            members.outerjoin(shared, and_(v.group_id == g.group_id, v.kind == s.kind, v.value == s.value))
        )
        .group_by(g.group_id, s.kind)
    )  # fmt: skip
    return {(group, kind): (recorded, sharing) for group, kind, recorded, sharing in connection.execute(rows)}


def _together(grouping: Grouping, joins: Flags) -> list[int]:
    """Of each group the accounts of the largest part that some of the joining evidence still holds together."""
    evidence, n = grouping.evidence, grouping.evidence.customers
    rows = np.flatnonzero(joins)
    customer: Ints = evidence.customer[evidence.account[rows]]
    shape = (n + len(evidence.kind), n + len(evidence.kind))
    graph = coo_array((np.ones(len(rows), np.int8), (customer, n + evidence.value[rows])), shape=shape)
    part = connected_components(graph, directed=False)[1][:n]
    sizes = []
    for accounts in grouping.groups:
        parts, size = np.unique(part[evidence.customer[accounts]], return_counts=True)
        owners = np.unique(np.column_stack([part[evidence.customer[accounts]], evidence.customer[accounts]]), axis=0)
        several = np.bincount(np.searchsorted(parts, owners[:, 0]), minlength=len(parts)) > 1
        sizes.append(int(size[several].max(initial=0)))
    return sizes
