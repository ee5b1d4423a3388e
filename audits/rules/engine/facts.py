"""What is known about each audited account in one period, as tables that verdicts are derived from.

``account_facts`` has one row for each account, customer and tier: its usage by grain, and for how many requests each
nullable column was recorded. ``account_gaps`` names the accounts that a gap in the data concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
)

from audits.periods import Period
from audits.rollups.account_day import RECORDED, account_day
from audits.rollups.buckets import distinct_buckets, openings, used_from
from audits.rules.engine.population import UNASSIGNED, account_owners, audited_accounts
from audits.warehouse.own import fill, make_temporary_tables
from audits.warehouse.staging import insert_in_bulk
from audits.warehouse.tables import Instant, usage_buckets

_temporary = MetaData()

account_facts = Table(
    "account_facts",
    _temporary,
    Column("account_id", String, nullable=False),
    Column("customer_id", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("audited", Boolean, nullable=False),  # False: its tier is not audited now; it stays a member of its group
    Column("on_record", Boolean, nullable=False),  # it is in the table accounts
    Column("used", Boolean, nullable=False),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_events", BigInteger, nullable=False),  # requests known one by one
    Column("n_bucketed", BigInteger, nullable=False),  # days with usage that is known as buckets only
    Column("n_uncounted", BigInteger, nullable=False),  # days with usage of which no number of requests is known
    Column("n_unbounded", BigInteger, nullable=False),  # those of them of which not even the most is known
    Column("n_reaching", BigInteger, nullable=False),  # buckets that reach out of the period or the tier
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    *(Column(f"known_{name}", BigInteger, nullable=False) for name in RECORDED),
    prefixes=["TEMPORARY"],
)

account_gaps = Table(
    "account_gaps",
    _temporary,
    Column("gap", Integer, nullable=False),
    Column("account_id", String, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Which accounts a :class:`Gap` concerns, by its number."""


