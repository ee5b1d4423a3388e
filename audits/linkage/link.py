"""Making the groups of a period and recording them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, select

from audits.linkage.components import UnionFind
from audits.linkage.params import DEFAULT, Params
from audits.linkage.shared import shared_values, sightings
from audits.linkage.tables import group_members, linkage_runs
from audits.periods import Period
from audits.warehouse import Warehouse
from audits.warehouse.dialects import row_digest
from audits.warehouse.tables import Instant, accounts

VERSION = "1"
"""Raised by hand whenever the same inputs would give other groups."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A value that so many parties share that it links nobody."""

    kind: str
    value_digest: str
    parties: int


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What linking came to. ``changed`` is False where the inputs were those of the last time."""

    as_of: date
    changed: bool
    groups: int
    members: int
    hubs: tuple[Hub, ...] = ()


def link(warehouse: Warehouse, period: Period, *, params: Params = DEFAULT) -> LinkReport:
    """Fill ``group_members`` for the end of ``period``; nothing is read twice where the inputs did not change."""
    with warehouse.begin() as connection:
        inputs = _inputs(connection, period, params)
        recorded = connection.scalar(select(linkage_runs.c.inputs).where(linkage_runs.c.as_of == period.end_day))
        if recorded == inputs:
            return _report(connection, period.end_day, changed=False)
        groups, hubs = _groups(connection, period, params)
        for table in (group_members, linkage_runs):
            connection.execute(delete(table).where(table.c.as_of == period.end_day))
        rows = [
            {"as_of": period.end_day, "group_id": group, "account_id": account}
            for group, members in sorted(groups.items())
            for account in members
        ]
        if rows:
            connection.execute(insert(group_members), rows)
        connection.execute(insert(linkage_runs), [{"as_of": period.end_day, "inputs": inputs}])
        return _report(connection, period.end_day, changed=True, hubs=hubs)


def _groups(connection: Connection, period: Period, params: Params) -> tuple[dict[str, list[str]], tuple[Hub, ...]]:
    parties = connection.scalar(select(func.count(accounts.c.customer_id.distinct()))) or 0
    too_many = max(params.hub_parties, params.hub_share * parties)
    joined, members, hubs = UnionFind(), dict[str, str](), list[Hub]()
    rows = shared_values(connection, period, params)
    for (kind, value), star in groupby(rows, key=lambda row: (row.kind, row.value)):
        owners = {row.account_id: row.party for row in star}
        sharing = set(owners.values())
        if len(sharing) > too_many:
            hubs.append(Hub(kind, value, len(sharing)))
            continue
        joined.join(sharing)
        members.update(owners)
    groups: dict[str, list[str]] = defaultdict(list)
    for account, party in sorted(members.items()):
        groups[joined.find(party)].append(account)
    first = _earliest(connection, members)
    return {_group_id(first[min(group, key=first.__getitem__)]): group for group in groups.values()}, tuple(hubs)


def _earliest(connection: Connection, members: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Account -> (opened, id): an order in which the account that was opened first comes first."""
    wanted = set(members)
    rows = connection.execute(select(accounts.c.account_id, accounts.c.opened_at))
    opened = {row.account_id: row.opened_at.isoformat() for row in rows if row.account_id in wanted}
    return {account: (opened.get(account, "9999"), account) for account in wanted}


def _group_id(first: tuple[str, str]) -> str:
    """A short name from the account that was opened first, so that it is the same wherever it is made again."""
    digest = hashlib.sha256(first[1].encode()).digest()
    return f"G-{base64.b32encode(digest[:5]).decode()}"


def _inputs(connection: Connection, period: Period, params: Params) -> str:
    """Digest of what the groups are made from: accounts' customers and openings, and every sighting."""
    a = accounts.c
    known = select(a.account_id, a.customer_id, a.opened_at).where(a.opened_at < literal(period.end, Instant))
    parts: list[Any] = [VERSION, astuple(params)]
    parts += [
        list(connection.execute(select(func.count(), row_digest(*rows.c))).one())
        for rows in (known.subquery("known"), sightings(period, params).subquery("sightings"))
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _report(connection: Connection, as_of: date, *, changed: bool, hubs: tuple[Hub, ...] = ()) -> LinkReport:
    g = group_members.c
    groups, members = connection.execute(
        select(func.count(g.group_id.distinct()), func.count()).where(g.as_of == as_of)
    ).one()
    return LinkReport(as_of, changed, groups, members, hubs)
