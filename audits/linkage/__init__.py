"""Linkage: which accounts act or were made as one.

In: dimensions and rollups. Out: ``group_members``, the groups as they stand at the end of a period, with the evidence
of every edge, and how far one network, organisation or payer holds each group in the open. A group is no finding; what
it does is judged by the rules.

The groups are made by joining on shared identifiers, each weighted by how few parties share it, with behaviour compared
inside candidate blocks. How well that does, and why it is not record linkage, is measured in
docs/decisions/0009-linkage-of-our-own-instead-of-record-linkage.md.
"""

from audits.linkage.link import link
from audits.linkage.params import Params
from audits.linkage.report import HeldBack, Hub, LinkReport

__all__ = ["HeldBack", "Hub", "LinkReport", "Params", "link"]
