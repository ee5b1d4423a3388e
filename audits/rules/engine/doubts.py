"""Why an account's data does not suffice to call it compliant under a rule, whatever the rule itself would say.

A rule that judges linked groups cannot clear any member of a group of which one member's data is missing: the group
might have been found with it, and a group is found with all of its members. So it is with a customer's accounts, where
the rule judges their use together.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Subquery, and_, case, func, or_, select, true

from audits.rules.engine.base import Rule
from audits.rules.engine.facts import Facts, account_facts, account_gaps
from audits.rules.engine.population import audited_groups

OF_A_LINKED_ACCOUNT = " (of a linked account)"

UNCOUNTED = "the number of requests in a day is not known: a usage bucket has none"

Doubt = tuple[ColumnElement[bool], Any]
"""When it holds of a row of ``account_facts``, and the reason in words."""


def gaps_of(rule: Rule, facts: Facts) -> Subquery | None:
    """(account_id, reason): the first gap that concerns the rule, of every account that any does; None without any."""
    g = account_gaps.c
    reasons = {gap.number: gap.reason for gap in facts.gaps if gap.concerns(rule.id)}
    if not reasons:
        return None
    reason = case(reasons, value=func.min(g.gap), else_="")
    return (
        select(g.account_id, reason.label("reason"))
        .where(g.gap.in_(reasons))
        .group_by(g.account_id)
        .subquery("gap")
    )  # fmt: skip


def incomplete_usage(rule: Rule) -> list[Doubt]:
    """Usage that is known in buckets only, lacks a column or has no number of requests, where the rule needs it.

    Of a ``bounded`` rule only what cannot be bounded: its own ``unevaluable`` knows how much of the rest matters. A
    rule about groups alone asks nothing of an account in no group.
    """
    f: Any = account_facts.c
    needs = rule.spec.needs
    doubts: list[Doubt] = []
    if needs.usage and needs.grain == "event":
        doubts += _unread(f.n_uncounted if needs.bounded else f.n_bucketed)
    if needs.usage:
        doubts.append((f.n_reaching > 0, "a usage bucket reaches beyond the period or the tier"))
    if needs.usage and needs.columns and not needs.bounded:
        doubts.append(_lacking(rule))
    if needs.usage and needs.counts:
        doubts.append((f.n_unbounded > 0, UNCOUNTED))
    if rule.spec.units == ("group",):
        in_group = f.account_id.in_(select(audited_groups.c.account_id))
        return [(and_(when, in_group), reason) for when, reason in doubts]
    return doubts


def why_in_question(rule: Rule) -> list[Doubt]:
    """What of its usage puts an account in question under a ``bounded`` rule, if it is in question."""
    needs = rule.spec.needs
    if not needs.bounded:
        return []
    return [*_unread(account_facts.c.n_bucketed), *([_lacking(rule)] if needs.columns else [])]


def _unread(days: ColumnElement[int]) -> list[Doubt]:
    return [
        (and_(days > 0, account_facts.c.n_events == 0), "only bucketed usage is recorded"),
        (days > 0, "only bucketed usage is recorded on some days"),
    ]


def _lacking(rule: Rule) -> Doubt:
    """A column that some requests lack is left to the rule's own ``unevaluable``; where it has none, any may matter."""
    f: Any = account_facts.c
    least = 1 if rule.unevaluable else f.n_events
    lacks = {name: f[f"known_{name}"] < least for name in rule.spec.needs.columns}
    names = func.concat(*(case((lacking, f", {name}"), else_="") for name, lacking in lacks.items()))
    return and_(f.n_events > 0, or_(*lacks.values())), func.concat("not recorded: ", func.substr(names, 3))


def linked_doubts(rule: Rule, facts: Facts, exempt: Subquery | None = None) -> Subquery | None:
    """(account_id, reason): members of groups in which the data of another member is in doubt; None if none can be.

    Those who are ``exempt`` put nobody in doubt.
    """
    if (doubtful := _doubted(rule, facts, exempt)) is None:
        return None
    doubted, g, other = doubtful.c, audited_groups.c, audited_groups.alias("other").c
    return (
        select(other.account_id, func.concat(func.min(doubted.reason), OF_A_LINKED_ACCOUNT).label("reason"))
        .where(g.account_id == doubted.account_id, other.group_id == g.group_id, other.account_id != g.account_id)
        .group_by(other.account_id)
        .subquery("linked")
    )


def customer_doubts(rule: Rule, facts: Facts) -> Subquery | None:
    """(customer_id, reason): customers with an account, under any tier, whose data is in doubt; None if none can be."""
    if (doubtful := _doubted(rule, facts)) is None:
        return None
    doubted = doubtful.c
    return (
        select(doubted.customer_id, func.min(doubted.reason).label("reason"))
        .group_by(doubted.customer_id)
        .subquery("of_customer")
    )


def _doubted(rule: Rule, facts: Facts, exempt: Subquery | None = None) -> Subquery | None:
    """(account_id, customer_id, reason) of the accounts whose data is in doubt; None if no account's can be."""
    gap, f = gaps_of(rule, facts), account_facts.c
    doubts = incomplete_usage(rule)
    source: FromClause = account_facts
    if gap is not None:
        doubts = [(gap.c.reason.is_not(None), gap.c.reason), *doubts]
        source = account_facts.outerjoin(gap, gap.c.account_id == f.account_id)
    if not doubts:
        return None
    concerned: ColumnElement[bool] = true()
    if exempt is not None:
        of_row = (exempt.c[name] == f[name] for name in ("account_id", "customer_id", "tier") if name in exempt.c)
        source, concerned = source.outerjoin(exempt, and_(*of_row)), exempt.c.reason.is_(None)
    return (
        select(f.account_id, f.customer_id, case(*doubts).label("reason"))
        .select_from(source)
        .where(concerned, or_(*(when for when, _ in doubts)))
        .subquery("doubted")
    )
