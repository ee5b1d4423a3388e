"""Rollups: one pass over a day's events into narrow daily tables in the audit's own schema.

In: the contract's fact tables, read-only, and the ids that quality set aside. Out: one table a file of this package,
rebuilt a day at a time and never touched otherwise; :func:`refresh` builds exactly the days that are missing or stale.
Rules, linkage and reports read rollups; events are not read again unless their rows are wanted as evidence.

Every table has ``day`` (UTC) and, where it speaks of accounts, ``slice_start``: the start of the day or the instant in
it from which another tier or contract held for the account, so that what held at the event's time can be looked up.
"""

from audits.rollups.build import ROLLUPS, Blocked, RefreshReport, plan, refresh, roll_up
from audits.rollups.state import forget, rollup_days

__all__ = ["ROLLUPS", "Blocked", "RefreshReport", "forget", "plan", "refresh", "roll_up", "rollup_days"]
