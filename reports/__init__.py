"""Compliance reports: what a report says as data (`model`), how it looks (`formats`), where it goes (`delivery`).

In: the ledger, and nothing else. Out: ``<out>/<period>/r<revision>/<tier>/`` with a page, a table and JSON lines, an
index over everything, and a manifest that seals a revision and can be verified offline. The same ledger gives the same
bytes; a replaced revision stays as it was when its successor was recorded.
"""

from reports.backtest import write_backtest
from reports.files import publishing
from reports.manifest import Problem, verify
from reports.ownership import (
    missing_reports,
    require_own,
    require_own_folder,
    revision_folders,
    seal_problems,
    sealed_folders,
)
from reports.render import Published, index_problems, publish, render_index, render_tier, seal

__all__ = [
    "Problem", "Published", "index_problems", "missing_reports", "publish", "publishing", "render_index", "render_tier",
    "require_own", "require_own_folder", "revision_folders", "seal", "seal_problems", "sealed_folders", "verify",
    "write_backtest",
]  # fmt: skip
