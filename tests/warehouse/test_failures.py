"""A part that fails is named, with what was kept and what to do; no command answers with a traceback."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from audits import pipeline
from audits.cli import main
from audits.errors import AuditsError, PartialError
from audits.periods import Period
from audits.settings import Settings
from audits.warehouse.engines import warehouse
from audits.warehouse.rollups_file import RollupsSetAsideError
from tests.rows import loud_world, put
from tests.test_pipeline import NOW, OCTOBER, findings, settings_for

COMMANDS = (
    ("run", "--period", "2026-10", "--now", "2026-11-10"),
    ("backfill", "--from", "2026-10", "--to", "2026-10", "--now", "2026-11-10"),
    ("backfill", "--from", "2026-10", "--to", "2026-10", "--plan", "--now", "2026-11-10"),
    ("backtest", "--rule", "R01", "--set", "build.requests_a_day=400", "--from", "2026-10", "--to", "2026-10"),
    ("policy", "calibrate", "--weeks", "1"),
    ("doctor",),
)
"""Every command that opens the warehouse."""


@pytest.fixture
def settings(duckdb_warehouse: str, tmp_path: Path) -> Settings:
    put(duckdb_warehouse, loud_world())
    return settings_for(duckdb_warehouse, tmp_path)


def audits(settings: Settings, *arguments: str, file_size: int | None = None) -> tuple[int, str]:
    """Exit code and output of the command as a user runs it; ``file_size`` bounds the bytes of every file it writes."""
    env = os.environ | {
        "AUDITS_WAREHOUSE_URL": settings.warehouse_url, "AUDITS_LEDGER_URL": settings.ledger_url,
        "AUDITS_OUT": str(settings.out),
    }  # fmt: skip

    def bound() -> None:
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    done = subprocess.run(
        [sys.executable, "-c", "from audits.cli import main; main()", *arguments],
        check=False, env=env, cwd=settings.out.parent, preexec_fn=bound, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """The same within this process, which is quicker."""

    def run(settings: Settings, *arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("AUDITS_WAREHOUSE_URL", settings.warehouse_url)
        monkeypatch.setenv("AUDITS_LEDGER_URL", settings.ledger_url)
        monkeypatch.setenv("AUDITS_OUT", str(settings.out))
        monkeypatch.setattr(sys, "argv", ["audits", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    return run


def assert_told(done: tuple[int, str], *words: str) -> None:
    """An exit code for a person's mistake or partial work, the words, and no traceback."""
    code, said = done
    assert "Traceback" not in said, said
    assert code in (1, 2), said
    for word in words:
        assert word in said, said


def rollups_of(settings: Settings) -> Path:
    return Path(make_url(settings.warehouse_url).database).with_name("usage.rollups.duckdb")


def overwrite(file: Path, at: float, length: int = 8192) -> None:
    """Write over some bytes of a file, from a share of its length on."""
    with file.open("r+b") as opened:
        opened.seek(int(file.stat().st_size * at))
        opened.write(b"\xa5" * length)


