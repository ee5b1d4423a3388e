"""A linked group whose members were found by themselves, too: a further revision of the last month."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from audits.ledger.models import Run
from audits.ledger.record import Finding, finding_id, record
from tests.reports.book import VERSIONS
from tests.reports.world import LAST, Month, audit_of


def revise(session: Session, more: Callable[[Finding], Iterable[Finding]], severity: str = "high") -> Run:
    """Audit the last month again: the group of this severity, and ``more`` of its members by themselves."""
    month = audit_of(Month(LAST, datetime(2026, 11, 12, 6, tzinfo=UTC), tighter=True, late_rows=True))
    group = next(one for one in month.findings if one.subject_type == "group")
    findings = [replace(one, severity=severity) if one is group else one for one in month.findings]
    return record(session, replace(month, findings=[*findings, *more(group)]))


def of_member(
    group: Finding, number: int, rule_id: str = "R17", subject_type: str = "key", *, severity: str = "medium",
    subject: str = "", summary: str = "", clauses: tuple[str, ...] = ("house-keys",),
) -> Finding:  # fmt: skip
    """What a rule found of the group's account of this number, of its key or of its customer."""
    account = group.account_ids[number]
    customer = f"c-{account.split('-')[1]}"
    subject = subject or {"account": account, "customer": customer}.get(subject_type, f"k-{number:04d}")
    return replace(
        group, finding_id=finding_id(rule_id, subject_type, subject, LAST.id), rule_id=rule_id,
        rule_version=VERSIONS[rule_id], subject_type=subject_type, subject_id=subject, account_ids=(account,),
        customer_ids=(customer,), severity=severity, clauses=clauses, observed={"peak_networks": 30 + number},
        limits={"networks_min": 25}, chart={}, evidence_sql=f"SELECT {number}",
        summary=summary or f"One key was used from up to {30 + number} networks a day (limit 25).",
    )  # fmt: skip


def each(group: Finding, count: int, rule_id: str = "R17", subject_type: str = "key", **more: Any) -> list[Finding]:
    """A finding of each of the group's first accounts."""
    return [of_member(group, number, rule_id, subject_type, **more) for number in range(count)]
