"""The daily series that an audit records beside a finding: what the rule judged, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from audits.ledger import open_ledger
from audits.ledger.models import FindingRow
from audits.periods import Period
from tests.rows import LONG_AGO, REFERENCE, account, put, together
from tests.test_coverage import bucket
from tests.test_pipeline import audit, settings_for

WEEK = Period.parse("2026-W41")  # 5 to 11 October
CLOSED = datetime(2026, 10, 20, tzinfo=UTC)


def test_a_group_judged_below_its_highest_tier_is_drawn_without_the_members_above(duckdb_warehouse, tmp_path: Path):
    """Six Build accounts break the Build limit; the Scale account on their card is far below that of Scale."""
    members = [account(f"m{n}") for n in range(6)] + [account("large", "scale")]
    names = [*(f"m{n}" for n in range(6)), "large"]
    cards = [
        {"account_id": name, "instrument_hash": "card", "instrument_type": "card", "valid_from": LONG_AGO}
        for name in names
    ]
    strangers = [account(f"s{n}") for n in range(30)]
    use = [bucket(f"m{n}", "2026-10-06", n_requests=2_000) for n in range(6)] + [
        bucket("large", "2026-10-06", n_requests=9_000)
    ]
    others = [bucket(f"s{n}", "2026-10-06", n_requests=10) for n in range(30)]
    rows = together(*members, *strangers, REFERENCE, {"account_payments": cards, "usage_buckets": use + others})
    put(duckdb_warehouse, rows)
    settings = settings_for(duckdb_warehouse, tmp_path)
    audit(settings, WEEK, now=CLOSED)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        observed, chart = session.execute(
            select(FindingRow.observed, FindingRow.chart).where(FindingRow.rule_id == "R04")
        ).one()
    assert observed["level"] == "build"
    assert max(chart["values"]) == observed["peak_requests_a_day"] == 12_000
    assert chart["limit"] == 10_000
    assert sorted(chart["series"]) == names[:6]
