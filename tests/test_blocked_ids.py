"""What blocks a day may stand where an account's id belongs: nothing of it is kept or shown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner

from audits import pipeline
from audits.cli import app
from audits.periods import Period
from audits.settings import Settings
from tests.rows import REFERENCE, account, events, put, together

DAY = Period.parse("2026-10-05")
NOW = datetime(2026, 10, 20, tzinfo=UTC)
RAW = (
    "sk-proj-Ab3dEfGhIjKlMnOpQrStUv0123456789",
    "alice@example.com",
    "203.0.113.7",
    "2001:db8::1",
    "+14155550123",
    "Please summarise the confidential merger memo?",
    "秘密の合併に関するメモを要約してください",
)


def test_raw_account_ids_are_kept_nowhere(duckdb_warehouse: str, tmp_path: Path) -> None:
    raw = [events("x", "2026-10-05", 1)[0] | {"event_id": f"e{n}", "account_id": one} for n, one in enumerate(RAW)]
    put(duckdb_warehouse, together(REFERENCE, account("a1"), {"usage_events": [*raw, *events("a1", "2026-10-05", 5)]}))
    settings = Settings(duckdb_warehouse, f"sqlite:///{tmp_path / 'ledger.sqlite'}", tmp_path / "out")
    said: list[str] = []
    outcome = pipeline.audit(settings, DAY, now=NOW, tell=said.append)
    env = {"AUDITS_WAREHOUSE_URL": duckdb_warehouse, "AUDITS_LEDGER_URL": settings.ledger_url, "AUDITS_OUT": "out"}
    told = CliRunner().invoke(app, ["coverage", "--period", DAY.id, "--format", "jsonl"], env=env)
    assert told.exit_code == 0
    assert told.stdout.count("md5:") >= len(RAW)  # they are accounted for, each by itself
    shown = "\n".join([*said, *outcome.notes, told.stdout])
    kept = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "usage.duckdb"}
    assert {file.suffix for file in kept} >= {".sqlite", ".html", ".duckdb"}
    for one in RAW:
        assert one not in shown
        assert [file for file, content in kept.items() if one.encode() in content] == []
