"""R26: an instrument that unrelated accounts share, many declines, a chargeback, an instrument from elsewhere.

A family with one card at home, or a small company with one in the office, shares its network as well: what nearly all
holders of an instrument work from is a place where people know each other, unless it is a hosting, VPN or Tor network.
Such sharing is a note, not a suspicion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from audits.rollups.account_client_day import FOR_HIRE, account_client_day
from audits.rules.base import SEVERITIES, Found
from audits.rules.customers import held_records, open_accounts, together
from audits.rules.listed import listed
from audits.rules.population import FAR, owners
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import account_payments, accounts, payment_events

SHARED, DECLINES, CHARGEBACK, ELSEWHERE = "shared instrument", "declines", "chargeback", "country mismatch"
TRIED = ("charge", "decline")
LIMITS = ("accounts_min", "charges_min", "declines_share_min", "chargebacks_min", "household_share_min")
TOGETHER = 2  # one alone shares no place with anybody
AT_ONE_PLACE = "most of them work from one network, as a household or an office does"
ANYWHERE = "nothing shows that they are one household or office"
NOT_OFFERED = ("unsupported", "sanctioned")


def violations(scope: Scope) -> Select[Any]:
    """Accounts over one of the limits; each kind of risk is a finding of its own.

    Where a limit changes inside the period, each stretch is held against its own; of them the gravest is reported, or
    the one with the most.
    """
    kinds = (_shared(scope), _declined(scope), _charged_back(scope), _from_elsewhere(scope))
    every = union_all(*kinds).subquery("every").c
    gravity = case({severity: rank for rank, severity in enumerate(SEVERITIES)}, value=every.severity)
    worst = func.row_number().over(
        partition_by=(every.subject_type, every.subject_id, every.tier, every.discriminator),
        order_by=(gravity.desc(), every.observed_count.desc(), *(every[f"limit_{name}"] for name in LIMITS)),
    )
    found = select(*every, worst.label("place")).subquery("found").c
    return select(*(c for c in found if c.name != "place")).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Everyone, where instruments or payments are not recorded at all."""
    a = scope.accounts().c
    missing = ", ".join(
        f"table {one.name}" for one in (account_payments, payment_events) if one.name in scope.unrecorded
    )
    return (
        select(a.account_id, literal(f"not recorded: {missing}").label("reason"))
        .where(literal(missing) != "")
        .distinct()
    )


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts without any means of payment on record, and without any payment."""
    a = scope.accounts().c
    paying = select(account_payments.c.account_id).union(select(payment_events.c.account_id))
    reason = literal("no means of payment is on record").label("reason")
    recorded = literal(account_payments.name not in scope.unrecorded)
    return select(a.account_id, reason).where(recorded, a.account_id.not_in(paying)).distinct()


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's payments, its instruments, or everyone's use of those that it shares."""
    p, e = account_payments.c, payment_events.c
    if found.discriminator in (DECLINES, CHARGEBACK):
        kinds = TRIED if found.discriminator == DECLINES else (CHARGEBACK,)
        return (
            select(e.account_id, e.event_ts, e.event_type, e.amount_usd)
            .where(e.account_id == found.subject_id, scope.in_period(e.event_ts), e.event_type.in_(kinds))
            .where(scope.in_tier(found, e.event_ts, e.account_id), scope.under_limits(found, e.event_ts))
            .order_by(e.event_ts)
        )
    held = select(p.account_id, p.instrument_hash, p.instrument_type, p.bin_country, p.valid_from, p.valid_to)
    own = and_(p.account_id.in_(found.account_ids), _in_period(scope))
    if found.discriminator == ELSEWHERE:
        named = str(found.observed["countries"]).split(", ")
        return held.where(own, p.bin_country.in_(named)).order_by(p.valid_from, p.instrument_hash)
    several = func.count(p.account_id.distinct()) > 1
    shared = select(p.instrument_hash).where(_in_period(scope)).group_by(p.instrument_hash).having(several)
    return (
        held.where(_in_period(scope), p.instrument_hash.in_(shared))
        .where(p.instrument_hash.in_(select(p.instrument_hash).where(own)))
        .order_by(p.instrument_hash, p.account_id, p.valid_from)
    )


