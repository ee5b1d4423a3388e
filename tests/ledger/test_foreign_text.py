"""Odd text from an operator's data: kept by either database, visibly, and no reason to stop an audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from audits.ledger import open_ledger
from audits.ledger.foreign import LONGEST, kept_id
from audits.ledger.models import AuditedCustomer, FindingRow, QualityDay, Run
from audits.ledger.record import Audit, record
from audits.ledger.seal import ledger_differences
from tests.reports.world import LAST, Month, audit_of

TIER = "tier \U0001f480 " * 40
SOURCE = "s" * 201
NUL = "a\0b"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


def odd_audit() -> Audit:
    """An audit whose tier, source, customer, account and name no database likes."""
    audit = audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC), tiers=("build",)))

    def odd(row: Any) -> dict[str, Any]:
        return {**row, "tier": TIER, "customer_id": row["customer_id"] + NUL * 3, "name": NUL, "accounts": [NUL]}

    return replace(
        audit,
        tiers=(TIER,),
        notes=(NUL,),
        figures={TIER: next(iter(audit.figures.values()))},
        customers=[odd(row) for row in audit.customers],
        quality=[{**day, "source_system": day["source_system"] + SOURCE} for day in audit.quality],
        tallies=[replace(tally, tier=TIER) for tally in audit.tallies],
        findings=[
            replace(one, tier=TIER, subject_id=one.subject_id + "x" * 9_000, summary=NUL, observed={"n": float("nan")})
            for one in audit.findings
        ],
        dossiers=(),
    )


def test_an_odd_value_never_stops_a_record_and_shows(ledger_url):
    with open_ledger(ledger_url) as ledger:
        with ledger.recording() as session:
            record(session, odd_audit())
        with ledger.session() as session:
            run = session.scalar(select(Run))
            assert run.tiers == [kept_id(TIER)]
            assert run.notes == ["a␀b"]
            assert all("…~" in source for source in session.scalars(select(QualityDay.source_system)))
            customer = session.scalar(select(AuditedCustomer).limit(1))
            assert (customer.tier, customer.name) == (kept_id(TIER), "a␀b")
            assert "␀" in customer.customer_id
            finding = session.scalar(select(FindingRow).limit(1))
            assert (finding.summary, finding.observed) == ("a␀b", {"n": None})
            assert "…~" in finding.subject_id
            assert list(ledger_differences(session.connection())) == []


def test_plain_identifiers_are_kept_as_they_are_and_altered_ones_stay_apart():
    assert kept_id("c-0042") == "c-0042"
    assert kept_id("x" * LONGEST) == "x" * LONGEST
    long, longer = kept_id("x" * (LONGEST + 1)), kept_id("x" * (LONGEST + 2))
    assert len(long) <= LONGEST
    assert long != longer
    assert "…" in long
    assert kept_id("a\0b") != kept_id("a␀b")
