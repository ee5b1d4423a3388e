"""Where a day has to be cut because what is in force for an account changes inside it.

That is a tier, a contract, a territory, the registration of a key that is declared serverless, or that the account is
opened.

Most changes fall on midnight and need no cut. ``account_slices`` holds the others only: for an account with a change
at 13:00, the slice from 13:00 to the end of the day (what comes before starts at midnight, like everything else).
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    CompoundSelect,
    Connection,
    Date,
    Select,
    String,
    Subquery,
    Table,
    and_,
    func,
    select,
    union,
)

from audits.warehouse.dialects import midnight, utc_day
from audits.warehouse.tables import (
    Instant,
    account_tiers,
    accounts,
    api_keys,
    audit_metadata,
    contracts,
    territories,
)

account_slices = Table(
    "account_slices",
    audit_metadata,
    Column("day", Date, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("slice_start", Instant, primary_key=True),
    Column("slice_end", Instant),  # NULL: the end of the day
)


def _changes() -> CompoundSelect[tuple[str, object]]:
    """(account_id, changed_at): an opening, and every start and end of a tier, contract, key or, for all, territory.

    Every interval cuts, in force or not: a cut too many changes no figure.
    """
    declared = api_keys.alias("declared").c
    serverless = api_keys.c.api_key_hash.in_(select(declared.api_key_hash).where(declared.serverless))
    customer_contracts = contracts.join(accounts, accounts.c.customer_id == contracts.c.customer_id)
    return union(
        *(
            select(account_tiers.c.account_id, at.label("changed_at"))
            for at in (account_tiers.c.valid_from, account_tiers.c.valid_to)
        ),
        select(accounts.c.account_id, accounts.c.opened_at),
        *(
            select(accounts.c.account_id, at.label("changed_at")).select_from(customer_contracts)
            for at in (contracts.c.valid_from, contracts.c.valid_to)
        ),
        *(select(api_keys.c.account_id, at).where(serverless) for at in (api_keys.c.created_at, api_keys.c.revoked_at)),
        # Only what changes inside of a day, so that accounts and countries are not multiplied for nothing.
        *(
            select(accounts.c.account_id, at).select_from(accounts.join(territories, at != midnight(utc_day(at))))
            for at in (territories.c.valid_from, territories.c.valid_to)
        ),
    )


@lru_cache(maxsize=16)
def changes_inside(first: date, last: date) -> Select[Any]:
    """``day``, ``account_id`` and ``changed_at`` of every change inside one of the days first..last; seldom any."""
    change = _changes().subquery("change")
    day = utc_day(change.c.changed_at)
    inside = and_(change.c.changed_at.is_not(None), change.c.changed_at != midnight(day))
    return select(day.label("day"), change).where(inside, day.between(first, last))


def expected_slices(first: date, last: date) -> Subquery:
    """The slices that the dimensions ask for on the days first..last, as rows of ``account_slices``."""
    i = changes_inside(first, last).subquery("inside").c
    return select(
        i.day,
        i.account_id,
        i.changed_at.label("slice_start"),
        func.lead(i.changed_at).over(partition_by=(i.account_id, i.day), order_by=i.changed_at).label("slice_end"),
    ).subquery("expected")


def changed_days(connection: Connection, first: date, last: date) -> set[date]:
    """The days whose stored slices are not what the dimensions ask for today."""
    expected, s = expected_slices(first, last).c, account_slices.c
    names = ("day", "account_id", "slice_start")
    wanted = select(*(expected[name] for name in names))
    stored = select(*(s[name] for name in names)).where(s.day.between(first, last))
    return {
        row.day
        for statement in (wanted.except_(stored), stored.except_(wanted))
        for row in connection.execute(statement)
    }
