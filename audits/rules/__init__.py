"""Rules: each a folder that says what it looks for (rule.yaml), how (rule.py) and proves it (cases.yaml).

In: rollups, groups and the policy book. Out: for every customer and rule a verdict (compliant, violating, not
applicable, indeterminate with its reason) and for every violating subject a finding. The base that every rule lives
by is :mod:`audits.rules.base`; :mod:`audits.rules.evaluate` asks all rules about one period.
"""
