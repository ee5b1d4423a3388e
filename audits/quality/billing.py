"""Usage against what finance billed, an account and month at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from audits.quality.tables import quality_accounts
from audits.warehouse.tables import billed_usage

CENT = 0.01  # US dollars; finance rounds to it


@dataclass(frozen=True, slots=True)
class Difference:
    """What an account's usage of a month comes to, against what was billed for it."""

    account_id: str
    sources: tuple[str, ...]  # the account's, of those with rows on the month's last day; else the busiest of these
    unit: str  # USD, or tokens where a cost is not recorded of every row
    used: float
    billed: float

    @property
    def share(self) -> float:
        """The difference as a share of what was billed; 1 where nothing was billed of what was used."""
        if self.unit == "USD" and abs(self.used - self.billed) <= CENT:
            return 0.0
        return abs(self.used - self.billed) / self.billed if self.billed else float(self.used > 0)


def is_month_end(day: date) -> bool:
    """A month is reconciled on its last day."""
    return (day + timedelta(days=1)).day == 1


def differences(connection: Connection, month_end: date) -> tuple[Difference, ...]:
    """Every account that finance billed in the month, over the days for which anything was billed, in order of id.

    Accounts that finance did not bill at all (free ones, say) are not compared. The month is profiled whole by then.
    """
    first = month_end.replace(day=1)
    b, a = billed_usage.c, quality_accounts.c
    billed_days = select(b.usage_day).where(b.usage_day.between(first, month_end)).distinct()
    billed = {
        row.account_id: row
        for row in connection.execute(
            select(
                b.account_id,
                func.sum(b.cost_usd).label("cost_usd"),
                func.sum(b.input_tokens + b.output_tokens).label("tokens"),
            )
            .where(b.usage_day.between(first, month_end))
            .group_by(b.account_id)
        )
    }
    used = connection.execute(
        select(
            a.account_id,
            a.source_system,
            func.sum(a.n_rows).label("n_rows"),
            func.sum(a.n_costed).label("n_costed"),
            func.sum(a.cost_usd).label("cost_usd"),
            func.sum(a.tokens).label("tokens"),
        )
        .where(a.day.in_(billed_days))
        .group_by(a.account_id, a.source_system)
        .order_by(a.account_id, a.source_system)
    ).all()
    # The month is judged on its last day: what is off of a source without rows then stands with one that has some.
    last_day = set(connection.scalars(select(a.source_system).where(a.day == month_end)))
    rows_of = {name: sum(row.n_rows for row in used if row.source_system == name) for name in sorted(last_day)}
    if not rows_of:
        return ()
    busiest = max(rows_of, key=lambda name: (rows_of[name], name))
    of_account: dict[str, list[Any]] = defaultdict(list)
    for row in used:
        of_account[row.account_id].append(row)
    differences = []
    for account, bill in sorted(billed.items()):
        theirs = tuple(row.source_system for row in of_account[account] if row.source_system in last_day)
        differences.append(_difference(bill, of_account[account], theirs or (busiest,)))
    return tuple(differences)


def _difference(bill: Any, used: Sequence[Any], sources: tuple[str, ...]) -> Difference:
    in_usd = all(row.n_costed == row.n_rows for row in used)
    return Difference(
        account_id=bill.account_id,
        sources=sources,
        unit="USD" if in_usd else "tokens",
        used=float(sum(row.cost_usd if in_usd else row.tokens for row in used)),
        billed=float(bill.cost_usd if in_usd else bill.tokens),
    )
