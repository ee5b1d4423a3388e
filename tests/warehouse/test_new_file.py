"""A first load that is cut off leaves nothing behind that stands in the next one's way."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from audits.errors import AuditsError
from audits.sources.load import load
from audits.warehouse.engines import warehouse
from audits.warehouse.new_file import make_file
from tests.sources.test_load import NOW, SPANS

FULL_AT = (0, 1, 4096, 8192, 12287)
"""Bytes of a file at which the disk is full: DuckDB begins one with three headers of 4,096."""


def load_on_a_full_disk(path: Path, size: int) -> subprocess.CompletedProcess[str]:
    def bound() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-c", "from audits.cli import main; main()", "source", "load", "otel", *SPANS.paths]
    env = os.environ | {"AUDITS_WAREHOUSE_URL": f"duckdb:///{path}"}
    return subprocess.run(command, check=False, env=env, preexec_fn=bound, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("size", FULL_AT)
def test_after_a_full_disk_the_same_load_goes_on(tmp_path: Path, size: int) -> None:
    path = tmp_path / "usage.duckdb"
    done = load_on_a_full_disk(path, size)
    assert done.returncode == 2
    assert "There is no space left for the warehouse" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert load(SPANS, f"duckdb:///{path}", now=NOW).loaded == 14


@pytest.mark.parametrize("size", FULL_AT)
def test_the_beginning_of_a_database_is_made_anew_and_told_by_what_reads_it(tmp_path: Path, size: int) -> None:
    whole, path = tmp_path / "whole.duckdb", tmp_path / "usage.duckdb"
    make_file(whole)
    path.write_bytes(whole.read_bytes()[:size] if size > 11 else b"")
    with pytest.raises(AuditsError, match="is empty: making it was cut off") as caught, warehouse(f"duckdb:///{path}"):
        pass
    assert "audits source load" in caught.value.fix
    assert load(SPANS, f"duckdb:///{path}", now=NOW).loaded == 14


@pytest.mark.parametrize("content", [b"a", b"my notes, short as they are", b"my notes " * 4000])
def test_a_file_that_is_somebody_s_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "usage.duckdb"
    path.write_bytes(content)
    with pytest.raises(AuditsError):
        load(SPANS, f"duckdb:///{path}", now=NOW)
    assert path.read_bytes() == content


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "usage.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
    make_file(path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT n FROM mine").fetchall() == [(1,)]


@pytest.mark.parametrize("size", [0, 4096])
def test_the_beginning_of_a_rollups_file_is_set_aside(tmp_path: Path, size: int) -> None:
    path, rollups = tmp_path / "usage.duckdb", tmp_path / "usage.rollups.duckdb"
    load(SPANS, f"duckdb:///{path}", now=NOW)
    rollups.write_bytes(path.read_bytes()[:size])
    with warehouse(f"duckdb:///{path}", write=True) as opened:
        assert opened.writable