def _risk(
    kind: str, count: Any, subject: tuple[Any, Any], limits: Mapping[str, Any], *,
    unit: Any = None, attempts: Any = None, severity: Any = None, countries: Any = None,
    household_share: Any = None, place: Any = None,
) -> tuple[Any, ...]:  # fmt: skip
    """One row's columns; ``subject`` is the account or group and its tier, what a kind of risk lacks is NULL."""
    nothing, none = cast(null(), Float(53)), cast(null(), String)
    return (
        (literal("account") if unit is None else unit).label("subject_type"),
        subject[0].label("subject_id"),
        subject[1].label("tier"),
        literal(kind).label("discriminator"),
        (literal("medium") if severity is None else severity).label("severity"),
        literal(kind).label("observed_kind"),
        cast(count, Float(53)).label("observed_count"),
        (nothing if attempts is None else cast(attempts, Float(53))).label("observed_attempts"),
        (nothing if attempts is None else ratio(count, attempts)).label("observed_share"),
        (none if countries is None else countries).label("observed_countries"),
        (nothing if household_share is None else cast(household_share, Float(53))).label("observed_household_share"),
        (none if place is None else place).label("observed_place"),
        *(cast(limits.get(name, null()), Float(53)).label(f"limit_{name}") for name in LIMITS),
    )


def _shared(scope: Scope) -> Select[Any]:
    """Accounts whose instrument other customers use as well; accounts of one customer are one."""
    a, g, p, i = open_accounts(scope), scope.groups(), account_payments.c, _instruments(scope).c
    # Linked accounts are one finding: a card that a pool of forty shares is one thing to decide about, not forty.
    held = and_(p.account_id == a.c.account_id, _in_force(a.c.valid_from, a.c.valid_to))
    with_instrument = a.join(account_payments, held)  # adequacy: equivalent, because others have no holders
    sharing = (
        select(
            case((g.c.group_id.is_(None), "account"), else_="group").label("unit"),
            func.coalesce(g.c.group_id, a.c.account_id).label("subject"),
            func.coalesce(g.c.tier, a.c.tier).label("tier"),
            i.parties,
            i.household_share,
            case((i.household_share >= a.c.limit_household_share_min, "low"), else_="medium").label("severity"),
            a.c.limit_accounts_min,
            a.c.limit_household_share_min,
        )
        .select_from(with_instrument.outerjoin(g, g.c.account_id == a.c.account_id))
        .where(i.instrument_hash == p.instrument_hash, i.parties >= a.c.limit_accounts_min)
        .subquery("sharing")
    ).c
    subject, severity = (sharing.subject, sharing.tier), sharing.severity
    limits = {name: sharing[f"limit_{name}"] for name in ("accounts_min", "household_share_min")}
    least, place = func.min(sharing.household_share), case((severity == "low", AT_ONE_PLACE), else_=ANYWHERE)
    figures = {"unit": sharing.unit, "severity": severity, "household_share": least, "place": place}
    return select(*_risk(SHARED, func.max(sharing.parties), subject, limits, **figures)).group_by(
        sharing.unit, *subject, severity, *limits.values()
    )


def _instruments(scope: Scope) -> Subquery:
    """Each instrument with its parties in the period, and the share of them that work from one place.

    Of all that are known to work anywhere: who is idle, or uses a rented server, says nothing of where people sit. A
    place is one that at least two have in common.
    """
    h, n = _holders(scope), account_client_day.c
    seen = (
        select(h.c.instrument_hash, h.c.party, n.client_net_hash)
        .where(n.account_id == h.c.account_id, n.day.between(scope.period.first_day, scope.period.last_day))
        .where(n.n_ok > 0, n.client_net_hash.is_not(None), n.ip_type.not_in(FOR_HIRE))
        .distinct()
        .cte("seen")
    )
    at_network = (
        select(seen.c.instrument_hash, func.count().label("parties"))
        .group_by(seen.c.instrument_hash, seen.c.client_net_hash)
        .having(func.count() >= TOGETHER)
        .subquery("at_network")
    ).c
    largest = (
        select(at_network.instrument_hash, func.max(at_network.parties).label("parties"))
        .group_by(at_network.instrument_hash)
        .subquery("largest")
    )
    placed = (
        select(seen.c.instrument_hash, func.count(seen.c.party.distinct()).label("parties"))
        .group_by(seen.c.instrument_hash)
        .subquery("placed")
    )
    every = (
        select(h.c.instrument_hash, func.count(h.c.party.distinct()).label("parties"))
        .group_by(h.c.instrument_hash)
        .subquery("every")
    )
    known = ratio(largest.c.parties, placed.c.parties)
    share = func.coalesce(known, 0.0)  # adequacy: equivalent, because a tenth more or less of nothing is nothing
    return (
        select(every.c.instrument_hash, every.c.parties, share.label("household_share"))
        .select_from(
            every.outerjoin(largest, largest.c.instrument_hash == every.c.instrument_hash).outerjoin(
                placed, placed.c.instrument_hash == every.c.instrument_hash
            )
        )
        .subquery("instruments")
    )


