"""The policy book: clauses, tiers, limits, territories, settings and exceptions, each with the days on which it holds.

In: a folder of YAML files (the shipped one is ``book/`` beside this file). Out: a :class:`Book` that says what was in
force for a rule, a tier and a day, with the digest that names it on every run, finding and report.
"""

from audits.policy.copy_out import init_book
from audits.policy.diff import Change, policy_changes, policy_diff
from audits.policy.errors import PolicyError, Problem
from audits.policy.kinds import KINDS
from audits.policy.load import SHIPPED, load_book
from audits.policy.model import Book
from audits.policy.rows import (
    BookSettings,
    Clause,
    Combination,
    EntitlementRow,
    LimitRow,
    OpenLinks,
    PolicyException,
    QualityLimit,
    StandingRule,
    Status,
    Subscription,
    TerritoryRow,
    Tier,
)
from audits.policy.schema import json_schema
from audits.policy.show import ShownRow, policy_show

__all__ = [
    "KINDS",
    "SHIPPED",
    "Book",
    "BookSettings",
    "Change",
    "Clause",
    "Combination",
    "EntitlementRow",
    "LimitRow",
    "OpenLinks",
    "PolicyError",
    "PolicyException",
    "Problem",
    "QualityLimit",
    "ShownRow",
    "StandingRule",
    "Status",
    "Subscription",
    "TerritoryRow",
    "Tier",
    "init_book",
    "json_schema",
    "load_book",
    "policy_changes",
    "policy_diff",
    "policy_show",
]
