"""An Airflow of one's own in a temporary folder, and a small world to audit with it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from airflow_components import environment

from audits.proving.world import WorldSpec, build_world


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A DuckDB warehouse: a few customers over August, September and October 2026."""
    spec = WorldSpec(seed=7, start=date(2026, 8, 1), days=92, customers=25, volume=0.02, release_day=40)
    return build_world(spec, tmp_path / "usage.duckdb").path


@pytest.fixture
def airflow_env(tmp_path: Path) -> dict[str, str]:
    """The environment of an Airflow and an audit that live in ``tmp_path``."""
    return environment(tmp_path)
