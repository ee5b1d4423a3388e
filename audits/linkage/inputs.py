"""Everything that the groups of a period are made from, as one digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import astuple
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from audits.linkage.params import Params
from audits.periods import Period
from audits.quality.usual import Day
from audits.rollups.state import rollup_days
from audits.warehouse.dialects import row_digest
from audits.warehouse.tables import account_payments, account_tiers, accounts, api_keys, models

VERSION = "14"
"""Raised by hand whenever the same inputs would give other groups."""


def digest_of(
    connection: Connection, period: Period, since: date, params: Params, behind_gateway: Iterable[Day]
) -> str:
    """Changes when a row known in the period does, when days are rolled up anew, or when a parameter changes."""
    gateways = [[day.isoformat(), source] for day, source in sorted(behind_gateway)]
    parts: list[Any] = [VERSION, period.id, since.isoformat(), astuple(params), gateways]
    parts += [
        [str(value) for value in row]
        for row in connection.execute(
            select(rollup_days).where(rollup_days.c.day.between(since, period.last_day)).order_by(rollup_days.c.day)
        )
    ]
    for query in _known(period):
        rows = query.subquery("known")
        parts.append(list(connection.execute(select(func.count(), row_digest(*rows.c))).one()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _known(period: Period) -> list[Select[Any]]:
    """The rows of the dimensions that linkage reads; what ended after the period had not ended in it."""
    a, p, k, m, t = accounts.c, account_payments.c, api_keys.c, models.c, account_tiers.c

    def ended(column: Any) -> Any:
        return case((column < period.end, column)).label(column.name)

    return [
        select(
            a.account_id, a.customer_id, a.opened_at, ended(a.closed_at), ended(a.banned_at), a.signup_ip_hash,
            a.signup_net_hash, a.signup_country, a.signup_device_hash, a.email_domain, a.email_disposable, a.phone_hash,
        ).where(a.opened_at < period.end),
        select(p.account_id, p.instrument_hash, p.valid_from, ended(p.valid_to)).where(p.valid_from < period.end),
        select(k.api_key_hash, k.account_id, k.created_at, ended(k.revoked_at)).where(k.created_at < period.end),
        select(t.account_id, t.tier, t.valid_from, ended(t.valid_to)).where(t.valid_from < period.end),
        select(m.model, m.released_at).where(m.released_at < period.end),
    ]  # fmt: skip
