"""What the product says of a world: its groups and days as input, its cells and findings to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from audits import pipeline, quality
from audits.ledger import open_ledger
from audits.ledger.models import AuditedCustomer, CellGroup, FindingRow, Run
from audits.linkage.tables import group_members
from audits.periods import Period
from audits.settings import Settings
from audits.warehouse import warehouse
from tests.reference.facts import DayState, midnight
from tests.reference.validity import Row
from tests.rows import put


@dataclass(frozen=True)
class Said:
    """The product's answers about one world and period."""

    groups: dict[str, frozenset[str]]
    days: list[DayState]
    audited: frozenset[tuple[str, str]]  # customer, tier
    cells: dict[tuple[str, str, str], str]  # customer, tier, rule -> verdict; compliant ones are left out
    reasons: dict[tuple[str, str, str], str]
    findings: list[Row]
    notes: list[str]


def audited(url: str, rows: Mapping[str, Sequence[Row]], period: Period, folder: Path, policy: Path) -> Said:
    """Put the rows into the warehouse and audit the period through the service's own door."""
    put(url, rows)
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        warehouse_url=url, ledger_url=f"sqlite:///{folder / 'ledger.sqlite'}", out=folder / "out", policy=policy
    )
    now = midnight(period.end_day) + timedelta(days=10)
    pipeline.prepare(settings, period, now=now)
    pipeline.evaluate(settings, period, now=now)
    return read(settings, period)


def read(settings: Settings, period: Period) -> Said:
    """Read what an audit left behind."""
    groups: dict[str, set[str]] = {}
    with warehouse(settings.warehouse_url, settings.rollups_url) as opened, opened.begin() as connection:
        for row in connection.execute(select(group_members).where(group_members.c.period == period.id)):
            groups.setdefault(row.group_id, set()).add(row.account_id)
        first = period.first_day - timedelta(days=35)
        states = [
            DayState(
                one.day,
                one.source_system,
                one.verdict,
                frozenset(rule for reason in one.reasons for rule in reason.rules),
                frozenset(account for reason in one.reasons if reason.rules for account in reason.accounts),
            )
            for one in quality.recorded(connection, first, period.last_day)
            if one.verdict != "good"
        ]
    with open_ledger(settings.ledger_url) as ledger, ledger.session() as session:
        run = session.scalars(select(Run).order_by(Run.id.desc())).first()
        assert run is not None
        cells, reasons = {}, {}
        for many in session.scalars(select(CellGroup).where(CellGroup.run_id == run.id)):
            for customer in many.customers:
                cells[customer, many.tier, many.rule_id] = many.verdict
                reasons[customer, many.tier, many.rule_id] = many.reason
        people = session.scalars(select(AuditedCustomer).where(AuditedCustomer.run_id == run.id))
        found = session.scalars(select(FindingRow).where(FindingRow.run_id == run.id))
        names = ("rule_id", "subject_type", "subject_id", "tier", "severity", "observed", "limits", "account_ids")
        return Said(
            {group: frozenset(members) for group, members in groups.items()},
            states,
            frozenset((one.customer_id, one.tier) for one in people),
            cells,
            reasons,
            [{name: getattr(one, name) for name in names} for one in found],
            list(run.notes),
        )
