"""Compliance reports: what a report says as data (`model`), how it looks (`formats`), where it goes (`delivery`).

In: the ledger, and nothing else. Out: ``<out>/<period>/r<revision>/<tier>/`` with a page, a table and JSON lines, an
index over everything, and a manifest that seals a revision and can be verified offline. The same ledger gives the same
bytes; a replaced revision stays as it was when its successor was recorded.
"""

from reports.backtest import write_backtest
from reports.manifest import Problem, verify
from reports.render import render_index, render_tier, seal

__all__ = ["Problem", "render_index", "render_tier", "seal", "verify", "write_backtest"]