def _holders(scope: Scope) -> CTE:
    """The accounts that held an instrument in the period and the party that each belongs to: its customer."""
    p, o = account_payments.c, owners()
    return (
        select(p.instrument_hash, p.account_id, func.coalesce(o.c.customer_id, p.account_id).label("party"))
        .select_from(account_payments.outerjoin(o, o.c.account_id == p.account_id))
        .where(_in_period(scope), or_(o.c.closed_at.is_(None), o.c.closed_at > literal(scope.period.start)))
        .cte("holders")
    )


def _declined(scope: Scope) -> Select[Any]:
    """Accounts of whose charges many were declined."""
    a, e = open_accounts(scope, closed=True).c, payment_events.c
    tried, declined = func.count(), func.count().filter(e.event_type == "decline")
    limits = {name: a[f"limit_{name}"] for name in ("charges_min", "declines_share_min")}
    return (
        select(*_risk(DECLINES, declined, (a.account_id, a.tier), limits, attempts=tried))
        .where(_paid(a), e.event_type.in_(TRIED))
        .group_by(a.account_id, a.tier, *limits.values())
        .having(tried >= a.limit_charges_min, ratio(declined, tried) >= a.limit_declines_share_min)
    )


def _charged_back(scope: Scope) -> Select[Any]:
    """Accounts of which a payment was charged back, be it after they were closed."""
    a, e = open_accounts(scope, closed=True).c, payment_events.c
    return (
        select(*_risk(CHARGEBACK, func.count(), (a.account_id, a.tier), {"chargebacks_min": a.limit_chargebacks_min}))
        .where(_paid(a), e.event_type == CHARGEBACK)
        .group_by(a.account_id, a.tier, a.limit_chargebacks_min)
        .having(func.count() >= a.limit_chargebacks_min)
    )


def _from_elsewhere(scope: Scope) -> Select[Any]:
    """Accounts with an instrument from a country that is neither the customer's, its parent's nor that of sign-up."""
    a, r, p, s = open_accounts(scope), held_records(), account_payments.c, accounts.c
    t = scope.territories()
    others = [or_(known.is_(None), known != p.bin_country) for known in (r.c.parent_country, s.signup_country)]
    closed = and_(t.c.country == p.bin_country, t.c.status.in_(NOT_OFFERED), _over(t.c, a.c), _over(t.c, r.c))
    held = and_(
        p.account_id == a.c.account_id, _in_force(a.c.valid_from, a.c.valid_to), _in_force(r.c.valid_from, r.c.valid_to)
    )
    of_time = a.join(r, together(a.c, r.c))  # adequacy: equivalent, because a record is asked for its country
    with_card = of_time.join(account_payments, held)  # adequacy: equivalent, because a card is asked for its country
    joined = with_card.join(accounts, s.account_id == a.c.account_id)  # adequacy: equivalent, because all are there
    severity = case((func.count(t.c.country) > 0, "medium"), else_=a.c.limit_mismatch_severity)
    count, countries = func.count(p.instrument_hash.distinct()), listed(p.bin_country)
    return (
        select(*_risk(ELSEWHERE, count, (a.c.account_id, a.c.tier), {}, severity=severity, countries=countries))
        .select_from(joined.outerjoin(t, closed))
        .where(r.c.country != p.bin_country, *others)
        .group_by(a.c.account_id, a.c.tier, a.c.limit_mismatch_severity)
    )


def _paid(a: Any) -> ColumnElement[bool]:
    """Whether a payment is the account's, under the tier and limits then."""
    e = payment_events.c
    return and_(e.account_id == a.account_id, e.event_ts >= a.valid_from, e.event_ts < a.valid_to)


def _in_force(start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an instrument was in force at some time of a span."""
    p = account_payments.c
    return and_(p.valid_from < end, func.coalesce(p.valid_to, FAR) > start)


def _in_period(scope: Scope) -> ColumnElement[bool]:
    """Whether an instrument was in force at some time of the period."""
    return _in_force(literal(scope.period.start), literal(scope.period.end))


def _over(one: Any, other: Any) -> ColumnElement[bool]:
    """Whether two spans have a moment in common."""
    return and_(one.valid_from < other.valid_to, one.valid_to > other.valid_from)
