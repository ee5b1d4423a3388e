"""Quality: may a day's data be judged at all?

In: a day's events. Out: one profile row an hour and source, the ids that are set aside
(:mod:`audits.quality.quarantine`) and a verdict for each day and source: good, degraded (named rules become
not evaluated) or blocked.
"""

from audits.quality.profile import forget
from audits.quality.raw_text import SIGN_INS
from audits.quality.rejected import impossible_rows, not_loaded
from audits.quality.verdict import DayVerdict, Reason, Verdict, behind_gateway, blocked, judge, recorded

__all__ = [
    "SIGN_INS",
    "DayVerdict",
    "Reason",
    "Verdict",
    "behind_gateway",
    "blocked",
    "forget",
    "impossible_rows",
    "judge",
    "not_loaded",
    "recorded",
]
