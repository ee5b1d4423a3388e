"""What shows that the accounts of a linked group belong together, and what does not: kept with the findings on it.

The groups' tables in the warehouse are made anew whenever a period is linked again; a finding must be read with the
evidence that it rested on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, literal, select

from audits.linkage.tables import group_edges, group_members, linkage_against, linkage_groups
from audits.periods import Period
from audits.rollups.account_day import account_day
from audits.rules.engine.population import audited_accounts
from audits.warehouse.dialects import least_text
from audits.warehouse.tables import Instant, accounts

HOLDERS = (
    "one_network",
    "venues",
    "campus",
    "one_domain",
    "one_instrument",
    "possession",
    "several",
    "cards_and_keys",
    "circles",
    "disposable",
)
VALUES_KEPT = 80
"""Shared values that a dossier lists, those first that joined most accounts; the counts by kind are of all."""


def make_dossiers(
    connection: Connection, period: Period, since: date, groups: Collection[str]
) -> list[Mapping[str, Any]]:
    """A row for each of the groups: ``group_id`` and ``content`` as JSON has it, the same for the same evidence.

    ``content``: ``since``, the day from which use is known; ``causes``; ``holders``, shares of the accounts as
    ``linkage_groups`` has them; ``members`` with their dates and what they used; ``kinds`` of evidence with what speaks
    for and against the group; ``values`` that members share, each with the numbers of its ``members`` in that list.
    """
    members = _members(connection, period, since, groups)
    kinds, edges = _kinds(connection, period, groups), _edges(connection, period, groups)
    e = linkage_groups.c
    rows = connection.execute(
        select(linkage_groups).where(e.period == period.id, e.group_id.in_(sorted(groups))).order_by(e.group_id)
    )
    return [
        {
            "group_id": row.group_id,
            "content": {
                "since": since.isoformat(),
                "causes": row.causes.split(",") if row.causes else [],
                "holders": {name: getattr(row, name) for name in HOLDERS},
                "members": members[row.group_id],
                **_evidence(members[row.group_id], kinds[row.group_id], edges[row.group_id]),
            },
        }
        for row in rows
    ]


def _members(
    connection: Connection, period: Period, since: date, groups: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """group -> its accounts, busiest first."""
    g, d, u = group_members.c, account_day.c, audited_accounts.c
    within = d.day.between(period.first_day, period.last_day)
    n = func.coalesce(d.n_ok, d.n_requests, 0)
    used = (
        select(
            d.account_id,
            func.min(case((n > 0, d.day))).label("first_used"),
            func.max(case((n > 0, d.day))).label("last_used"),
            func.sum(case((within, n), else_=0)).label("requests"),
            func.sum(case((within, d.output_tokens), else_=0)).label("output_tokens"),
        )
        .where(d.day.between(since, period.last_day))
        .group_by(d.account_id)
        .subquery("used")
    )
    newest = func.row_number().over(partition_by=u.account_id, order_by=u.valid_from.desc())
    held = select(u.account_id, u.tier, newest.label("place")).where(u.valid_from < period.end).subquery("held")
    a = (  # even where the warehouse has an account twice
        select(
            accounts.c.account_id,
            *(
                (least_text if name == "customer_id" else func.min)(accounts.c[name]).label(name)
                for name in ("customer_id", "opened_at", "banned_at", "closed_at")
            ),
        )
        .group_by(accounts.c.account_id)
        .subquery("known")
    )
    statement = (
        select(
            g.group_id, g.account_id, func.coalesce(a.c.customer_id, g.account_id).label("customer_id"),
            held.c.tier, a.c.opened_at, a.c.banned_at, a.c.closed_at,
            used.c.first_used, used.c.last_used, used.c.requests, used.c.output_tokens,
        )
        .select_from(
            group_members.outerjoin(a, a.c.account_id == g.account_id)
            .outerjoin(held, and_(held.c.account_id == g.account_id, held.c.place == 1))
            .outerjoin(used, used.c.account_id == g.account_id)
        )
        .where(g.period == period.id, g.group_id.in_(sorted(groups)))
        .order_by(g.group_id, func.coalesce(used.c.requests, 0).desc(), g.account_id)
    )  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(connection, statement):
        found[row.pop("group_id")].append(row | {name: int(row[name] or 0) for name in ("requests", "output_tokens")})
    return found


def _kinds(connection: Connection, period: Period, groups: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """group -> what of each kind of evidence was recorded, shared, and needed."""
    k = linkage_against.c
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    statement = select(k.group_id, k.kind, k.recorded, k.sharing, k.together_without)
    for row in _rows(connection, statement.where(k.period == period.id, k.group_id.in_(sorted(groups)))):
        found[row.pop("group_id")].append(row)
    return found


def _edges(connection: Connection, period: Period, groups: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """group -> one row for each shared value and account on which it was seen."""
    s = group_edges.c
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    last = literal(period.end - timedelta(seconds=1), Instant)  # what is still so is known until the period's end
    statement = select(
        s.group_id, s.kind, s.value_digest, s.account_id, s.customers, s.parties, s.bits, s.joins, s.first_seen,
        func.least(s.last_seen, last).label("last_seen"),
    )  # fmt: skip
    for row in _rows(connection, statement.where(s.period == period.id, s.group_id.in_(sorted(groups)))):
        found[row.pop("group_id")].append(row)
    return found


def _evidence(
    members: Sequence[Mapping[str, Any]], kinds: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    number = {member["account_id"]: place for place, member in enumerate(members)}
    by_value: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for edge in edges:
        by_value[edge["kind"], edge["value_digest"]].append(edge)
    values = [
        {
            "kind": kind,
            "digest": digest,
            "members": sorted(number[star["account_id"]] for star in stars if star["account_id"] in number),
            "customers": stars[0]["customers"],
            "parties": stars[0]["parties"],
            "bits": round(float(stars[0]["bits"]), 1),
            "joins": any(star["joins"] for star in stars),
            "first_seen": min((star["first_seen"] for star in stars if star["first_seen"]), default=None),
            "last_seen": max((star["last_seen"] for star in stars if star["last_seen"]), default=None),
        }
        for (kind, digest), stars in by_value.items()
    ]
    values.sort(key=lambda value: (not value["joins"], -len(value["members"]), value["kind"], value["digest"]))
    of_kind = [
        {
            **kind,
            "values": len(its := [value for value in values if value["kind"] == kind["kind"]]),
            "accounts": len({member for value in its for member in value["members"]}),
            "joins": any(value["joins"] for value in its),
        }
        for kind in kinds
    ]
    of_kind.sort(key=lambda kind: (not kind["joins"], -kind["accounts"], kind["kind"]))
    return {"kinds": of_kind, "values": values[:VALUES_KEPT], "values_in_all": len(values)}


def _rows(connection: Connection, statement: Select[Any]) -> Iterator[dict[str, Any]]:
    """Rows as JSON has them: instants to the second, days, numbers and words."""
    for row in connection.execute(statement).mappings():
        yield {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0).isoformat()
    return value.isoformat() if isinstance(value, date) else value
