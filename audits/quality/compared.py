"""What events are compared with, as it was when they were last: a change concerns the days that name what changed."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    case,
    cast,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)

from audits.quality.tables import quality_days, quality_profiles
from audits.warehouse.days import within
from audits.warehouse.dialects import utc_day
from audits.warehouse.own import fill
from audits.warehouse.tables import Instant, accounts, api_keys, audit_metadata, models, usage_events

quality_compared = Table(
    "quality_compared",
    audit_metadata,
    Column("kind", String, primary_key=True),  # account, key, model
    Column("value", String, primary_key=True),
    Column("revoked_at", Instant),
    Column("context_window", BigInteger),
)


def forget_changed(connection: Connection) -> None:
    """Have the days profiled and judged again whose events name an account, key or model that has changed since."""
    now, was = _compared(), select(quality_compared)
    found = union(now.except_(was), was.except_(now)).subquery("changed").c
    if not connection.scalar(select(func.count()).select_from(select(found.kind).subquery("any"))):
        return
    first, last = connection.execute(select(func.min(quality_profiles.c.day), func.max(quality_profiles.c.day))).one()
    if first is not None:
        days = _days_that_name(connection, found, first, last)
        for table in (quality_profiles, quality_days):
            connection.execute(delete(table).where(table.c.day.in_(days)))
    connection.execute(delete(quality_compared))
    fill(connection, quality_compared, now)


def _days_that_name(connection: Connection, changed: Any, first: date, last: date) -> list[date]:
    e = usage_events.c
    named: dict[str, ColumnElement[Any]] = {
        "account": e.account_id,
        "key": e.api_key_hash,
        "model": func.coalesce(e.model_served, e.model_requested),
    }
    concerned = (value.in_(select(changed.value).where(changed.kind == kind)) for kind, value in named.items())
    days = select(utc_day(e.event_ts)).where(within(e.event_ts, first, last), or_(*concerned)).distinct()
    return list(connection.scalars(days))


def _compared() -> Select[Any]:
    """The rows of ``quality_compared`` as the warehouse has them now."""
    k, m = api_keys.c, models.c
    no_instant, no_number = cast(null(), Instant), cast(null(), BigInteger)
    revoked = case((func.count() == func.count(k.revoked_at), func.max(k.revoked_at)))
    rows = union_all(
        select(literal("account").label("kind"), accounts.c.account_id.label("value"),
               no_instant.label("revoked_at"), no_number.label("context_window")).distinct(),
        select(literal("key"), k.api_key_hash, revoked, no_number).group_by(k.api_key_hash),
        select(literal("model"), m.model, no_instant, func.max(m.context_window)).group_by(m.model),
    ).subquery("now").c  # fmt: skip
    return select(rows.kind, rows.value, rows.revoked_at, rows.context_window)