key_uses = Table(
    "key_uses",
    _temporary,
    Column("api_key_hash", String, nullable=False),
    Column("account_id", String, nullable=False),
    prefixes=["TEMPORARY"],
)
"""The accounts of each key that more than one account uses, blocked days included; filled where there is a gap."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in the period's data: why, and which rules cannot be evaluated for its accounts."""

    number: int
    reason: str
    rules: frozenset[str] | None = None  # None: every rule

    def concerns(self, rule_id: str) -> bool:
        """Whether the rule cannot be evaluated for the gap's accounts."""
        return self.rules is None or rule_id in self.rules


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds for all accounts of the period; the tables on the connection have the rest."""

    gaps: tuple[Gap, ...] = ()
    linkable: bool = field(default=True)  # whether anything is recorded that could link accounts


_USE = ("n_requests", "n_uncounted", "n_reaching", "input_tokens", "output_tokens")


def prepare_facts(connection: Connection, period: Period, left_out: Iterable[str] = ()) -> None:
    """Fill ``account_facts`` from the audited accounts and the rollups; accounts of tiers ``left_out`` are marked."""
    make_temporary_tables(connection, _temporary)
    u = usage_buckets.c
    touching = select(u.account_id).where(u.bucket_start < period.end, u.bucket_end > period.start)
    bucketed = connection.execute(touching.limit(1)).first() is not None
    fill(connection, account_facts, _rows(period, tuple(sorted(left_out)), bucketed))


@lru_cache(maxsize=16)
def _rows(period: Period, left_out: tuple[str, ...], bucketed: bool) -> Select[Any]:
    """The rows of ``account_facts``; without any bucket in the period none is sought that reaches into it."""
    people, usage = _people(period).subquery("people"), _usage(period).subquery("usage")
    p, u = people.c, usage.c
    joined = people.outerjoin(usage, and_(u.account_id == p.account_id, u.tier == p.tier))
    n_reaching: ColumnElement[int] = literal(0)
    if bucketed:
        reaching = _reaching(period).subquery("reaching")
        r = reaching.c
        joined = joined.outerjoin(reaching, and_(r.account_id == p.account_id, r.tier == p.tier))
        n_reaching = func.coalesce(r.n_reaching, 0)
    known = {name: func.coalesce(column, 0) for name, column in u.items() if name not in p} | {"n_reaching": n_reaching}
    return select(
        p.account_id, p.customer_id, p.tier, p.tier.not_in(left_out).label("audited"), p.on_record,
        or_(*(known[name] > 0 for name in _USE)).label("used"),
        *(known[column.name].label(column.name) for column in account_facts.c if column.name in known),
    ).select_from(joined)  # fmt: skip


def _people(period: Period) -> Select[Any]:
    """(account_id, customer_id, tier, on_record): an account of several customers is there for each."""
    a, o = audited_accounts.c, account_owners.c
    customer, on_record = func.coalesce(o.customer_id, a.customer_id), o.account_id.is_not(None)
    return (
        select(a.account_id, customer.label("customer_id"), a.tier, on_record.label("on_record"))
        .select_from(audited_accounts.outerjoin(account_owners, o.account_id == a.account_id))
        .where(a.valid_from < period.end, a.valid_to > period.start)
        .distinct()
    )


def _usage(period: Period) -> Select[Any]:
    """An account's usage under each of its tiers."""
    a, d = audited_accounts.c, account_day.c
    uncounted = and_(d.grain == "bucket", d.n_requests.is_(None))  # a bucket without any use has no row
    shared = or_(*(d[f"shared_{name}"] > 0 for name in ("n_requests", "input_tokens", "output_tokens")))
    some = or_(d.n_requests > 0, d.input_tokens > 0, d.output_tokens > 0, uncounted, shared)
    return (
        select(
            a.account_id,
            a.tier,
            func.sum(d.n_requests).label("n_requests"),
            func.sum(d.n_requests).filter(d.grain == "event").label("n_events"),
            func.count().filter(d.grain != "event", some).label("n_bucketed"),
            func.count().filter(d.n_requests.is_(None), some).label("n_uncounted"),
            func.count().filter(d.n_requests.is_(None), d.shared_n_requests.is_(None), some).label("n_unbounded"),
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
    )


def _reaching(period: Period) -> Select[Any]:
    """Buckets that reach into the period, or a tier, or out of it: nobody knows how much of them belongs there."""
    a, u, opened = audited_accounts.c, usage_buckets.c, openings()
    start, end = literal(period.start, Instant), literal(period.end, Instant)
    # Most accounts have one tier from their opening on, and few buckets need to be compared.
    changing = select(a.account_id).where(or_(a.valid_from > start, a.valid_to < end))
    crossing = or_(u.bucket_start < start, u.bucket_end > end, u.account_id.in_(changing))
    buckets = distinct_buckets(u.bucket_start < end, u.bucket_end > start, crossing)
    b, begins, ends = buckets.c, func.greatest(a.valid_from, start), func.least(a.valid_to, end)
    used_since = used_from(b, opened.c.opened_at)
    return (
        select(a.account_id, a.tier, func.count().label("n_reaching"))
        .select_from(
            buckets.join(audited_accounts, and_(a.account_id == b.account_id, a.tier != UNASSIGNED))
            .outerjoin(opened, opened.c.account_id == b.account_id)
        )
        .where(used_since < ends, b.bucket_end > begins, or_(used_since < begins, b.bucket_end > ends))
        .group_by(a.account_id, a.tier)
    )  # fmt: skip


def put_gaps(connection: Connection, concerned: Mapping[int, Sequence[str]]) -> None:
    """Name the accounts of gaps one by one; :mod:`audits.rules.engine.gaps` selects them from the warehouse."""
    rows = [{"gap": gap, "account_id": account} for gap, accounts in concerned.items() for account in accounts]
    if rows:
        insert_in_bulk(connection, account_gaps, rows)


def customer_tiers(connection: Connection) -> frozenset[tuple[str, str]]:
    """(customer_id, tier) of every cell."""
    f = account_facts.c
    rows = connection.execute(select(f.customer_id, f.tier).where(f.audited).distinct())
    return frozenset((row.customer_id, row.tier) for row in rows)
