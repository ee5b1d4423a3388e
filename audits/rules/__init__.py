"""Rules: what each looks for (rule.yaml), its query (rule.py) and its proof (cases.yaml), one folder a rule.

In: rollups, groups and the policy book. Out: for every customer and rule a verdict (compliant, violating, not
applicable, not evaluated with its reason) and for every violating subject a finding. The base that every rule lives
by is :mod:`audits.rules.engine.base`; :mod:`audits.rules.engine.evaluate` asks all rules about one period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audits.periods import Period
    from audits.policy import Book
    from audits.rules.engine.base import Rule


def is_asked(rule: Rule, book: Book, period: Period) -> bool:
    """Whether a rule is evaluated for a period: active or in shadow at its end, by the book or by its own status."""
    return (book.rule_status(rule.id, period.last_day) or rule.spec.status) in ("active", "shadow")
