"""One prepared world a worker: back-tests only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from audits.settings import Settings
from audits.warehouse.tables import SOURCE_SCHEMA, source_metadata
from tests.backtest.world import OCTOBER, WEEKS, fill, prepared


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """October 2026 and three of its weeks, prepared on DuckDB."""
    folder = tmp_path_factory.mktemp("backtest")
    url = f"duckdb:///{folder / 'usage.duckdb'}"
    engine = create_engine(url).execution_options(schema_translate_map={SOURCE_SCHEMA: None})
    source_metadata.create_all(engine)
    engine.dispose()
    fill(url)
    return prepared(url, folder, OCTOBER, *WEEKS)


@pytest.fixture
def environment(world: Settings, tmp_path: Path) -> dict[str, str]:
    """What an operator's shell has; ledger and reports are this test's own."""
    return {
        "AUDITS_WAREHOUSE_URL": world.warehouse_url,
        "AUDITS_LEDGER_URL": f"sqlite:///{tmp_path / 'ledger.sqlite'}",
        "AUDITS_OUT": str(tmp_path / "out"),
        "AUDITS_POLICY": "",
        "COLUMNS": "120",
    }
