"""Candidate evidence: which value was seen on which account, as one table in the audit's schema.

A value that n accounts share is n rows, a star; pairs are never written out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal, or_, select, union_all

from audits.linkage.params import Params
from audits.periods import Period
from audits.warehouse.tables import Instant, account_payments, accounts


def sightings(period: Period, params: Params) -> Select[Any]:
    """(kind, value, account_id) of every value seen on an account within the look-back."""
    since = literal(period.end - timedelta(days=params.look_back_days), Instant)
    end = literal(period.end, Instant)
    a, p = accounts.c, account_payments.c
    paid = select(literal("payment_instrument").label("kind"), p.instrument_hash.label("value"), p.account_id).where(
        p.instrument_hash.is_not(None), p.valid_from < end, or_(p.valid_to.is_(None), p.valid_to > since)
    )
    signed_up = select(literal("signup_device"), a.signup_device_hash, a.account_id).where(
        a.signup_device_hash.is_not(None), a.opened_at < end, or_(a.closed_at.is_(None), a.closed_at > since)
    )
    return select(union_all(paid, signed_up).subquery("seen"))


def shared_values(connection: Connection, period: Period, params: Params) -> list[Row[Any]]:
    """The rows of :func:`sightings` whose value at least two parties share, with the account's party."""
    seen = sightings(period, params).subquery("sightings")
    party = func.coalesce(accounts.c.customer_id, seen.c.account_id)
    owned = (
        select(seen, party.label("party"))
        .select_from(seen.outerjoin(accounts, accounts.c.account_id == seen.c.account_id))
        .distinct()
        .subquery("owned")
    )
    shared = (
        select(owned.c.kind, owned.c.value)
        .group_by(owned.c.kind, owned.c.value)
        .having(func.count(owned.c.party.distinct()) >= params.min_parties)
        .subquery("shared")
    )
    joined = owned.join(shared, (shared.c.kind == owned.c.kind) & (shared.c.value == owned.c.value))
    order = (owned.c.kind, owned.c.value, owned.c.account_id, owned.c.party)
    return list(connection.execute(select(owned).select_from(joined).order_by(*order)))
