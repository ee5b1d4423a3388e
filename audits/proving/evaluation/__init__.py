"""Measuring the audit on labelled worlds.

In: named worlds. Each is built, audited by the real pipeline, and held against its labels. Out: an
:class:`Evaluation`, as data, as JSON and as one page.
"""

from audits.proving.evaluation.result import Evaluation, as_json, evaluate
from audits.proving.evaluation.run import audit_world

__all__ = ["Evaluation", "as_json", "audit_world", "evaluate"]
