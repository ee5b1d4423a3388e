"""Quality: may a day's data be judged at all?

In: a day's events. Out: one profile row an hour and source, the ids that are set aside
(:mod:`audits.quality.quarantine`) and a verdict for each day and source: good, degraded (named rules become
indeterminate) or blocked.
"""

from audits.quality.verdict import DayVerdict, Reason, Verdict, blocked, judge, recorded

__all__ = ["DayVerdict", "Reason", "Verdict", "blocked", "judge", "recorded"]
