"""Linkage: which accounts act or were made as one.

In: dimensions and rollups. Out: ``group_members``, the groups as they stand at the end of a period, with the evidence
of every edge. A group is no finding; what it does is judged by the rules.
"""

from audits.linkage.link import link
from audits.linkage.params import Params
from audits.linkage.report import HeldBack, Hub, LinkReport

__all__ = ["HeldBack", "Hub", "LinkReport", "Params", "link"]
