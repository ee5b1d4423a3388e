"""Adequacy: a rule is changed a little, again and again, and its cases must notice every change.

In: a rule with its cases. Out: how many of the changed rules (mutants) a case told from the real one. A comparison or
a limit that can be changed without any case failing is one that nobody has proved. A change that cannot matter is
excused by a comment on its line of rule.py, rule.sql or rule.yaml, with the reason:
``# adequacy: equivalent, because ...``.
"""

from audits.rules.adequacy.mutants import KINDS, REQUIRED, Mutant, mutants_of
from audits.rules.adequacy.score import Score, adequacy_of

__all__ = ["KINDS", "REQUIRED", "Mutant", "Score", "adequacy_of", "mutants_of"]
