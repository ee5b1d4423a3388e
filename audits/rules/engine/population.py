"""Who is audited: every account with the tier and customer that held for it, as a table that rules join.

An account that changed its tier has a row for each tier. Accounts that appear in usage but not in the dimensions, and
usage outside of any tier, are audited under the tier ``unassigned``, for which no limit can be in force: nothing that
was used goes unmentioned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    MetaData,
    Select,
    SmallInteger,
    String,
    Subquery,
    Table,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union,
)

from audits.linkage.tables import group_members
from audits.periods import Period, utc_midnight
from audits.rollups.account_day import account_day
from audits.warehouse.days import within
from audits.warehouse.dialects import day_start, least_text
from audits.warehouse.dimensions import customers_in_force, tiers_in_force
from audits.warehouse.holding import holding_rows
from audits.warehouse.own import fill, make_temporary_tables
from audits.warehouse.raw_text import form_of
from audits.warehouse.raw_text_sql import hidden
from audits.warehouse.tables import Instant, accounts, source_metadata, usage_buckets, usage_events
from audits.warehouse.validity import FAR

UNASSIGNED = "unassigned"

_BEGINNING = literal(datetime(1970, 1, 1, tzinfo=UTC), Instant)
"""Of the time before an account's first tier."""

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
"""Each account with the tiers that it had in baseline and period, one at a time; ``customer_id`` is its first owner."""

account_owners = Table(
    "account_owners",
    _temporary,
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("closed_at", Instant),  # NULL: open, or used in the period although closed before
    prefixes=["TEMPORARY"],
)
"""The customers of each account on record: one, unless the warehouse gives an account to several."""

