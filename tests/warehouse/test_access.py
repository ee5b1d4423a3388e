"""One audit at a time writes the audit's own schema; whoever comes in between waits, and says for whom."""

import subprocess
import sys
import threading
import time

import psycopg
import pytest
from sqlalchemy import text

from audits.errors import PartialError
from audits.warehouse import access, warehouse
from tests.rows import REFERENCE, account, events, put, together

WORLD = together(account("a"), REFERENCE, {"usage_events": events("a", "2026-10-05", 3)})
HOLD = """
import sys, time
from audits.warehouse import warehouse
with warehouse(sys.argv[1], write=True):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def url(url: str) -> str:
    put(url, WORLD)
    return url


@pytest.fixture
def holder(url: str):
    """Another process that has the audit's own schema for itself; it ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("write", [True, False])
def test_who_comes_while_another_process_writes_waits_and_says_so(url, holder, write):
    told: list[str] = []
    timer = threading.Timer(0.5, holder.kill)
    timer.start()
    with warehouse(url, write=write, tell=told.append) as opened, opened.begin() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    timer.join()
    assert len(told) == 1
    assert told[0].startswith("Waiting for another audit on this warehouse: ")
    assert "process " in told[0]


def test_patience_ends_with_what_to_do(url, holder, monkeypatch):
    monkeypatch.setattr(access, "PATIENCE", 0.3)
    with pytest.raises(PartialError) as caught, warehouse(url, write=True):
        pass
    assert "process " in caught.value.what
    assert "run the same command again" in caught.value.fix


def test_readers_share(url):
    with warehouse(url, write=True):
        pass
    began = time.monotonic()
    with warehouse(url), warehouse(url):
        pass
    assert time.monotonic() - began < access.PATIENCE / 100


def test_the_lock_ends_with_the_warehouse_and_with_its_session(postgres_url):
    put(postgres_url, WORLD)
    told: list[str] = []
    with (
        warehouse(postgres_url, write=True, tell=told.append),
        psycopg.connect(postgres_url, autocommit=True) as other,
    ):
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    with warehouse(postgres_url, write=True, tell=told.append):
        pass
    assert told == []
