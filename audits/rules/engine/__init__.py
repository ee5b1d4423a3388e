"""What every rule lives by: who is audited, under which limits, what is missing, and the verdict on each cell.

:mod:`audits.rules.engine.base` says what a rule is, :mod:`audits.rules.engine.evaluate` evaluates them.
"""
