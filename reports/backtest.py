"""Writing a back-test's page and data into a folder that the caller names."""

from __future__ import annotations

from pathlib import Path

from audits.backtest.result import BackTest
from reports import files
from reports.formats import backtest

PAGE, DATA = "backtest.html", "backtest.json"


def write_backtest(result: BackTest, folder: Path) -> tuple[Path, ...]:
    """Write page and data, and return the files; the same back-test gives the same bytes."""
    return files.write(folder / PAGE, backtest.page(result)), files.write(folder / DATA, backtest.as_json(result))
