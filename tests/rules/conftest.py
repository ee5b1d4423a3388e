"""Stages on which rules' cases are played: one DuckDB warehouse and one PostgreSQL database a worker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from audits.rules.cases import DuckStage, PostgresStage

MEMORY = Path("/dev/shm")
ROOM = 256 * 1024**2  # bytes, far more than a case writes


@pytest.fixture(scope="session")
def duck_stage() -> Iterator[DuckStage]:
    """In memory where the system offers a file system there: a case commits ten times, and the disk is waited for."""
    memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    with tempfile.TemporaryDirectory(prefix="audits-cases-", dir=MEMORY if memory else None) as folder:
        stage = DuckStage(Path(folder))
        yield stage
        stage.close()


@pytest.fixture(scope="session")
def postgres_stage(postgres_server: str) -> Iterator[PostgresStage]:
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE rule_cases")
    stage = PostgresStage(f"{postgres_server}/rule_cases")
    yield stage
    stage.close()
