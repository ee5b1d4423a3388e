"""Standing: how findings become a customer's state (good, watch, restricted, suspended-recommended), and its history.

In: the ledger alone. Out: the state on a day, the findings behind it in words that may be said aloud, and every change.
A state is derived each time and never stored: a decision, a restatement or a later audit changes it by itself.
"""

from audits.standing.derive import standing_of
from audits.standing.model import Change, Reason, Standing
from audits.standing.states import STATES, State, weighs

__all__ = ["STATES", "Change", "Reason", "Standing", "State", "standing_of", "weighs"]