@pytest.mark.parametrize("damage", ["blocks", "cut off", "foreign"])
def test_damaged_rollups_are_moved_aside_and_built_again(settings, damage):
    pipeline.audit(settings, OCTOBER, now=NOW)
    before, file = findings(settings), rollups_of(settings)
    match damage:
        case "blocks":
            overwrite(file, 0.01, int(file.stat().st_size * 0.98))
        case "cut off":
            os.truncate(file, file.stat().st_size // 2)
        case "foreign":
            file.write_text("no database at all")
    told: list[str] = []
    outcome = pipeline.audit(settings, OCTOBER, now=NOW, tell=told.append)
    assert (outcome.revision, outcome.changed) == (1, False)
    assert findings(settings) == before
    assert any("is damaged" in line and "damaged-1" in line for line in told)
    assert file.with_name(f"{file.name}.damaged-1").is_file()


def test_who_only_reads_damaged_rollups_is_told_to_audit_again(settings):
    pipeline.audit(settings, OCTOBER, now=NOW)
    rollups_of(settings).write_text("no database at all")
    with pytest.raises(RollupsSetAsideError) as caught:
        pipeline.evaluate(settings, OCTOBER, now=NOW)
    assert "built again" in caught.value.what
    with pytest.raises(AuditsError) as caught:
        pipeline.evaluate(settings, OCTOBER, now=NOW)
    assert "has not been prepared" in caught.value.what


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_warehouse_that_is_no_database_is_named(settings, command, arguments):
    overwrite(Path(make_url(settings.warehouse_url).database), 0.0)
    assert_told(command(settings, *arguments), "is not a DuckDB database", "from a backup", "AUDITS_WAREHOUSE_URL")


@pytest.mark.parametrize("arguments", [COMMANDS[0], COMMANDS[1], COMMANDS[-1]], ids=lambda one: one[0])
def test_a_warehouse_with_damaged_blocks_is_named(settings, command, arguments):
    file = Path(make_url(settings.warehouse_url).database)
    overwrite(file, 0.01, int(file.stat().st_size * 0.95))
    assert_told(command(settings, *arguments), "warehouse is damaged", "AUDITS_WAREHOUSE_URL")


@pytest.fixture
def load(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "u.csv").write_text("id,at,who,in,out,model\nr1,2026-10-07T10:00:00Z,quiet,10,5,m-1\n")
    (tmp_path / "u.yaml").write_text(
        "system: gateway\ncolumns: {event_id: id, event_ts: at, account_id: who, input_tokens: in, "
        "output_tokens: out, model_requested: model, status_code: {value: 200}, operation: {value: chat}, "
        "content_available: {value: false}}\n"
    )
    return ("source", "load", "file", str(tmp_path / "u.csv"), "--mapping", str(tmp_path / "u.yaml"))


@pytest.mark.parametrize(
    ("url", "says", "fix"),
    [
        ("postgresql://u:hunter2@127.0.0.1:9/x", "warehouse does not answer", "Check that it is running"),
        ("duckdb:///{damaged}", "is not a DuckDB database", "restore it from a backup"),
    ],
)
def test_a_load_names_the_warehouse_that_fails_and_what_to_do(settings, command, load, tmp_path, url, says, fix):
    (tmp_path / "damaged.duckdb").write_bytes(b"no database" * 2_000)
    broken = replace(settings, warehouse_url=url.format(damaged=tmp_path / "damaged.duckdb"))
    done = command(broken, *load)
    assert_told(done, says, fix, "AUDITS_WAREHOUSE_URL")
    assert "hunter2" not in done[1]


def test_no_space_for_what_is_loaded(settings, load, tmp_path):
    rows = (tmp_path / "u.csv").read_text() + "".join(
        f"{'r' * 60}{i},2026-10-07T10:00:00Z,quiet,10,5,m-1\n" for i in range(50_000)
    )
    (tmp_path / "u.csv").write_text(rows)
    size = Path(make_url(settings.warehouse_url).database).stat().st_size
    done = audits(settings, *load, file_size=max(size, (tmp_path / "u.csv").stat().st_size // 8))
    assert_told(done, "no space left for the warehouse", "batches before it are kept")


def test_no_space_for_a_sample(settings):
    done = audits(settings, "demo", "--out", str(settings.out), file_size=200_000)
    assert_told(done, "no space left for the database")


def test_no_space_for_the_rollups(settings):
    done = audits(settings, "run", "--period", "2026-10", "--now", "2026-11-10", file_size=20_000)
    assert_told(done, "no space left for the rollups file", "usage.rollups.duckdb")


def test_a_postgres_that_stops_half_way_is_the_warehouse(postgres_url, tmp_path):
    put(postgres_url, loud_world())
    settings = settings_for(postgres_url, tmp_path)
    with warehouse(postgres_url):  # statements are compiled for the first that a process opens, and shared
        pass

    def stop(stage: str) -> None:
        if stage.startswith("Linking"):
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    with pytest.raises(PartialError) as caught:
        pipeline.audit(settings, Period.parse("2026-10"), now=NOW, tell=stop)
    assert "The warehouse does not answer" in caught.value.what
