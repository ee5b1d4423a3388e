"""Who is audited: every account with the tier and customer that held for it, as a table that rules join.

An account that changed its tier has a row for each tier. Accounts that appear in usage but not in the dimensions, and
usage outside of any tier, are audited under the tier ``unassigned``, for which no limit can be in force: nothing that
was used goes unmentioned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    SmallInteger,
    String,
    Subquery,
    Table,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)

from audits.linkage.tables import group_members
from audits.periods import Period, utc_midnight
from audits.rollups.account_day import RECORDED, account_day
from audits.warehouse.holding import holding_rows
from audits.warehouse.own import make_temporary_tables
from audits.warehouse.tables import Instant, account_tiers, accounts, customers, source_metadata

UNASSIGNED = "unassigned"

FAR = literal(datetime.fromisoformat("9999-12-31T00:00:00+00:00"), Instant)
"""The end of what has none."""

_MICROSECOND = timedelta(microseconds=1)
_temporary = MetaData()

audited_accounts = Table(
    "audited_accounts",
    _temporary,
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("tier_rank", SmallInteger, nullable=False),  # 0 is the lowest
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Account, customer and tier with the stretch in which they held together, for baseline and period."""

audited_groups = Table(
    "audited_groups",
    _temporary,
    Column("group_id", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("tier", String, nullable=False),  # the highest among the members in the period
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account under one tier in the period, with what it used and which columns were recorded of it."""

    account_id: str
    customer_id: str
    tier: str
    n_requests: int
    n_events: int  # requests known one by one; 0 where only buckets are
    input_tokens: int
    output_tokens: int
    recorded: dict[str, int]  # column -> requests for which it was recorded

    @property
    def used(self) -> bool:
        """Whether there was any usage, in whatever grain."""
        return self.n_requests > 0 or self.input_tokens > 0 or self.output_tokens > 0


def prepare(connection: Connection, period: Period, baseline_from: date, tiers: tuple[str, ...]) -> None:
    """Make the temporary tables ``audited_accounts`` and ``audited_groups`` on this connection."""
    make_temporary_tables(connection, _temporary)
    start, end = utc_midnight(baseline_from), period.end
    a, h = owners(), held_tiers(tiers)
    connection.execute(
        insert(audited_accounts).from_select(
            ["account_id", "customer_id", "tier", "tier_rank", "valid_from", "valid_to"],
            select(h.c.account_id, a.c.customer_id, h.c.tier, h.c.rank, h.c.valid_from, h.c.ends)
            .select_from(h.join(a, a.c.account_id == h.c.account_id))
            .where(h.c.valid_from < end, h.c.ends > start, h.c.ends > h.c.valid_from)
            .where(or_(a.c.closed_at.is_(None), a.c.closed_at > start)),
        )
    )
    known = exists().where(
        audited_accounts.c.account_id == account_day.c.account_id,
        audited_accounts.c.valid_from <= account_day.c.slice_start,
        audited_accounts.c.valid_to > account_day.c.slice_start,
    )
    loose = (
        select(account_day.c.account_id, account_day.c.slice_start)
        .where(account_day.c.day.between(period.first_day, period.last_day), ~known)
        .distinct()
        .subquery("loose")
    )
    owner = loose.outerjoin(a, a.c.account_id == loose.c.account_id)
    connection.execute(
        insert(audited_accounts).from_select(
            ["account_id", "customer_id", "tier", "tier_rank", "valid_from", "valid_to"],
            select(
                loose.c.account_id,
                func.coalesce(a.c.customer_id, loose.c.account_id),
                literal(UNASSIGNED),
                literal(-1),
                # The very instant of the slice: the row matches that slice of the rollups and no other.
                loose.c.slice_start,
                loose.c.slice_start + literal(_MICROSECOND),
            ).select_from(owner),
        )
    )
    _prepare_groups(connection, period, len(tiers))


def held_tiers(tiers: Sequence[str]) -> Subquery:
    """(account_id, tier, rank, valid_from, ends): of every account the tiers that it held, one at a time.

    Rows that overlap must not count a request twice: a tier ends where the next one begins, of two that begin together
    the higher one holds. ``ends`` is never NULL.
    """
    t = account_tiers.c
    rank = case({tier: number for number, tier in enumerate(tiers)}, value=t.tier, else_=len(tiers))
    begins = func.lead(t.valid_from).over(partition_by=t.account_id, order_by=(t.valid_from, rank, t.tier))
    ends = func.least(func.coalesce(t.valid_to, FAR), func.coalesce(begins, FAR)).label("ends")
    return select(t.account_id, t.tier, rank.label("rank"), t.valid_from, ends).subquery("held")


def owners() -> Subquery:
    """(account_id, customer_id, closed_at) of every account once, even where the warehouse has it twice."""
    a = accounts.c
    return (
        select(
            a.account_id,
            func.min(a.customer_id).label("customer_id"),
            case((func.count() == func.count(a.closed_at), func.max(a.closed_at))).label("closed_at"),
        )
        .group_by(a.account_id)
        .subquery("owners")
    )


def _prepare_groups(connection: Connection, period: Period, n_tiers: int) -> None:
    a, g = audited_accounts, group_members
    in_period = and_(a.c.valid_from < period.end, a.c.valid_to > period.start)
    members = (
        select(g.c.group_id, g.c.account_id, a.c.tier, a.c.tier_rank)
        .select_from(g.join(a, and_(a.c.account_id == g.c.account_id, in_period)))
        .where(g.c.period == period.id)
        .subquery("members")
    )
    # A tier that the book does not know has no limits: it must not take the place of one that has.
    rank = case((members.c.tier_rank < n_tiers, members.c.tier_rank), else_=-1)
    ranked = select(
        members.c.group_id,
        members.c.account_id,
        func.first_value(members.c.tier)
        .over(partition_by=members.c.group_id, order_by=(rank.desc(), members.c.tier))
        .label("tier"),
    ).subquery("ranked")
    connection.execute(
        insert(audited_groups).from_select(["group_id", "account_id", "tier"], select(ranked).distinct())
    )


def read_accounts(connection: Connection, period: Period) -> list[Account]:
    """The audited accounts of the period with their usage, in order of account and tier."""
    a: Any = audited_accounts.c
    d: Any = account_day.c
    usage = (
        select(
            a.account_id,
            a.tier,
            func.sum(d.n_requests).label("n_requests"),
            func.sum(d.n_requests).filter(d.grain == "event").label("n_events"),
            func.sum(d.input_tokens).label("input_tokens"),
            func.sum(d.output_tokens).label("output_tokens"),
            *(func.sum(d[f"known_{name}"]).label(f"known_{name}") for name in RECORDED),
        )
        .select_from(
            audited_accounts.join(
                account_day,
                and_(a.account_id == d.account_id, d.slice_start >= a.valid_from, d.slice_start < a.valid_to),
            )
        )
        .where(d.day.between(period.first_day, period.last_day))
        .group_by(a.account_id, a.tier)
        .subquery("usage")
    )
    people = (
        select(a.account_id, func.min(a.customer_id).label("customer_id"), a.tier)
        .where(a.valid_from < period.end, a.valid_to > period.start)
        .group_by(a.account_id, a.tier)
        .subquery("people")
    )
    rows = connection.execute(
        select(people, *[c for c in usage.c if c.name not in ("account_id", "tier")])
        .select_from(
            people.outerjoin(usage, and_(usage.c.account_id == people.c.account_id, usage.c.tier == people.c.tier))
        )
        .order_by(people.c.account_id, people.c.tier)
    )
    return [
        Account(
            account_id=row.account_id,
            customer_id=row.customer_id,
            tier=row.tier,
            n_requests=int(row.n_requests or 0),
            n_events=int(row.n_events or 0),
            input_tokens=int(row.input_tokens or 0),
            output_tokens=int(row.output_tokens or 0),
            recorded={name: int(row._mapping[f"known_{name}"] or 0) for name in RECORDED},
        )
        for row in rows
    ]


def groups_of_accounts(connection: Connection) -> dict[str, str]:
    """account_id -> group_id of every member of a linked group."""
    g = audited_groups.c
    return {row.account_id: row.group_id for row in connection.execute(select(g.account_id, g.group_id))}


def customer_names(connection: Connection, period: Period) -> dict[str, tuple[str, str]]:
    """customer_id -> (name, account manager) as they were at the end of the period."""
    c = customers.c
    newest = func.row_number().over(partition_by=c.customer_id, order_by=c.valid_from.desc()).label("newest")
    named = select(c.customer_id, c.name, c.account_manager, newest).where(c.valid_from < period.end).subquery("named")
    rows = connection.execute(select(named).where(named.c.newest == 1).order_by(named.c.customer_id))
    return {row.customer_id: (row.name, row.account_manager or "") for row in rows}


def unrecorded_tables(connection: Connection) -> frozenset[str]:
    """Names of the contract's tables that hold no row: absent ones read as empty."""
    there = {table.name for table in holding_rows(connection, source_metadata)}
    return frozenset(table.name for table in source_metadata.sorted_tables if table.name not in there)
