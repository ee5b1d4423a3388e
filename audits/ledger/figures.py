"""The audited customers and tiers of a period in figures, as the ledger keeps them; summed in the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from audits.periods import Period
from audits.rollups.account_day import account_day
from audits.rules.engine.facts import account_facts
from audits.rules.engine.population import UNASSIGNED, audited_accounts
from audits.warehouse.tables import accounts

_SUMS = {"requests": "n_requests", "input_tokens": "input_tokens", "output_tokens": "output_tokens"}


def audited_customers(connection: Connection, named: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """A row for each tier and customer: name, account manager, accounts and sums of usage."""
    f = account_facts.c
    columns = (f.tier, f.customer_id, f.account_id, *(f[column] for column in _SUMS.values()))
    rows = connection.execute(select(*columns).where(f.audited).order_by(f.tier, f.customer_id)).all()
    customers = []
    for (tier, customer), its in groupby(rows, key=itemgetter(0, 1)):
        _, _, accounts, *used = zip(*its, strict=True)
        name, manager = named.get(customer, (customer, ""))
        customers.append(
            {
                "tier": tier,
                "customer_id": customer,
                "name": name,
                "account_manager": manager,
                "accounts": sorted(accounts),
                "figures": dict(zip(_SUMS, map(sum, used), strict=True)),
            }
        )
    return customers


def accounts_by_tier(connection: Connection) -> dict[str, int]:
    """Tier -> audited accounts, tiers that the policy book lacks included."""
    f = account_facts.c
    counted = select(f.tier, func.count(f.account_id.distinct())).where(f.audited).group_by(f.tier).order_by(f.tier)
    return {tier: int(n) for tier, n in connection.execute(counted)}


def missing_accounts(connection: Connection) -> int:
    """How many accounts that were used are not in the table accounts; usage that names no account is not one."""
    f = account_facts.c
    missing = (f.audited, f.tier == UNASSIGNED, f.account_id != "UNMAPPED", ~f.on_record)
    return connection.scalar(select(func.count(f.account_id.distinct())).where(*missing)) or 0


def unaudited_accounts(connection: Connection, period: Period) -> tuple[int, int]:
    """How many accounts that were open in the period have neither a tier nor usage in it, and of how many customers.

    Nothing can be asked of them, and they have no cell.
    """
    a, f = accounts.c, account_facts.c
    open_then = (a.opened_at < period.end, or_(a.closed_at.is_(None), a.closed_at > period.start))
    audited = exists(select(f.account_id).where(f.account_id == a.account_id))
    counts = func.count(a.account_id.distinct()), func.count(a.customer_id.distinct())
    n, customers = connection.execute(select(*counts).where(*open_then, ~audited)).one()
    return int(n), int(customers)


def tier_figures(connection: Connection, period: Period, tiers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What each tier looked like: counts of people, sums of use, and both by day."""
    of_tier, daily = _by_tier(connection), _by_day(connection, period)
    nothing = dict.fromkeys(("customers", "accounts", "accounts_with_usage", *_SUMS), 0)
    figures = {}
    for tier in tiers:
        days = [daily.get((tier, day)) for day in period.days]
        costs = [row.cost_usd for row in days if row is not None and row.cost_usd is not None]
        figures[tier] = {
            **of_tier.get(tier, nothing),
            "cost_usd": round(float(sum(costs)), 2) if costs else None,
            "daily": {
                "days": [day.isoformat() for day in period.days],
                "requests": [int(row.requests) if row else 0 for row in days],
                "output_tokens": [int(row.output_tokens) if row else 0 for row in days],
            },
        }
    return figures


def _by_tier(connection: Connection) -> dict[str, dict[str, int]]:
    """An account of two customers is one account, and its usage is there once."""
    f = account_facts.c
    one = (
        select(f.tier, f.account_id, f.used, *(f[column] for column in _SUMS.values()))
        .where(f.audited)
        .distinct()
        .subquery("one")
    )
    accounts = connection.execute(
        select(
            one.c.tier, func.count().label("accounts"), func.count().filter(one.c.used).label("accounts_with_usage"),
            *(func.sum(one.c[column]).label(name) for name, column in _SUMS.items()),
        ).group_by(one.c.tier)
    ).mappings()  # fmt: skip
    customers = select(f.tier, func.count(f.customer_id.distinct())).where(f.audited).group_by(f.tier)
    counted = {tier: int(n) for tier, n in connection.execute(customers)}
    return {
        row["tier"]: {"customers": counted[row["tier"]]}
        | {name: int(value) for name, value in row.items() if name != "tier"}
        for row in accounts
    }


def _by_day(connection: Connection, period: Period) -> dict[Any, Any]:
    a, d = audited_accounts.c, account_day.c
    rows = connection.execute(
        select(
            a.tier,
            d.day,
            func.sum(func.coalesce(d.n_requests, 0)).label("requests"),
            func.sum(d.output_tokens).label("output_tokens"),
            func.sum(d.cost_usd).label("cost_usd"),
        )
        .select_from(
            audited_accounts.join(
                account_day,
                and_(a.account_id == d.account_id, d.slice_start >= a.valid_from, d.slice_start < a.valid_to),
            )
        )
        .where(d.day.between(period.first_day, period.last_day))
        .group_by(a.tier, d.day)
    )
    return {(row.tier, row.day): row for row in rows}
