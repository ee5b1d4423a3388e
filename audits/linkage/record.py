"""Writing the groups of a period down, with their evidence, in place of what was there for the same period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, and_, delete, select

from audits.linkage.against import against
from audits.linkage.evidence import PROVEN, STRONG, Evidence, Ints
from audits.linkage.grouping import Grouping
from audits.linkage.holders import holders
from audits.linkage.identity import Named, name_groups, nearest
from audits.linkage.joining import strong_limit
from audits.linkage.kinds import KINDS
from audits.linkage.params import Params
from audits.linkage.report import HeldBack, Hub, LinkReport
from audits.linkage.sightings import linked_accounts, shared_values, sightings
from audits.linkage.strong_sets import strong_sets
from audits.linkage.tables import (
    group_edges,
    group_members,
    linkage_against,
    linkage_groups,
    linkage_hubs,
    linkage_runs,
)
from audits.periods import Period, utc_midnight
from audits.warehouse.dialects import analyze
from audits.warehouse.staging import insert_in_bulk

Row = dict[str, Any]
_AT_ONCE = 50_000
_TOLD = 20  # hubs named in the report


def record(
    connection: Connection, period: Period, since: date, grouping: Grouping, inputs: str, params: Params, named: Named
) -> LinkReport:
    """Replace the period's rows in every table of linkage; ``named`` are groups that may not be recorded any more."""
    evidence = grouping.evidence
    known = {**named, **_recorded(connection, period)}
    recorded = [known[one][1] for one in nearest({one: ended for one, (ended, _) in known.items()}, period)]
    names = name_groups([_first_in_front(evidence, group) for group in grouping.groups], recorded)
    for table in (group_members, linkage_groups, group_edges, linkage_against, linkage_hubs, linkage_runs):
        connection.execute(delete(table).where(table.c.period == period.id))
    key = {"period": period.id}
    rows = _told(grouping, params)
    together = _strong_sets(grouping, rows)
    _insert(
        connection,
        group_members,
        (
            key | {"as_of": period.end_day, "group_id": name, "account_id": one, "strong_set": together.get(one)}
            for name, group in zip(names, grouping.groups, strict=True)
            for one in (evidence.account_ids[account] for account in group)
        ),
    )
    digests = evidence.digests()
    edges = _edges(connection, period, since, grouping, rows, names, digests)
    _insert(connection, group_edges, (key | row for row in edges))
    held = holders(connection, period, since, grouping, params)
    summaries = zip(_summaries(grouping, names), held, strict=True)
    _insert(connection, linkage_groups, (key | row | shares for row, shares in summaries))
    _insert(connection, linkage_against, (key | row for row in against(connection, period, grouping, names)))
    hubs = _hubs(grouping, digests, params)
    _insert(connection, linkage_hubs, (key | row for row in hubs))
    report = LinkReport(
        period=period.id,
        as_of=period.end_day,
        changed=True,
        accounts=len(evidence.account_ids),
        parties=grouping.parties,
        groups=len(grouping.groups),
        members=sum(map(len, grouping.groups)),
        hubs=tuple(Hub(*(row[c] for c in ("kind", "value_digest", "customers", "parties"))) for row in hubs[:_TOLD]),
        held_back=tuple(
            HeldBack(held.accounts, evidence.kind_name(held.value), digests[held.value], held.customers, held.pieces)
            for held in grouping.held
        ),
        without=_unrecorded(connection),
    )
    _insert(connection, linkage_runs, [key | {"as_of": period.end_day, "inputs": inputs, "report": report.to_json()}])
    return report


def _insert(connection: Connection, table: Table, rows: Any) -> None:
    remaining = iter(rows)
    while part := list(islice(remaining, _AT_ONCE)):
        insert_in_bulk(connection, table, part)
    analyze(connection, [table])


def _recorded(connection: Connection, period: Period) -> Named:
    """The groups that are recorded of the nearest periods."""
    g = group_members.c
    ends = {row.period: row.as_of for row in connection.execute(select(g.period, g.as_of).distinct())}
    found: dict[str, tuple[date, dict[str, list[str]]]] = {}
    for one in nearest(ends, period):
        groups = found.setdefault(one, (ends[one], defaultdict(list)))[1]
        members = select(g.group_id, g.account_id).where(g.period == one)
        for group_id, account_id in connection.execute(members.order_by(g.group_id, g.account_id)):
            groups[group_id].append(account_id)
    return found


def _first_in_front(evidence: Evidence, group: Ints) -> list[str]:
    """The group's account ids, the one that was opened first in front; those without a date last."""
    opened = np.nan_to_num(evidence.opened[group], nan=np.inf)
    ids = [evidence.account_ids[account] for account in group]
    return [name for _, name in sorted(zip(opened.tolist(), ids, strict=True))]


def _told(grouping: Grouping, params: Params) -> Ints:
    """The rows of the evidence inside each group: values that two of its customers share and that few others have."""
    evidence, counted = grouping.evidence, grouping.counted
    group_of = grouping.group_of()
    few = counted.parties <= params.hub_from(grouping.parties)
    told = (group_of[evidence.account] >= 0) & (few[evidence.value] | grouping.joined.joins)
    rows = np.flatnonzero(told)
    stars = evidence.value[rows] * len(grouping.groups) + group_of[evidence.account[rows]]
    pairs = np.unique(np.column_stack([stars, evidence.customer[evidence.account[rows]]]), axis=0)
    shared, customers = np.unique(pairs[:, 0], return_counts=True)
    return rows[np.isin(stars, shared[customers > 1])]


