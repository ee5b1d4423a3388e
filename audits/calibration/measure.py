"""What a rule measures of accounts that it does not find: it is asked with the limit in question at zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from audits.rules.asking import Asking
from audits.rules.base import Found, Rule
from audits.rules.evaluate import evaluate

Member = tuple[str, str]
"""An account under a tier."""

_JUDGED = ("compliant", "violating")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One limit in one period: the measured value of every account that the rule could judge; 0 where it saw none."""

    values: Mapping[Member, float]
    error: str = ""


def measure(connection: Connection, asking: Asking, rule: Rule, limit: str) -> Measurement:
    """The values that ``limit`` is compared with, of accounts; what groups do together is measured on no account."""
    how = rule.spec.parameters[limit].measured
    if how is None:
        raise ValueError(f"{rule.id} does not say how {limit} is measured")
    lowered = dict.fromkeys((limit, *how.without), 0)
    scope = asking.scope(rule)
    at_zero = tuple(replace(row, values={**row.values, **lowered}) for row in scope.limits)
    evaluation = evaluate(connection, rule, replace(scope, limits=at_zero), asking.population)
    judged = {(cell.customer_id, cell.tier) for cell in evaluation.cells if cell.verdict in _JUDGED}
    tiers = {row.tier for row in scope.limits}
    everyone = {
        (account.account_id, account.tier): 0.0
        for account in asking.population.accounts
        if account.used and account.tier in tiers and (account.customer_id, account.tier) in judged
    }
    return Measurement(everyone | _of_accounts(evaluation.found, how.by, everyone), evaluation.error)


def largest(parts: Iterable[Mapping[Member, float]]) -> dict[str, list[float]]:
    """Tier -> one value an account: the largest of all periods."""
    most: dict[Member, float] = defaultdict(float)
    for values in parts:
        for member, value in values.items():
            most[member] = max(most[member], value)
    by_tier: dict[str, list[float]] = defaultdict(list)
    for (_, tier), value in sorted(most.items()):
        by_tier[tier].append(value)
    return dict(by_tier)


def _of_accounts(found: Sequence[Found], by: str, everyone: Mapping[Member, float]) -> dict[Member, float]:
    values: dict[Member, float] = {}
    for one in found:
        value = one.observed.get(by)
        if one.subject_type == "group" or not isinstance(value, int | float):
            continue
        for account in one.account_ids:
            if (account, one.tier) in everyone:
                values[account, one.tier] = max(float(value), values.get((account, one.tier), 0.0))
    return values
