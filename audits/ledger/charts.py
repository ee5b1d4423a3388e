"""The daily series drawn beside a finding: the one that its rule judged, with the limit it was judged against."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Column, Connection, MetaData, String, Table, func, or_, select

from audits.periods import Period
from audits.rollups.account_day import by_last_day
from audits.rules.engine.base import CHART_SERIES, ChartSpec, Found, RuleSpec
from audits.rules.engine.population import audited_accounts, held
from audits.warehouse.own import make_temporary_tables
from audits.warehouse.staging import insert_in_bulk

BASELINE_DAYS = 28  # days shown before the period: the baseline window of the rule catalogue
LARGEST_MEMBERS = 8  # single accounts drawn under a group's curve

_COLUMNS = ("n_ok", "output_tokens")
_LONGEST = max(days for _, days in CHART_SERIES.values())

_temporary = MetaData()
_charted = Table("charted_accounts", _temporary, Column("account_id", String, nullable=False), prefixes=["TEMPORARY"])


class Charts:
    """The series of all findings of a period, read in one query."""

    def __init__(
        self, connection: Connection, period: Period, found: Sequence[Found], tier_order: Sequence[str]
    ) -> None:
        self._rank = {tier: number for number, tier in enumerate(tier_order)}
        first = period.first_day - timedelta(days=BASELINE_DAYS)
        self._days = tuple(first + timedelta(days=n) for n in range((period.end_day - first).days))
        # Column -> account -> day -> rank of the tier that it had (-1: none) -> sum
        self._daily: dict[str, dict[str, dict[date, Counter[int]]]] = {
            name: defaultdict(lambda: defaultdict(Counter)) for name in _COLUMNS
        }
        if accounts := sorted({account for one in found for account in one.account_ids}):
            self._read(connection, period, accounts)

    def _read(self, connection: Connection, period: Period, accounts: Sequence[str]) -> None:
        make_temporary_tables(connection, _temporary)
        insert_in_bulk(connection, _charted, [{"account_id": account} for account in accounts])
        days = by_last_day()
        d, a = days.c, audited_accounts.c
        rank = func.coalesce(a.tier_rank, -1).label("tier_rank")
        since = self._days[0] - timedelta(days=_LONGEST - 1)
        counted = func.coalesce(d.n_ok, d.n_requests)  # buckets count, and tell no failures
        values = zip(_COLUMNS, (counted, d.output_tokens), strict=True)
        sums = [func.sum(func.coalesce(value, 0)).label(name) for name, value in values]
        rows = connection.execute(
            select(d.account_id, d.day, rank, *sums)
            .select_from(days.outerjoin(audited_accounts, held(days)))
            .where(d.day.between(since, period.last_day), d.account_id.in_(select(_charted.c.account_id)))
            .where(or_(d.grain == "event", a.tier.is_not(None)))
            .group_by(d.account_id, d.day, rank)
        )
        for row in rows:
            for name in _COLUMNS:
                self._daily[name][row.account_id][row.day][row.tier_rank] += int(row._mapping[name])

    def of(self, rule: RuleSpec, found: Found) -> dict[str, Any]:
        """The chart of one finding: see :class:`audits.ledger.models.FindingRow`."""
        if not found.account_ids:
            return {}
        spec = next((one for one in rule.charts if found.limits.get(one.limit) is not None), ChartSpec())
        column, window = CHART_SERIES[spec.series]
        # A group is judged once per tier level; use in higher tiers was not judged and is not drawn.
        most = self._rank.get(str(found.observed.get("level")), len(self._rank))
        daily = self._daily[column]
        members = {account: self._series(daily[account], window, most) for account in found.account_ids}
        if found.subject_type == "group":
            members = {account: series for account, series in members.items() if any(series)} or members
        values = [sum(day) for day in zip(*members.values(), strict=True)]
        before = sorted(values[:BASELINE_DAYS])
        largest = sorted(members, key=lambda account: (-max(members[account]), account))[:LARGEST_MEMBERS]
        return {
            "unit": spec.series,
            "days": [day.isoformat() for day in self._days],
            "values": values,
            "limit": found.limits.get(spec.limit),
            "baseline_days": BASELINE_DAYS,
            "usual": [before[len(before) // 10], before[-1 - len(before) // 10]] if any(before) else None,
            "series": {account: members[account] for account in largest} if len(members) > 1 else {},
        }

    def _series(self, daily: Mapping[date, Mapping[int, int]], window: int, most: int) -> list[int]:
        """For every day the sum over the ``window`` days that end with it, in tiers of at most the rank ``most``."""
        of_day = {day: sum(n for rank, n in of_tiers.items() if rank <= most) for day, of_tiers in daily.items()}
        return [sum(of_day.get(day - timedelta(days=back), 0) for back in range(window)) for day in self._days]
