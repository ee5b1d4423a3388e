"""Instruments that unrelated customers share: how many hold one, and whether they are a household."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Interval,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union,
    union_all,
)

from audits.periods import utc_midnight
from audits.rollups.account_client_day import FOR_HIRE, account_client_day
from audits.rules.engine.base import Found
from audits.rules.engine.customers import open_accounts
from audits.rules.engine.levels import held_levels
from audits.rules.engine.listed import listed
from audits.rules.engine.population import audited_groups, first_owners
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import least_text, midnight, ratio, utc_day
from audits.warehouse.dimensions import instruments_in_force
from audits.warehouse.raw_text_sql import short_digest
from audits.warehouse.tables import Instant, accounts, usage_buckets, usage_events
from audits.warehouse.validity import holds, overlap
from audits.warehouse.vocabulary import word

LIMITS = ("accounts_min", "household_share_min", "household_customers_max")
HOME = "residential"
TOGETHER = 2  # one alone shares no place with anybody
_MICROSECOND = timedelta(microseconds=1)


def sharing(scope: Scope) -> Subquery:
    """Subjects with each instrument that enough customers hold, and the time of their limits in which they do.

    An account that is not linked to others is a subject by itself, under its own tier. A group is one, once a level:
    its members above the level are left out of those who hold the instrument.

    Columns: ``subject_type``, ``subject_id``, ``tier``, ``level`` and ``level_rank`` (of a group), ``instrument_hash``,
    ``parties``, ``at_one_home``, ``few`` (enough for a household), ``household_share``, ``first_day``, ``last_day``,
    ``limit_...``.
    """
    spans, holders = _spans(scope), _holders(scope)
    shared, seen = _shared(spans, holders), _households(scope, spans, holders)
    counted = union_all(_accounts(scope, spans, holders, shared), _groups(scope, spans, holders, shared)).subquery(
        "counted"
    )
    c, s, n = counted.c, shared.c, seen.c
    share = func.coalesce(ratio(n.parties, s.parties), 0.0)
    few = s.parties <= c.limit_household_customers_max
    joined = counted.join(shared, _same(c, s)).outerjoin(seen, _same(c, n))
    return (
        select(
            *c, share.label("household_share"), utc_day(c.valid_from).label("first_day"),
            utc_day(c.valid_to - literal(_MICROSECOND, Interval)).label("last_day"),
            (share >= c.limit_household_share_min).label("at_one_home"), few.label("few"),
        )
        .select_from(joined)
        .where(c.parties >= c.limit_accounts_min)
        .subquery("sharing")
    )  # fmt: skip


def holders_of(scope: Scope, found: Found) -> Select[Any]:
    """Evidence: who held the instrument in the time that was judged, whose account it is, and where they work from.

    Of a group the members above the level that was counted are left out, as are accounts that were closed before.
    """
    p, a, t = instruments_in_force().c, accounts.c, scope.tiers(found.account_ids).c
    instrument = short_digest(p.instrument_hash)
    first, last = (date.fromisoformat(str(found.observed[f"{end}_day"])) for end in ("first", "last"))
    start, end = literal(utc_midnight(first)), literal(utc_midnight(last + timedelta(days=1)))
    closed = case((func.count() == func.count(a.closed_at), func.max(a.closed_at))).label("closed_at")
    owner = (
        select(a.account_id, least_text(a.customer_id).label("customer_id"), closed)
        .group_by(a.account_id)
        .subquery("owner")
    )
    e, b = usage_events.c, usage_buckets.c
    used = union(
        select(e.account_id).where(scope.in_period(e.event_ts)),
        select(b.account_id).where(scope.in_period(b.bucket_start)),
    )
    is_open = or_(owner.c.closed_at.is_(None), owner.c.closed_at > start, p.account_id.in_(used))
    level, order = found.observed["level"], [tier.id for tier in scope.book.tiers]
    counted: ColumnElement[bool] = true()
    if level is not None and level != found.tier:
        up_to = t.tier.in_(order[: order.index(str(level)) + 1])
        there = and_(t.account_id == p.account_id, overlap(t, p), t.valid_from < end, t.valid_to > start)
        counted = or_(p.account_id.not_in(found.account_ids), exists(select(t.tier).where(there, up_to)))
    in_time = and_(e.event_ts >= start, e.event_ts < end, scope.countable(usage_events))
    theirs = and_(e.account_id == p.account_id, e.status_code < 400, in_time)
    hired = func.count(e.event_id.distinct()).filter(word(e.ip_type).in_(FOR_HIRE))
    networks = listed(e.client_net_hash).filter(word(e.ip_type) == HOME)
    homes = select(case((2 * hired <= func.count(e.event_id.distinct()), networks))).where(theirs)
    return (
        select(
            instrument.label("instrument"), p.account_id, owner.c.customer_id, p.instrument_type, p.bin_country,
            p.valid_from, p.valid_to, homes.scalar_subquery().label("residential_networks"),
        )
        .select_from(p.account_id.table.outerjoin(owner, owner.c.account_id == p.account_id))
        .where(instrument == found.observed["instrument"], p.valid_from < end, p.valid_to > start)
        .where(is_open, counted)
        .order_by(p.account_id, p.valid_from)
    )  # fmt: skip


def _same(one: Any, other: Any) -> Any:
    return and_(*(one[name] == other[name] for name in ("instrument_hash", "valid_from", "valid_to")))


def _spans(scope: Scope) -> CTE:
    """The limits of each tier with the part of the period in which they are in force."""
    limits = scope.limit_rows().c
    start = func.greatest(midnight(limits.from_day), literal(scope.period.start, Instant)).label("valid_from")
    end = func.least(midnight(limits.to_day), literal(scope.period.end, Instant)).label("valid_to")
    named = (limits[f"limit_{name}"] for name in LIMITS)
    return select(limits.tier, start, end, *named).where(start < end).cte("spans")


def _holders(scope: Scope) -> CTE:
    """Who held an instrument when, and the party that each account belongs to: its customer."""
    held, o = instruments_in_force(), first_owners()
    p, end = held.c, func.least(held.c.valid_to, o.c.closed_at)  # NULL counts for nothing: not closed
    return (
        select(
            p.instrument_hash, p.account_id, func.coalesce(o.c.customer_id, p.account_id).label("party"),
            p.valid_from, end.label("valid_to"),
        )
        .select_from(held.outerjoin(o, o.c.account_id == p.account_id))
        .where(p.valid_from < literal(scope.period.end), end > literal(scope.period.start))
        .cte("holders")
    )  # fmt: skip


def _shared(spans: CTE, holders: CTE) -> CTE:
    """Instruments with the parties that held them, in each time in which limits are in force."""
    s, h = select(spans.c.valid_from, spans.c.valid_to).distinct().subquery("times").c, holders.c
    return (
        select(h.instrument_hash, s.valid_from, s.valid_to, func.count(h.party.distinct()).label("parties"))
        .where(overlap(h, s))
        .group_by(h.instrument_hash, s.valid_from, s.valid_to)
        .having(func.count(h.party.distinct()) >= TOGETHER)
        .cte("shared")
    )


def _accounts(scope: Scope, spans: CTE, holders: CTE, shared: CTE) -> Select[Any]:
    """Accounts outside of groups with the instruments that they held."""
    a, g, p, h, s = open_accounts(scope), audited_groups, spans.c, holders.c, shared.c
    alone = a.outerjoin(g, g.c.account_id == a.c.account_id)
    in_force = and_(p.tier == a.c.tier, holds(p, a.c.valid_from))
    then = and_(s.instrument_hash == h.instrument_hash, s.valid_from == p.valid_from, s.valid_to == p.valid_to)
    return (
        select(
            literal("account").label("subject_type"), a.c.account_id.label("subject_id"), a.c.tier,
            cast(null(), String).label("level"), cast(null(), Integer).label("level_rank"),
            s.instrument_hash, s.parties, s.valid_from, s.valid_to, *(p[f"limit_{name}"] for name in LIMITS),
        )
        .select_from(
            alone.join(spans, in_force)
            .join(holders, and_(h.account_id == a.c.account_id, overlap(h, a.c)))
            .join(shared, then)
        )
        .where(g.c.group_id.is_(None))
        .distinct()
    )  # fmt: skip


def _groups(scope: Scope, spans: CTE, holders: CTE, shared: CTE) -> Select[Any]:
    """Groups and levels with the instruments that members of the level held."""
    held, g, h, p, s = held_levels(scope), audited_groups.c, holders.c, spans.c, shared.c
    x = held.c
    levels = select(x.group_id, x.tier, x.level, x.level_rank).distinct().subquery("levels").c
    then = and_(x.account_id == h.account_id, x.level == levels.level, overlap(x, h), overlap(x, p))
    key = (levels.group_id, levels.tier, levels.level, levels.level_rank, h.instrument_hash, p.valid_from, p.valid_to)
    limits = tuple(p[f"limit_{name}"] for name in LIMITS)
    members = (
        select(*key, *limits, h.party, func.bool_or(x.account_id.is_not(None)).label("counts"))
        .select_from(
            holders.join(audited_groups, g.account_id == h.account_id)
            .join(levels.group_id.table, levels.group_id == g.group_id)
            .join(spans, and_(p.tier == levels.level, overlap(h, p)))
            .outerjoin(held, then)
        )
        .group_by(*key, *limits, h.party)
        .subquery("members")
    )
    m = members.c
    of_level = (m.group_id, m.tier, m.level, m.level_rank, m.instrument_hash)
    limits = tuple(m[f"limit_{name}"] for name in LIMITS)
    left_out = func.count().filter(~m.counts)
    return (
        select(
            literal("group"), m.group_id, m.tier, m.level, m.level_rank, m.instrument_hash,
            s.parties - left_out, m.valid_from, m.valid_to, *limits,
        )
        .select_from(members.join(shared, _same(m, s)))
        .group_by(*of_level, s.parties, m.valid_from, m.valid_to, *limits)
        .having(func.bool_or(m.counts))
    )  # fmt: skip


def _households(scope: Scope, spans: CTE, holders: CTE) -> Subquery:
    """How many of an instrument's parties work from the residential network that most of them have in common.

    A home is one that at least two have in common. Who is idle, or only ever at an office, is not seen there, nor is
    an account that makes most requests from addresses for hire: nobody works in a data centre and lives at home.
    """
    h, n = holders.c, account_client_day.c
    s = select(spans.c.valid_from, spans.c.valid_to).distinct().subquery("times").c
    account, n_ok = (h.instrument_hash, s.valid_from, s.valid_to, h.party, h.account_id), func.sum(n.n_ok)
    hired = func.coalesce(func.sum(n_ok).filter(n.ip_type.in_(FOR_HIRE)).over(partition_by=account), 0)
    mostly_hired = 2 * hired > func.sum(n_ok).over(partition_by=account)
    places = (
        select(*account, n.client_net_hash, n.ip_type, mostly_hired.label("mostly_hired"))
        .where(n.account_id == h.account_id, overlap(h, s), n.slice_start >= s.valid_from, n.slice_start < s.valid_to)
        .where(n.day.between(scope.period.first_day, scope.period.last_day), n.n_ok > 0)
        .group_by(*account, n.client_net_hash, n.ip_type)
        .subquery("places")
    )
    p = places.c
    seen = (
        select(p.instrument_hash, p.valid_from, p.valid_to, p.party, p.client_net_hash)
        .where(p.client_net_hash.is_not(None), p.ip_type == HOME, ~p.mostly_hired)
        .distinct()
        .subquery("seen")
    )
    key = [seen.c[name] for name in ("instrument_hash", "valid_from", "valid_to")]
    at_network = select(*key, func.count().label("parties")).group_by(*key, seen.c.client_net_hash)
    a = at_network.subquery("at_network").c
    key = [a[name] for name in ("instrument_hash", "valid_from", "valid_to")]
    largest = select(*key, func.max(a.parties).label("parties")).group_by(*key)
    return largest.where(a.parties >= TOGETHER).subquery("households")
