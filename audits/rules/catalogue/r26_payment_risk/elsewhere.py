"""Instruments from a country that nothing on record of the account explains.

Explained is the customer's country, its parent's, and that of sign-up; of an account with several customers any of
theirs. A parent or a sign-up that is not on record explains nothing; where the country of one customer is not, it is
not known whether it would.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, and_, case, except_, exists, func, literal, or_, select, union

from audits.rules.engine.base import Found
from audits.rules.engine.bounds import any_of
from audits.rules.engine.customers import gaps_in_records, open_accounts
from audits.rules.engine.listed import listed
from audits.rules.engine.population import account_owners
from audits.rules.engine.scope import Scope
from audits.warehouse.dimensions import customers_in_force, instruments_in_force
from audits.warehouse.raw_text_sql import short_digest
from audits.warehouse.tables import accounts
from audits.warehouse.validity import overlap
from audits.warehouse.vocabulary import word

NOT_OFFERED = ("unsupported", "sanctioned")


def from_elsewhere(scope: Scope) -> Any:
    """Accounts with an instrument from elsewhere: how many, from which countries, and how severe that is."""
    cards, records = _cards(scope), select(customers_in_force()).cte("records_of_customers")
    a, o, r, t = cards.c, account_owners.c, records.c, scope.territories()
    closed = and_(t.c.country == a.bin_country, t.c.status.in_(NOT_OFFERED), overlap(t.c, a), overlap(t.c, r))
    severity = case((func.count(t.c.country) > 0, "medium"), else_=a.limit_mismatch_severity)
    explained = _perhaps_explained_by_another(a, r, records)
    return (
        select(
            a.account_id, a.tier, severity.label("severity"),
            func.count(a.instrument_hash.distinct()).label("instruments"), listed(a.bin_country).label("countries"),
        )
        .select_from(
            cards.join(account_owners, o.account_id == a.account_id)
            .join(records, and_(r.customer_id == o.customer_id, overlap(r, a)))
            .outerjoin(t, closed)
        )
        .where(_is_elsewhere(a.bin_country, r), ~_signed_up_there(a), ~explained)
        .group_by(a.account_id, a.tier, a.limit_mismatch_severity)
        .subquery("elsewhere")
        .c
    )  # fmt: skip


def not_compared(scope: Scope) -> Select[Any]:
    """(account_id, reason) of accounts with an instrument whose country, or the customer's at some time, is unknown.

    The customer's is not asked for where its parent's, that of sign-up, or all the time that of another customer of the
    account explains the instrument.
    """
    cards, records = _cards(scope), select(customers_in_force()).cte("records_of_customers")
    a, o, r, s = cards.c, account_owners.c, records.c, accounts.c
    card = (a.account_id, a.instrument_hash, a.valid_from)
    gap = gaps_in_records(scope, lambda record: or_(record.country.is_not(None), record.parent_country.is_not(None))).c
    absent = select(*card).where(gap.account_id == a.account_id)
    owned = select(*card).where(o.account_id == a.account_id, r.customer_id == o.customer_id)
    unknown = owned.where(overlap(r, a), r.country.is_(None), r.parent_country != a.bin_country)
    throughout = and_(r.valid_from <= a.valid_from, r.valid_to >= a.valid_to)
    there = owned.where(throughout, or_(r.country == a.bin_country, r.parent_country == a.bin_country))
    signed_up = select(*card).where(s.account_id == a.account_id, word(s.signup_country) == a.bin_country)
    unowned = except_(union(absent, unknown), union(there, signed_up)).subquery("unowned").c
    unplaced = select(a.account_id, literal("not recorded: bin_country").label("reason")).where(a.bin_country.is_(None))
    return any_of(unplaced, select(unowned.account_id, literal("not recorded: country of the customer")))


def evidence_of(scope: Scope, found: Found) -> Select[Any]:
    """The account's instruments from the countries named, each with the customer's record that does not explain it."""
    p, r = instruments_in_force(found.account_ids).c, customers_in_force(found.customer_ids).c
    t, named = scope.tiers(found.account_ids).c, str(found.observed["countries"]).split(", ")
    in_tier = exists(
        select(t.tier).where(t.account_id == p.account_id, t.tier == found.tier, overlap(t, p), overlap(t, r))
    )
    return (
        select(
            p.account_id, short_digest(p.instrument_hash).label("instrument"), p.instrument_type, p.bin_country,
            p.valid_from, p.valid_to,
            r.customer_id, r.country, r.parent_country,
        )
        .where(p.bin_country.in_(named), overlap(p, r), in_tier)
        .where(*(one < literal(scope.period.end) for one in (p.valid_from, r.valid_from)))
        .where(*(one > literal(scope.period.start) for one in (p.valid_to, r.valid_to)))
        .where(_is_elsewhere(p.bin_country, r), ~_signed_up_there(p))
        .order_by(p.valid_from, "instrument", r.valid_from)
    )  # fmt: skip


def _cards(scope: Scope) -> CTE:
    """Open accounts with an instrument in force meanwhile: ``valid_from`` and ``valid_to`` are of both together."""
    a, p = open_accounts(scope).c, instruments_in_force().c
    return (
        select(
            a.account_id, a.tier, a.limit_mismatch_severity, p.instrument_hash, p.bin_country,
            func.greatest(a.valid_from, p.valid_from).label("valid_from"),
            func.least(a.valid_to, p.valid_to).label("valid_to"),
        )
        .where(p.account_id == a.account_id, overlap(p, a))
        .cte("cards")
    )  # fmt: skip


def _is_elsewhere(country: ColumnElement[str], record: Any) -> ColumnElement[bool]:
    """Whether a country is neither the customer's nor its parent's."""
    parent: ColumnElement[str] = record.parent_country
    return and_(record.country != country, or_(parent.is_(None), parent != country))


def _signed_up_there(card: Any) -> ColumnElement[bool]:
    s = accounts.c
    return exists(
        select(s.account_id).where(s.account_id == card.account_id, word(s.signup_country) == card.bin_country)
    )


def _perhaps_explained_by_another(card: Any, record: Any, records: CTE) -> ColumnElement[bool]:
    """Whether another customer of the account is, or is owned, in the instrument's country at the time, or may be."""
    o, other = account_owners.alias("other_owner").c, records.alias("other_record").c
    there = or_(other.country.is_(None), other.country == card.bin_country, other.parent_country == card.bin_country)
    same_time = and_(overlap(other, card), overlap(other, record))
    return exists(
        select(other.customer_id)
        .where(o.account_id == card.account_id, o.customer_id != record.customer_id)
        .where(other.customer_id == o.customer_id, same_time, there)
    )
