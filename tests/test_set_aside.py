"""A day whose addresses are a gateway's accuses nobody of where it is, and clears nobody either."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from audits import pipeline
from audits.cli import app
from audits.linkage.tables import group_members
from audits.periods import Period
from audits.settings import Settings
from audits.warehouse import warehouse
from tests.rows import REFERENCE, account, events, put, together

WEEK = Period.parse("2026-W41")
NOW = datetime(2026, 10, 20, tzinfo=UTC)
GATEWAY = {"client_net_hash": "f" * 16, "client_ip_hash": "e" * 16, "ip_country": "XX", "ip_type": "corporate"}


@pytest.mark.parametrize(("through_gateway", "verdict"), [(True, "not_evaluated"), (False, "violating")])
def test_where_clients_are_is_not_judged_by_a_gateways_address(
    url: str, tmp_path: Path, *, through_gateway: bool, verdict: str
) -> None:
    usage = [row | GATEWAY for who in ("a1", "a2") for row in events(who, "2026-10-05", 150)]
    if not through_gateway:
        usage = [row | {"client_net_hash": f"{n:016x}", "client_ip_hash": f"{n:016x}"} for n, row in enumerate(usage)]
    put(url, together(REFERENCE, account("a1"), account("a2"), {"usage_events": usage}))
    settings = Settings(url, f"sqlite:///{tmp_path / 'ledger.sqlite'}", tmp_path / "out")
    pipeline.audit(settings, WEEK, now=NOW)
    env = {"AUDITS_WAREHOUSE_URL": url, "AUDITS_LEDGER_URL": settings.ledger_url}
    asked = ["coverage", "--period", WEEK.id, "--rule", "R14", "--format", "jsonl"]
    told = CliRunner().invoke(app, asked, env=env)
    assert told.exit_code == 0, told.output
    assert {json.loads(line)["verdict"] for line in told.stdout.splitlines()} == {verdict}


def test_a_gateways_address_links_nobody(url: str, tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(12)]
    same = GATEWAY | {"ip_country": "US", "system_prompt_hash": "9" * 16}
    used = {
        "usage_events": [
            row | same for n, name in enumerate(names) for row in events(name, "2026-10-06", 450, hour=2 * n)
        ]
    }
    alone = [f"other{n}" for n in range(40)]
    others = {"usage_events": [row for name in alone for row in events(name, "2026-10-06", 20, source_system="other")]}
    people = [account(name, tier) for name, tier in [*((n, "free") for n in names), *((n, "build") for n in alone)]]
    put(url, together(REFERENCE, *people, used, others))
    settings = Settings(url, f"sqlite:///{tmp_path / 'ledger.sqlite'}", tmp_path / "out")
    pipeline.audit(settings, WEEK, now=NOW)
    with warehouse(url) as opened, opened.begin() as connection:
        assert connection.execute(select(group_members.c.account_id)).all() == []
