"""The policy book: clauses, tiers, limits, territories, settings and exceptions, each with the days on which it holds.

In: a folder of YAML files (the shipped one is ``book/`` beside this file). Out: a :class:`Book` that says what was in
force for a rule, a tier and a day, with the digest that names it on every run, finding and report.
"""

from audits.policy.errors import PolicyError, Problem
from audits.policy.load import load_book
from audits.policy.model import Book
from audits.policy.rows import (
    BookSettings,
    Clause,
    EntitlementRow,
    LimitRow,
    PolicyException,
    QualityLimit,
    StandingRule,
    Status,
    Subscription,
    TerritoryRow,
    Tier,
)

__all__ = [
    "Book",
    "BookSettings",
    "Clause",
    "EntitlementRow",
    "LimitRow",
    "PolicyError",
    "PolicyException",
    "Problem",
    "QualityLimit",
    "StandingRule",
    "Status",
    "Subscription",
    "TerritoryRow",
    "Tier",
    "load_book",
]
