"""Whether the rollups and groups of some periods are there: a back-test reads them and makes none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from audits.errors import AuditsError
from audits.linkage.tables import linkage_runs
from audits.periods import Period
from audits.rollups.state import days_not_rolled_up
from audits.rules.engine.asking import first_day_of
from audits.rules.engine.base import Rule
from audits.warehouse.own import has_own_tables


def require_prepared(connection: Connection, periods: Sequence[Period], rules: Iterable[Rule]) -> None:
    """Raise an error that names every period whose days or groups are missing, and the command that makes them."""
    rules = tuple(rules)
    missing = {period: _missing(connection, period, rules) for period in periods}
    missing = {period: what for period, what in missing.items() if what}
    if not missing:
        return
    first, last = min(missing), max(missing)
    command = f"audits run --period {first}" if first == last else f"audits backfill --from {first} --to {last}"
    raise AuditsError(
        f"{len(missing)} of {len(periods)} periods {'is' if len(missing) == 1 else 'are'} not prepared: "
        + "; ".join(f"{period}: {what}" for period, what in missing.items()),
        where="--from and --to",
        fix=f"Run: {command}",
    )


def _missing(connection: Connection, period: Period, rules: Sequence[Rule]) -> str:
    if not has_own_tables(connection):
        return "nothing is rolled up"
    first = min([first_day_of(rule, period) for rule in rules], default=period.first_day)
    lacking = days_not_rolled_up(connection, first, period.last_day)
    if lacking:
        return f"{len(lacking)} days from {lacking[0]} to {lacking[-1]} are not rolled up"
    if any("group" in rule.spec.units or rule.spec.needs.groups for rule in rules):
        linked = connection.scalar(select(linkage_runs.c.period).where(linkage_runs.c.period == period.id))
        return "" if linked else "its accounts are not linked to groups"
    return ""