def _strong_sets(grouping: Grouping, rows: Ints) -> dict[str, str]:
    evidence, group_of = grouping.evidence, grouping.group_of()
    strong = rows[STRONG[evidence.kind[evidence.value[rows]]]]
    account, value = evidence.account[strong].tolist(), evidence.value[strong].tolist()
    in_group = zip(group_of[evidence.account[strong]].tolist(), value, strict=True)
    return strong_sets([evidence.account_ids[one] for one in account], list(in_group))


def _edges(
    connection: Connection, period: Period, since: date, grouping: Grouping, rows: Ints, names: list[str],
    digests: list[str],
) -> Iterator[Row]:  # fmt: skip
    """The rows as they are recorded."""
    evidence, counted = grouping.evidence, grouping.counted
    group_of = grouping.group_of()
    everyone = np.unique(evidence.value * evidence.customers + evidence.customer[evidence.account])
    n_customers = np.bincount(everyone // evidence.customers, minlength=len(evidence.kind))
    seen = _seen(connection, period)
    window = utc_midnight(since), period.end
    for row in sorted(rows.tolist(), key=lambda r: (group_of[evidence.account[r]], digests[evidence.value[r]], r)):
        value, account = int(evidence.value[row]), int(evidence.account[row])
        first, last = seen.get((value, account)) or _spell(evidence, value, account, window)
        yield {
            "group_id": names[group_of[account]],
            "kind": evidence.kind_name(value),
            "value_digest": digests[value],
            "account_id": evidence.account_ids[account],
            "customers": int(n_customers[value]),
            "parties": int(counted.parties[value]),
            "bits": _bits(grouping, value),
            "joins": bool(grouping.joined.joins[row]),
            "first_seen": first,
            "last_seen": last,
        }


def _seen(connection: Connection, period: Period) -> dict[tuple[int, int], tuple[datetime, datetime]]:
    """(value, account) of the period's members -> first and last seen."""
    s, v, a, g = sightings.c, shared_values.c, linked_accounts.c, group_members.c
    rows = connection.execute(
        select(v.value_no - 1, s.account_no - 1, s.first_seen, s.last_seen)
        .select_from(sightings)
        .join(shared_values, and_(v.kind == s.kind, v.value == s.value))
        .join(linked_accounts, a.account_no == s.account_no)
        .join(group_members, and_(g.account_id == a.account_id, g.period == period.id))
    )
    return {(value, account): (first, last) for value, account, first, last in rows}


def _spell(
    evidence: Evidence, value: int, account: int, window: tuple[datetime, datetime]
) -> tuple[datetime | None, datetime | None]:
    """When a value that was found by comparison held: the window compared, or the instant of ban or beginning."""
    if evidence.kind_name(value) != "hand_over":
        return window
    banned, began = evidence.banned[account], evidence.began[account]
    days = began if np.isnan(banned) else banned
    at = None if np.isnan(days) else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=float(days))
    return at, at


def _bits(grouping: Grouping, value: int) -> float:
    """-log2 of the share of parties that have the value, to four places."""
    return round(float(np.log2(grouping.parties / max(int(grouping.counted.parties[value]), 1))), 4)


def _summaries(grouping: Grouping, names: list[str]) -> Iterator[Row]:
    evidence = grouping.evidence
    group_of = grouping.group_of()
    rows = np.flatnonzero(grouping.joined.joins)
    made_of = np.unique(np.stack([group_of[evidence.account[rows]], evidence.kind[evidence.value[rows]]]), axis=1)
    kinds: dict[int, list[int]] = defaultdict(list)
    for group, kind in made_of.T.tolist():
        kinds[group].append(kind)
    for number, group in enumerate(grouping.groups):
        yield {
            "group_id": names[number],
            "accounts": len(group),
            "customers": len(np.unique(evidence.customer[group])),
            "kinds": ",".join(KINDS[kind].name for kind in kinds[number]),
            "causes": ",".join(sorted({cause for kind in kinds[number] for cause in KINDS[kind].causes})),
        }


def _hubs(grouping: Grouping, digests: list[str], params: Params) -> list[Row]:
    """Values that many parties share and that joined nobody, the widest-shared first."""
    evidence, counted = grouping.evidence, grouping.counted
    limit = np.where(
        STRONG[evidence.kind],
        strong_limit(grouping.parties, params),
        params.hub_from(grouping.parties),
    )
    used = np.zeros(len(evidence.kind), bool)
    used[evidence.value[grouping.joined.joins]] = True
    keys = np.unique(evidence.value * evidence.customers + evidence.customer[evidence.account])
    customers = np.bincount(keys // max(evidence.customers, 1), minlength=len(evidence.kind))
    wide = np.flatnonzero((counted.parties > limit) & ~used & ~PROVEN[evidence.kind])
    order = sorted(wide.tolist(), key=lambda value: (-int(counted.parties[value]), digests[value]))
    return [
        {
            "kind": evidence.kind_name(value),
            "value_digest": digests[value],
            "customers": int(customers[value]),
            "parties": int(counted.parties[value]),
            "bits": _bits(grouping, value),
        }
        for value in order
    ]


def _unrecorded(connection: Connection) -> tuple[str, ...]:
    """Kinds of which nothing was seen on any account: absence of such a link says nothing."""
    seen = set(connection.execute(select(sightings.c.kind).distinct()).scalars())
    return tuple(kind.name for kind in KINDS if not kind.proven and kind.name not in seen)
