"""Calibration: limits that fit an operator's own customers, proposed as a change to the policy book.

In: rollups of some past weeks, the policy book, and from the ledger the accounts with open or confirmed findings, which
are left out. Out: for every limit whose rule can tell its measured value the 99.5th percentile of the tier's benign
accounts (of groups where it is theirs), and max(what the book says, that percentile) as a proposal; of a limit up to
which something is found the 0.5th, and the lower one. Nothing is recorded; a person changes the book.
"""

from audits.calibration.benign import suspected_accounts
from audits.calibration.calibrate import QUANTILE, calibrate, weeks_until
from audits.calibration.result import Calibration, LimitFigure, Piece

__all__ = [
    "QUANTILE",
    "Calibration",
    "LimitFigure",
    "Piece",
    "calibrate",
    "suspected_accounts",
    "weeks_until",
]
