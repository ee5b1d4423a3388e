"""Back-tests: who would gain or lose findings, or see another severity, if a rule or the policy book were another.

In: rollups and groups as they were recorded for past periods, the book in force and a proposed one. Out: a
:class:`~audits.backtest.result.BackTest`, pure data. Nothing is prepared and nothing is recorded; events are read only
by rules that need them as rows in an audit too.
"""

from audits.backtest.propose import Law, Proposal, propose_book, propose_limits
from audits.backtest.result import BackTest, Change, Concerned, Counts, PeriodOutcome, RuleOutcome, TierOutcome
from audits.backtest.run import run_backtest

__all__ = [
    "BackTest",
    "Change",
    "Concerned",
    "Counts",
    "Law",
    "PeriodOutcome",
    "Proposal",
    "RuleOutcome",
    "TierOutcome",
    "propose_book",
    "propose_limits",
    "run_backtest",
]
