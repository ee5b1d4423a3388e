"""What a rule measures of accounts and groups that it does not find: it is asked without the limit in question."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select, true

from audits.rules.engine.base import Found, Measured, Rule
from audits.rules.engine.evaluate import evaluate
from audits.rules.engine.facts import Facts, account_facts
from audits.rules.engine.population import audited_groups
from audits.rules.engine.scope import Scope

Member = tuple[str, str]
"""An account or group under a tier."""

_JUDGED = ("compliant", "violating")
_LIFTED = 1e12
"""An upper limit that hides nobody."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One limit in one period: the measured value of every account or group that the rule could judge.

    It is 0 where the rule saw none, and infinite under an upper limit. ``accounts`` are those that a subject consists
    of.
    """

    values: Mapping[Member, float]
    accounts: Mapping[str, frozenset[str]]
    error: str = ""


def measure(connection: Connection, scope: Scope, facts: Facts, rule: Rule, limit: str) -> Measurement:
    """The values that ``limit`` is compared with; what groups do together is measured on no account."""
    how = rule.spec.parameters[limit].measured
    if how is None:
        raise ValueError(f"{rule.id} does not say how {limit} is measured")
    open_to_all = {name: _open(rule, name) for name in (limit, *how.without)}
    without = tuple(replace(row, values={**row.values, **open_to_all}) for row in scope.limits)
    evaluation = evaluate(connection, rule, replace(scope, limits=without), facts, name_all=True)
    judged = {(cell.customer_id, cell.tier) for cell in evaluation.each() if cell.verdict in _JUDGED}
    tiers = {row.tier for row in scope.limits}
    accounts = {
        (account.account_id, account.tier): frozenset((account.account_id,))
        for account in _accounts(connection, rule, tiers)
        if (account.customer_id, account.tier) in judged
    }
    subjects = accounts if how.of == "account" else _groups(connection, {account for account, _ in accounts})
    unseen = math.inf if how.upper else 0.0
    seen = _seen(evaluation.found, how, subjects)
    return Measurement(
        dict.fromkeys(subjects, unseen) | seen, {name: of for (name, _), of in subjects.items()}, evaluation.error
    )


def furthest(parts: Iterable[Mapping[Member, float]], *, upper: bool) -> dict[str, list[float]]:
    """Tier -> one value an account or group: the most suspicious of all periods."""
    worst: dict[Member, float] = {}
    for values in parts:
        for member, value in values.items():
            worst[member] = (min if upper else max)(value, worst.get(member, value))
    by_tier: dict[str, list[float]] = defaultdict(list)
    for (_, tier), value in sorted(worst.items()):
        by_tier[tier].append(value)
    return dict(by_tier)


def _open(rule: Rule, limit: str) -> float:
    how = rule.spec.parameters[limit].measured
    return _LIFTED if how and how.upper else 0


def _accounts(connection: Connection, rule: Rule, tiers: set[str]) -> Sequence[Any]:
    """The accounts of some tiers that the rule speaks of: those with usage, where it judges usage."""
    f = account_facts.c
    used = f.used if rule.spec.needs.usage else true()
    return connection.execute(
        select(f.account_id, f.customer_id, f.tier)
        .where(f.audited, f.tier.in_(sorted(tiers)), used)
        .order_by(f.account_id, f.tier, f.customer_id)
    ).all()


def _groups(connection: Connection, judged: set[str]) -> dict[Member, frozenset[str]]:
    """The groups of which an account could be judged, with their accounts."""
    g = audited_groups.c
    members: dict[Member, set[str]] = defaultdict(set)
    for row in connection.execute(select(g.group_id, g.tier, g.account_id)):
        members[row.group_id, row.tier].add(row.account_id)
    return {group: frozenset(accounts) for group, accounts in sorted(members.items()) if accounts & judged}


def _seen(found: Sequence[Found], how: Measured, subjects: Mapping[Member, frozenset[str]]) -> dict[Member, float]:
    """The value of each subject of which the rule tells one; what lower tiers of a group do is theirs."""
    worse = min if how.upper else max
    known = {name for name, _ in subjects}
    values: dict[Member, float] = {}
    for one in found:
        value = one.observed.get(how.by)
        if (one.subject_type == "group") != (how.of == "group") or how.finding not in (None, one.discriminator):
            continue
        if not isinstance(value, int | float):
            continue
        if how.of == "group":
            members = [(one.subject_id, str(one.observed.get("level", one.tier)))] if one.subject_id in known else []
        else:
            members = [(account, one.tier) for account in one.account_ids if (account, one.tier) in subjects]
        for member in members:
            values[member] = worse(float(value), values.get(member, float(value)))
    return values