blocked_uses = Table(
    "blocked_uses",
    _temporary,
    Column("day", Date, nullable=False),
    Column("source_system", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("api_key_hash", String),
    Column("at", Instant, nullable=False),
    prefixes=["TEMPORARY"],
)
"""First and last use of an account, by key, on each day of a source that is blocked, and therefore not rolled up."""

audited_groups = Table(
    "audited_groups",
    _temporary,
    Column("group_id", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("tier", String, nullable=False),  # the highest among the members in the period
    prefixes=["TEMPORARY"],
)

group_intervals = Table(
    "group_intervals",
    _temporary,
    Column("group_id", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("tier", String, nullable=False),  # UNASSIGNED between tiers
    Column("tier_rank", SmallInteger, nullable=False),  # -1 of UNASSIGNED
    Column("valid_from", Instant, nullable=False),
    Column("valid_to", Instant, nullable=False),
    prefixes=["TEMPORARY"],
)
"""The members of groups with every validity interval of a tier and, under UNASSIGNED, the time between and before."""

group_tiers = Table(
    "group_tiers",
    _temporary,
    Column("group_id", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("tier_rank", SmallInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
"""The tiers that a group's members had in the period, each once."""


def prepare(
    connection: Connection,
    period: Period,
    baseline_from: date,
    tiers: tuple[str, ...],
    blocked: Iterable[tuple[date, str]] = (),
) -> None:
    """Make the temporary tables of accounts and groups on this connection; ``blocked`` are days of sources."""
    make_temporary_tables(connection, _temporary)
    if uses := [rows for day, source in blocked for rows in _uses_of_blocked(day, source)]:
        fill(connection, blocked_uses, *uses)
    of_accounts, groups, of_groups = _rows_of(period, baseline_from, tiers)
    for table, rows in of_accounts:
        fill(connection, table, rows)
    if fill(connection, audited_groups, groups):
        for table, rows in of_groups:
            fill(connection, table, rows)


_Filled = tuple[tuple[Table, Select[Any]], ...]


@lru_cache(maxsize=16)
def _rows_of(period: Period, baseline_from: date, tiers: tuple[str, ...]) -> tuple[_Filled, Select[Any], _Filled]:
    """The tables of accounts with the selects that fill them, those of ``audited_groups``, and the tables of groups.

    In order: a table is read once all before it are filled.
    """
    return (
        (
            (account_owners, _owners(period)),
            (audited_accounts, _with_tiers(period, baseline_from, tiers)),
            (audited_accounts, _without_tiers(period)),
        ),
        _highest_tiers(period, len(tiers)),
        (*((group_intervals, rows) for rows in _intervals()), (group_tiers, _tiers_of_groups(period))),
    )


def _uses_of_blocked(day: date, source: str) -> Iterator[Select[Any]]:
    """The rows of ``blocked_uses`` for a day, from the source's own rows.

    What blocks the day may be what stands for the account: then it is known by its digest from here on.
    """
    for table, at in ((usage_events, usage_events.c.event_ts), (usage_buckets, usage_buckets.c.bucket_start)):
        ends = (
            select(table.c.account_id, table.c.api_key_hash, func.min(at).label("first"), func.max(at).label("last"))
            .where(table.c.source_system == source, within(at, day, day))
            .group_by(table.c.account_id, table.c.api_key_hash)
            .subquery("ends")
        ).c
        account = hidden(ends.account_id, form_of("account_id"))
        for end in (ends.first, ends.last):
            yield select(
                literal(day).label("day"), literal(source).label("source_system"), account.label("account_id"),
                ends.api_key_hash, end.label("at"),
            )  # fmt: skip


def _uses(period: Period) -> Subquery:
    """``account_id`` and an instant ``at`` of every slice of the period in which an account was used."""
    d, b = account_day.c, blocked_uses.c
    rolled_up = select(d.account_id, d.slice_start.label("at")).where(d.day.between(period.first_day, period.last_day))
    others = select(b.account_id, b.at).where(b.day.between(period.first_day, period.last_day))
    return union(rolled_up, others).subquery("uses")


def _with_tiers(period: Period, baseline_from: date, tiers: tuple[str, ...]) -> Select[Any]:
    """The accounts with each tier that was in force for them from the beginning of the baseline on."""
    start, end = utc_midnight(baseline_from), period.end
    a, t = first_owners(), tiers_in_force(tiers)
    # A tier that the book does not know is above all others here; whoever compares tiers asks for the known ones.
    rank = case({tier: number for number, tier in enumerate(tiers)}, value=t.c.tier, else_=len(tiers))
    return (
        select(t.c.account_id, a.c.customer_id, t.c.tier, rank.label("tier_rank"), t.c.valid_from, t.c.valid_to)
        .select_from(t.join(a, a.c.account_id == t.c.account_id))
        .where(t.c.valid_from < end, t.c.valid_to > start)
        .where(or_(a.c.closed_at.is_(None), a.c.closed_at > start))
    )


def _without_tiers(period: Period) -> Select[Any]:
    """The accounts whose usage of the period falls under no tier, with an interval for each slice of it."""
    a, u = first_owners(), _uses(period).c
    known = exists().where(
        audited_accounts.c.account_id == u.account_id,
        audited_accounts.c.valid_from <= u.at,
        audited_accounts.c.valid_to > u.at,
    )
    loose = select(u.account_id, u.at).where(~known).distinct().subquery("loose")
    return select(
        loose.c.account_id,
        func.coalesce(a.c.customer_id, loose.c.account_id).label("customer_id"),
        literal(UNASSIGNED).label("tier"),
        literal(-1).label("tier_rank"),
        # The very instant of the slice: the row matches that slice of the rollups and no other.
        loose.c.at.label("valid_from"),
        (loose.c.at + literal(_MICROSECOND)).label("valid_to"),
    ).select_from(loose.outerjoin(a, a.c.account_id == loose.c.account_id))


def _owners(period: Period) -> Select[Any]:
    """The rows of ``account_owners``. An account that was used after it was closed is not closed."""
    a, u = accounts.c, _uses(period).c
    last_used = select(u.account_id, func.max(u.at).label("at")).group_by(u.account_id).subquery("last_used")
    closed_at = case((func.count() == func.count(a.closed_at), func.max(a.closed_at)))
    closed = (
        select(a.account_id, closed_at.label("closed_at")).group_by(a.account_id).subquery("closed")
    )  # an account that the warehouse has twice is open while one of its rows says so
    used_since = and_(last_used.c.at.is_not(None), last_used.c.at >= day_start(closed.c.closed_at))
    state = (
        select(closed.c.account_id, case((~used_since, closed.c.closed_at)).label("closed_at"))
        .select_from(closed.outerjoin(last_used, last_used.c.account_id == closed.c.account_id))
        .subquery("state")
    )
    owned = select(a.account_id, a.customer_id, state.c.closed_at).where(state.c.account_id == a.account_id)
    return owned.distinct()


def first_owners() -> Subquery:
    """``account_id``, ``customer_id`` and ``closed_at`` of every account once, whoever else it belongs to."""
    o = account_owners.c
    return (
        select(o.account_id, func.min(o.customer_id).label("customer_id"), func.max(o.closed_at).label("closed_at"))
        .group_by(o.account_id)
        .subquery("owner")
    )


def _highest_tiers(period: Period, n_tiers: int) -> Select[Any]:
    """The rows of ``audited_groups``."""
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
    return select(ranked).distinct()


def _intervals() -> tuple[Select[Any], ...]:
    """The rows of ``group_intervals``: what a member used under no tier is use, too."""
    a, g = audited_accounts.c, audited_groups.c
    names = [column.name for column in group_intervals.c]
    of_members = audited_groups.join(audited_accounts, a.account_id == g.account_id)
    next_from = func.lead(a.valid_from).over(partition_by=a.account_id, order_by=a.valid_from)
    held = (
        select(g.group_id, audited_accounts, func.coalesce(next_from, FAR).label("next_from"))
        .select_from(of_members)
        .subquery("held")
    ).c
    under_none = (literal(UNASSIGNED).label("tier"), literal(-1).label("tier_rank"))
    between = select(
        held.group_id, held.account_id, held.customer_id, *under_none, held.valid_to.label("valid_from"),
        held.next_from.label("valid_to"),
    ).where(held.valid_to < held.next_from)  # fmt: skip
    before = (
        select(
            g.group_id, g.account_id, least_text(a.customer_id).label("customer_id"), *under_none,
            _BEGINNING.label("valid_from"), func.min(a.valid_from).label("valid_to"),
        )
        .select_from(of_members)
        .group_by(g.group_id, g.account_id)
    )  # fmt: skip
    return select(*(held[name] for name in names)), between, before


def _tiers_of_groups(period: Period) -> Select[Any]:
    """The rows of ``group_tiers``."""
    i = group_intervals.c
    return (
        select(i.group_id, i.tier, i.tier_rank)
        .where(i.valid_from < period.end, i.valid_to > period.start, i.tier != UNASSIGNED)
        .distinct()
    )


def groups_of_accounts(connection: Connection) -> dict[str, str]:
    """account_id -> group_id of every member of a linked group."""
    g = audited_groups.c
    return {row.account_id: row.group_id for row in connection.execute(select(g.account_id, g.group_id))}


def customer_names(connection: Connection, period: Period) -> dict[str, tuple[str, str]]:
    """customer_id -> (name, account manager) in force at the end of the period, or the last ones before it."""
    c = customers_in_force().c
    newest = func.row_number().over(partition_by=c.customer_id, order_by=c.valid_from.desc()).label("newest")
    named = select(c.customer_id, c.name, c.account_manager, newest).where(c.valid_from < period.end).subquery("named")
    rows = connection.execute(select(named).where(named.c.newest == 1).order_by(named.c.customer_id)).all()
    return {row.customer_id: (row.name, row.account_manager or "") for row in rows}


def unrecorded_tables(connection: Connection) -> frozenset[str]:
    """Names of the contract's tables that hold no row: absent ones read as empty."""
    there = {table.name for table in holding_rows(connection, source_metadata)}
    return frozenset(table.name for table in source_metadata.sorted_tables if table.name not in there)


def held(rows: FromClause, intervals: FromClause = audited_accounts) -> ColumnElement[bool]:
    """Whether rows of a rollup lie within an account's interval: they begin in it, and buckets end in it, too.

    A bucket that reaches into another tier belongs to none: nobody knows how much of it was used under which.
    """
    a, r = intervals.c, rows.c
    begins = and_(a.account_id == r.account_id, r.slice_start >= a.valid_from, r.slice_start < a.valid_to)
    return and_(begins, r.used_until <= a.valid_to) if "used_until" in r else begins
