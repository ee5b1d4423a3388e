"""Two audits at once on one PostgreSQL warehouse: one waits for the other, and nothing is doubled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select

from audits.ledger import open_ledger
from audits.ledger.models import FindingRow, Run
from audits.settings import Settings
from tests.rows import loud_world, put

AT = ("--now", "2026-11-10")
MONTH = ("run", "--period", "2026-10", *AT)
WEEK = ("run", "--period", "2026-W41", *AT)
BACKFILL = ("backfill", "--from", "2026-10-05", "--to", "2026-10-06", *AT)
PAIRS = {
    "the same month": (MONTH, MONTH),
    "a month beside a week": (MONTH, WEEK),
    "two back-fills": (BACKFILL, BACKFILL),
}


def start(settings: Settings, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    """The command as Airflow or a user would run it, in a process of its own."""
    env = os.environ | {
        "AUDITS_WAREHOUSE_URL": settings.warehouse_url, "AUDITS_LEDGER_URL": settings.ledger_url,
        "AUDITS_OUT": str(settings.out),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", "from audits.cli import main; main()", *arguments],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def at_once(settings: Settings, pair: tuple[tuple[str, ...], ...]) -> list[str]:
    """Run commands at the same time; each ends well, and what each said is returned."""
    processes = [start(settings, arguments) for arguments in pair]
    said = [process.communicate(timeout=600)[0] for process in processes]
    for process, text in zip(processes, said, strict=True):
        assert "Traceback" not in text, text
        assert process.returncode == 0, text
    return said


def counts(settings: Settings) -> dict[str, int]:
    """Rows of every table of the audit's own schema."""
    with psycopg.connect(settings.warehouse_url) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'audit'"
            )
        ]
        return {name: connection.execute(f"SELECT count(*) FROM audit.{name}").fetchone()[0] for name in names}


def recorded(settings: Settings) -> list[tuple[str, int, int]]:
    """Period, revision and number of findings of every run."""
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        n = select(func.count()).where(FindingRow.run_id == Run.id).scalar_subquery()
        return [tuple(row) for row in session.execute(select(Run.period, Run.revision, n).order_by(Run.period))]


def play(postgres_server: str, folder: Path, pair: str, name: str) -> None:
    """The commands at once in one database, and one after the other in another: the same is left behind."""
    left = []
    for way in ("together", "apart"):
        database = f"at_once_{list(PAIRS).index(pair)}_{name}_{way}"
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as server:
            server.execute(f"CREATE DATABASE {database}")
        url = f"{postgres_server}/{database}"
        put(url, loud_world())
        ledger = f"{postgres_server}/{database}"
        settings = Settings(warehouse_url=url, ledger_url=ledger, out=folder / way)
        if way == "together":
            at_once(settings, PAIRS[pair])
        else:
            for arguments in PAIRS[pair]:
                at_once(settings, (arguments,))
        left.append((recorded(settings), counts(settings)))
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as server:
            server.execute(f"DROP DATABASE {database} WITH (FORCE)")
    assert left[0] == left[1]
    assert left[0][0]


@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_doubled(postgres_server, tmp_path, pair):
    play(postgres_server, tmp_path, pair, "once")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_doubled_twenty_times(postgres_server, tmp_path, pair, number):
    play(postgres_server, tmp_path, pair, f"{number}")
