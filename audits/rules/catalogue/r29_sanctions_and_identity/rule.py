"""R29: customers on a sanctions list, and customers whose identity is not verified, or not recently.

Facts on record: what screening and verification say is taken over, never inferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    ColumnClause,
    Date,
    Float,
    FromClause,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)

from audits.rules.engine.base import SEVERITIES, Found
from audits.rules.engine.customers import gaps_in_records, owned_accounts, together
from audits.rules.engine.literal_table import table_of
from audits.rules.engine.population import account_owners
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import midnight, seconds_between
from audits.warehouse.dimensions import customers_in_force, tiers_in_force
from audits.warehouse.tables import Instant, accounts, sanctions
from audits.warehouse.validity import FAR, overlap
from audits.warehouse.vocabulary import word

A_DAY = 86_400.0  # seconds
MATCHES = {"confirmed": "critical", "candidate": "medium"}
STRANGE = "the screening's word on an entry is none of confirmed, candidate and cleared"
UNVERIFIED, OUTDATED = "identity not verified", "identity verified long ago"
BEGINNING = literal(datetime(1970, 1, 1, tzinfo=UTC), Instant)


def violations(scope: Scope) -> Select[Any]:
    """Customers with a confirmed or candidate match; with identity unverified for too long, or verified too long ago.

    Identity is judged through the whole period, not at its end alone: of what was wrong with a customer at any time of
    it, the gravest is reported, under the tier held then.
    """
    every = union_all(_matched(scope), _unverified(scope), _outdated(scope)).subquery("every").c
    gravity = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=every.severity)
    worst = func.row_number().over(
        partition_by=(every.subject_id, every.discriminator),
        order_by=(gravity.desc(), every.tier_rank.desc(), every.observed_days.desc(), every.observed_until.desc()),
    )
    found = select(*every, worst.label("place")).subquery("found").c
    return select(*(c for c in found if c.name not in ("place", "tier_rank"))).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts of customers of which too little is recorded: no screening, no status of identity, or no date of it.

    What one account's time in the period leaves open, it leaves open for all accounts of the customer.
    """
    o = account_owners.c
    if "sanctions" in scope.unrecorded:
        return select(o.account_id, o.customer_id, literal("not recorded: table sanctions").label("reason"))
    unknown = union_all(*_unknown(scope)).subquery("unknown").c
    return (
        select(o.account_id, o.customer_id, func.min(unknown.reason).label("reason"))
        .where(o.customer_id == unknown.customer_id)
        .group_by(o.account_id, o.customer_id)
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """What screening said of the entries that match, or the records of identity from the first instant to the last.

    Where identity was not verified, they stand beside the tiers that asked for it at the time.
    """
    if found.discriminator in MATCHES:
        s, n = sanctions.c, _newest(scope).c
        same = (s[name] == n[name] for name in ("list_name", "entry_id", "customer_id"))
        return (
            select(s.list_name, s.entry_id, s.customer_id, s.match_status, s.as_of)
            .where(s.customer_id == found.subject_id, s.as_of < literal(scope.period.end))
            .where(*same, n.match_status == found.discriminator)
            .order_by(s.as_of, s.list_name, s.entry_id)
        )
    c = customers_in_force([found.subject_id]).c
    since, until = (literal(datetime.fromisoformat(str(found.observed[name])), Instant) for name in ("since", "until"))
    record = (c.customer_id, c.kyc_status, c.kyc_verified_at)
    if found.observed["state"] == OUTDATED:
        then = and_(c.valid_from < until, c.valid_to >= until, c.kyc_verified_at == since)
        return select(*record, c.valid_from, c.valid_to).where(then, c.kyc_status == "verified")
    a, t = accounts.c, _asking(scope).c
    begin, end = func.greatest(c.valid_from, t.valid_from, since), func.least(c.valid_to, t.valid_to, until)
    owned = and_(a.account_id == t.account_id, a.customer_id == c.customer_id)
    return (
        select(*record, t.account_id, t.tier, begin.label("valid_from"), end.label("valid_to"))
        .where(owned, c.kyc_status != "verified", begin < end)
        .distinct()
        .order_by(begin, t.account_id)
    )


def _matched(scope: Scope) -> Select[Any]:
    """Customers with matches that stand, by what screening says of them, under the highest tier of the period."""
    p, n = owned_accounts(scope).c, _newest(scope).c
    highest = func.row_number().over(partition_by=p.customer_id, order_by=p.tier_rank.desc()).label("place")
    held = select(p.customer_id, p.tier, p.tier_rank, highest).subquery("held").c
    return (
        select(
            held.customer_id.label("subject_id"),
            held.tier,
            held.tier_rank,
            n.match_status.label("discriminator"),
            case(MATCHES, value=n.match_status).label("severity"),
            func.concat(n.match_status, " sanctions match").label("observed_state"),
            func.count().label("observed_matches"),
            cast(null(), Float(53)).label("observed_days"),
            cast(null(), Instant).label("observed_since"),
            cast(null(), Instant).label("observed_until"),
            cast(null(), Float(53)).label("limit_days"),
        )
        .where(n.customer_id == held.customer_id, held.place == 1, n.match_status.in_(sorted(MATCHES)))
        .group_by(held.customer_id, held.tier, held.tier_rank, n.match_status)
    )


def _unverified(scope: Scope) -> Select[Any]:
    """Customers whose status was another than verified for too long in tiers that ask for identity."""
    r = customers_in_force().c
    late = _late(scope, select(r.customer_id, r.valid_from, r.valid_to).where(r.kyc_status != "verified")).c
    grave = late.days > late.limit_unverified_high_days
    return select(
        late.customer_id, late.tier, late.tier_rank, literal("identity"), case((grave, "high"), else_="medium"),
        literal(UNVERIFIED), literal(0), late.days, late.since, late.until,
        case((grave, late.limit_unverified_high_days), else_=late.limit_unverified_medium_days),
    )  # fmt: skip


def _outdated(scope: Scope) -> Select[Any]:
    """Customers whose verification was too long ago, in whatever tier.

    Its age is that at the last audited instant: the period's end, unless the record, the tier or the account ended
    before.
    """
    p, r = owned_accounts(scope).c, customers_in_force().c
    until = func.least(p.valid_to, r.valid_to)
    days = seconds_between(r.kyc_verified_at, until) / A_DAY
    return select(
        p.customer_id, p.tier, p.tier_rank, literal("identity"),
        literal("medium"),
        literal(OUTDATED), literal(0), days, r.kyc_verified_at, until, p.limit_verification_max_age_days,
    ).where(together(p, r), r.kyc_status == "verified", days > p.limit_verification_max_age_days)  # fmt: skip


def _unknown(scope: Scope) -> Iterator[Select[Any]]:
    """(customer_id, reason) of customers whose identity may have been too late, or too old, for all that is recorded.

    In tiers that ask for none, a record without a status says that nobody was verified.
    """
    p, r = owned_accounts(scope).c, customers_in_force().c
    status = literal("not recorded: kyc_status").label("reason")
    n = _newest(scope).c
    yield select(n.customer_id, literal(STRANGE).label("reason")).where(n.match_status.is_(None))
    yield select(gaps_in_records(scope, lambda _record: true()).c.customer_id, status)
    yield select(p.customer_id, status).where(together(p, r), p.limit_verification_required, r.kyc_status.is_(None))
    undated = and_(r.kyc_status == "verified", r.kyc_verified_at.is_(None))
    yield select(p.customer_id, literal("not recorded: kyc_verified_at")).where(together(p, r), undated)
    late = _late(scope, _perhaps_unverified()).c
    yield select(late.customer_id, literal("not recorded: kyc_status before the verification"))


def _perhaps_unverified() -> Select[Any]:
    """When a customer was not certainly verified.

    A record that says *verified* says nothing of the time before the verification that it dates.
    """
    r, o = customers_in_force().c, account_owners.c
    begin = func.greatest(r.valid_from, r.kyc_verified_at).label("valid_from")  # NULL counts for nothing
    certain = (
        select(r.customer_id, begin, r.valid_to).where(r.kyc_status == "verified", begin < r.valid_to).cte("certain")
    )
    v = certain.c
    after = func.lead(v.valid_from).over(partition_by=v.customer_id, order_by=v.valid_from)
    between = select(v.customer_id, v.valid_to.label("valid_from"), func.coalesce(after, FAR).label("valid_to"))
    before = select(v.customer_id, BEGINNING, func.min(v.valid_from)).group_by(v.customer_id)
    never = select(o.customer_id, BEGINNING, FAR).where(o.customer_id.not_in(select(v.customer_id))).distinct()
    every = union_all(between, before, never).subquery("uncertain").c
    return select(every.customer_id, every.valid_from, every.valid_to).where(every.valid_from < every.valid_to)


def _late(scope: Scope, spans: Select[Any]) -> Subquery:
    """When spans of a customer lasted too long, in the period, in tiers that ask for identity.

    ``days`` are from ``since``, when both the span and the asking had begun, ``until`` its last audited instant.
    """
    p = owned_accounts(scope).c
    u, t = _runs(spans, "lasting").c, _runs(_asked(scope), "asked").c
    since, until = func.greatest(u.valid_from, t.valid_from), func.least(p.valid_to, u.valid_to)
    days = seconds_between(since, until) / A_DAY
    return (
        select(
            p.customer_id, p.tier, p.tier_rank, days.label("days"), since.label("since"), until.label("until"),
            p.limit_unverified_medium_days, p.limit_unverified_high_days,
        )
        .where(p.limit_verification_required, together(p, u), together(p, t))
        .where(overlap(u, t), days > p.limit_unverified_medium_days)
        .subquery("late")
    )  # fmt: skip


def _asked(scope: Scope) -> Select[Any]:
    """When a customer had an open account in a tier that asked for identity, however long before the period."""
    t, o = _asking(scope).c, account_owners.c
    end = func.least(t.valid_to, o.closed_at).label("valid_to")  # of what is known: NULL counts for nothing
    begun = t.valid_from < end  # adequacy: equivalent, because a span without length has no moment in common with any
    return select(o.customer_id, t.valid_from, end).where(t.account_id == o.account_id, begun)


def _asking(scope: Scope) -> FromClause:
    """``account_id``, ``tier``, ``valid_from``, ``valid_to``: when an account was in a tier that asked for identity."""
    columns: list[ColumnClause[Any]] = [column("tier", String), column("from_day", Date), column("to_day", Date)]
    rows = [
        (row.tier, row.from_day, row.to_day or date.max)
        for row in scope.book.limits(scope.spec.id, date.min, scope.period.last_day)
        if row.values["verification_required"]
    ]
    h, law = tiers_in_force([tier.id for tier in scope.book.tiers]).c, table_of(columns, rows, "law").c
    begin = func.greatest(h.valid_from, midnight(law.from_day)).label("valid_from")
    end = func.least(h.valid_to, midnight(law.to_day)).label("valid_to")
    return select(h.account_id, h.tier, begin, end).where(law.tier == h.tier, begin < end).subquery("asking")


def _runs(spans: Select[Any], name: str) -> Subquery:
    """Spans of a customer, those as one that overlap or follow upon each other."""
    s = spans.subquery("spans").c
    order = (s.valid_from, s.valid_to)
    reached = func.max(s.valid_to).over(partition_by=s.customer_id, order_by=order, rows=(None, -1))
    begins = case((reached >= s.valid_from, 0), else_=1)  # adequacy: equivalent, because numbers only tell runs apart
    b = select(*s, begins.label("begins")).subquery("begun").c
    number = func.sum(b.begins).over(partition_by=b.customer_id, order_by=(b.valid_from, b.valid_to), rows=(None, 0))
    n = select(*b, number.label("run")).subquery("numbered").c
    return (
        select(n.customer_id, func.min(n.valid_from).label("valid_from"), func.max(n.valid_to).label("valid_to"))
        .group_by(n.customer_id, n.run)
        .subquery(name)
    )


def _newest(scope: Scope) -> Subquery:
    """``list_name``, ``entry_id``, ``customer_id``, ``match_status``: each entry's newest word by the period's end.

    So a match that was cleared is gone. Of words of one instant the gravest counts.
    """
    s = sanctions.c
    said = word(s.match_status)
    gravity = {"confirmed": 0, "candidate": 1}  # adequacy: equivalent, because only their order counts
    graver = case(gravity, value=said, else_=2)  # adequacy: equivalent, as above
    entry = (s.list_name, s.entry_id, s.customer_id)
    newest = func.row_number().over(partition_by=entry, order_by=(s.as_of.desc(), graver))
    told = (
        select(*entry, said, newest.label("place"))
        .where(s.as_of < literal(scope.period.end), s.customer_id.is_not(None))
        .subquery("told")
    ).c
    return (
        select(told.list_name, told.entry_id, told.customer_id, told.match_status)
        .where(told.place == 1)
        .subquery("newest_word")
    )
