"""Labelled worlds on the contract's tables: benign customers, look-alikes, campaigns, breaches and data faults.

In: a :class:`WorldSpec`. Out: a DuckDB file with exactly the contract's tables, and a file of labels beside it that
the audit never sees.
"""

from audits.proving.world.build import build_world
from audits.proving.world.spec import DEMO, Breach, Campaign, LookAlike, WorldSpec, WorldSummary

__all__ = ["DEMO", "Breach", "Campaign", "LookAlike", "WorldSpec", "WorldSummary", "build_world"]
