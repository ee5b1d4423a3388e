"""Stages on which rules' cases are played: one DuckDB warehouse and one PostgreSQL database a worker."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from audits.rules.cases import DuckStage, PostgresStage


@pytest.fixture(scope="session")
def duck_stage() -> Iterator[DuckStage]:
    stage = DuckStage()
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def postgres_stage(postgres_server: str) -> Iterator[PostgresStage]:
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE rule_cases")
    stage = PostgresStage(f"{postgres_server}/rule_cases")
    yield stage
    stage.close()
