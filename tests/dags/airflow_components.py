"""Airflow as it runs in earnest: its components as processes of their own on the loopback, stopped by process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from audits.ledger import Run, open_ledger
from audits.settings import Settings

DAGS = Path(__file__).parents[2] / "dags"
BIN = Path(sys.executable).parent
PATIENCE = 240.0  # seconds for anything that is waited for; a machine under load is slow, not wrong
ENDED = "ZX"  # the states of a process that has ended, in /proc/<pid>/stat
LISTEN = "0A"  # the state of a listening socket in /proc/net/tcp


def environment(folder: Path) -> dict[str, str]:
    """The environment of an Airflow and an audit that live in a folder; no setting of the caller's gets in."""
    home = folder / "airflow"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AUDITS"))}
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AUDITS_WAREHOUSE_URL": f"duckdb:///{folder / 'usage.duckdb'}",
        "AUDITS_OUT": str(folder / "out"),
    }


def run(env: Mapping[str, str], *command: str) -> str:
    """What a command prints; Airflow reads its settings once a process, so each gets a process of its own."""
    try:
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], env=env, capture_output=True, text=True, check=True, timeout=PATIENCE
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = [part.decode() if isinstance(part, bytes) else part for part in (error.stdout, error.stderr) if part]
        raise AssertionError("\n".join([str(error), *(part[-6000:] for part in said)])) from None
    return done.stdout


def ledger_runs(env: Mapping[str, str]) -> list[tuple[str, str, str, int, str]]:
    """Every run in the ledger: period, first day, end day (exclusive), revision and status."""
    with open_ledger(Settings.from_env(env).ledger_url) as books, books.session() as session:
        return sorted(
            (run.period, str(run.first_day), str(run.end_day), run.revision, run.status)
            for run in session.scalars(select(Run))
        )


@dataclass
class Airflow:
    """A running Airflow. ``heard`` collects every address that one of its processes was seen to listen on."""

    env: dict[str, str]
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)

    @property
    def pids(self) -> list[int]:
        """Every process of the components: each was started as a session of its own, which its children stay in.

        One that has ended and waits for its parent to take note is none any more.
        """
        sessions = {process.pid for process in self.processes.values()}
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, session = _state_and_session(stat.read_text())
                if session in sessions and state not in ENDED:
                    found.append(int(stat.parent.name))
            except OSError:  # it has ended meanwhile
                continue
        return found

    @property
    def home(self) -> Path:
        """The AIRFLOW_HOME, with a log for each component and task."""
        return Path(self.env["AIRFLOW_HOME"])

    def get(self, path: str) -> Any:
        """What the API answers."""
        base = f"http://127.0.0.1:{self.port}"
        with urllib.request.urlopen(f"{base}/auth/token", timeout=60) as answer:
            token = json.load(answer)["access_token"]
        request = urllib.request.Request(f"{base}/api/v2/{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Wait until ``done``; a component that has ended, or patience that has, fails with what the logs say."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.heard |= set(listening(self.pids))
            try:
                if done():
                    return
            except OSError:
                pass  # not up yet, or busy
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"waited for {what}; ended: {ended}\n{self.logs()}")
            time.sleep(0.5)

    def logs(self) -> str:
        """The last errors in each log, of components and tasks."""
        said = []
        for file in sorted([*self.home.glob("*.log"), *self.home.glob("logs/**/*.log")]):
            errors = [line[:1500] for line in file.read_text("utf-8", "replace").splitlines() if "rror" in line]
            said += [f"== {file.relative_to(self.home)}", *errors[-3:]] if errors else []
        return "\n".join(said)


@contextmanager
def running(env: Mapping[str, str], metadata_url: str) -> Iterator[Airflow]:
    """An api-server, a DAG processor and a scheduler with LocalExecutor; no schedule creates a run of itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    airflow = Airflow(
        {
            **env,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata_url,  # else Airflow asks for asyncpg
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__API__SECRET_KEY": "for-the-length-of-a-test",
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-the-length-of-a-test-and-no-longer-than-that-0123456789abcdef",
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        },
        port,
    )
    run(airflow.env, "airflow", "db", "migrate")
    components = {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(port)],
        "dag-processor": ["dag-processor"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
    }
    try:
        for name, arguments in components.items():
            with (airflow.home / f"{name}.log").open("wb") as log:
                airflow.processes[name] = subprocess.Popen(
                    [BIN / "airflow", *arguments], env=airflow.env, stdout=log, stderr=log, start_new_session=True
                )
        airflow.wait("every component to be healthy", lambda: _healthy(airflow.get("monitor/health")))
        yield airflow
    finally:
        _stop(airflow)


def _healthy(health: Mapping[str, Mapping[str, str | None]]) -> bool:
    return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def _stop(airflow: Airflow) -> None:
    """End every component; what does not end in time is killed, each by its id."""
    for process in airflow.processes.values():
        process.terminate()
    deadline = time.monotonic() + 20
    for process in airflow.processes.values():
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    deadline = time.monotonic() + 20
    while (left := airflow.pids) and time.monotonic() < deadline:  # a signal takes a moment to work
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _state_and_session(stat: str) -> tuple[str, int]:
    fields = stat.rpartition(")")[2].split()  # pid (name) STATE parent group SESSION
    return fields[0], int(fields[3])


def listening(pids: list[int]) -> Iterator[str]:
    """The local addresses, as ``ADDRESS:PORT``, on which these processes listen."""
    sockets = set()
    for pid in pids:
        try:
            sockets |= {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
        except OSError:
            continue
    for family, table in ((socket.AF_INET, "/proc/net/tcp"), (socket.AF_INET6, "/proc/net/tcp6")):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTEN and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
                yield f"{socket.inet_ntop(family, b''.join(words))}:{int(port, 16)}"
