"""Steps that rules about linked groups have in common: a group is judged once per tier level of its members."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from tests.reference.answers import ORDER, SEVERITIES, Answer, no, not_applicable, not_evaluated
from tests.reference.counting import is_used, touching
from tests.reference.facts import LINKING, UNASSIGNED, Facts
from tests.reference.usage import (
    Worst,
    as_they_are,
    at_of,
    from_buckets,
    in_order,
    last_limits,
    not_asked,
    unknown,
)
from tests.reference.validity import Row

BreachOfLevel = Callable[[str, dict, list[Row]], Answer | None]
"""What the requests of the members up to a tier level break, given the level and its limits."""


def levels_of(facts: Facts, group: str) -> list[str]:
    """The tiers that members of the group have in the period, lowest first."""
    held = {tier for account in facts.groups[group] for tier in facts.tiers_in_period(account)}
    return sorted((tier for tier in held if tier in facts.ranks), key=facts.ranks.__getitem__)


def highest_tier(facts: Facts, group: str) -> str:
    return levels_of(facts, group)[-1]


def up_to(facts: Facts, level: str) -> list[str]:
    """A tier and those below it."""
    return [tier for tier, rank in facts.ranks.items() if rank <= facts.ranks[level]]


def members_at(facts: Facts, group: str, level: str) -> list[str]:
    """The members that have the level's tier, or a lower one, at some time in the period."""
    below = set(up_to(facts, level))
    return sorted(account for account in facts.groups[group] if facts.tiers_in_period(account) & below)


def requests_at(facts: Facts, group: str, level: str, since: datetime | None = None) -> list[Row]:
    """The requests that members made at times when they had the level's tier or a lower one."""
    found = [
        event
        for account in members_at(facts, group, level)
        for tier in up_to(facts, level)
        for event in facts.events_of(account, tier, since)
    ]
    return in_order(found)


def buckets_at(facts: Facts, group: str, level: str, since: datetime | None = None) -> list[Row]:
    """What buckets of members count beyond requests, likewise."""
    return [
        bucket
        for account in members_at(facts, group, level)
        for tier in up_to(facts, level)
        for bucket in facts.buckets_of(account, tier, since)
    ]


def touching_at(facts: Facts, group: str, level: str, since: datetime) -> list[Row]:
    """The buckets of members of which something may have been used at such times."""
    return [
        bucket
        for account in members_at(facts, group, level)
        for bucket in touching(facts, account, up_to(facts, level), since, facts.end)
    ]


def judged_levels(facts: Facts, rule: str, group: str) -> list[str]:
    """The levels of a group of which the rule speaks on any day of the period."""
    days = facts.period.days
    return [one for one in levels_of(facts, group) if any(facts.limits(rule, one, day) is not None for day in days)]


def about_group(
    facts: Facts,
    rule: str,
    group: str,
    breach: BreachOfLevel,
    worst: Worst = as_they_are,
    *,
    lookback: timedelta = timedelta(0),
    smallest: int = 2,
    buckets_count: bool = False,
    at_worst: BreachOfLevel | None = None,
) -> Answer:
    """The answer for a group as one unit: what its levels break, the most severe first and then the highest level.

    It is *not evaluated* where days of a member are blocked or degraded, or where the group would violate if every
    request that lacks a column counted against it. A group of fewer members than ``smallest`` cannot violate the rule.
    """
    since = facts.start - lookback
    answers, reasons, used = [], missing_of(facts, rule, group, since), False
    levels = judged_levels(facts, rule, group)
    for level in levels:
        limits = last_limits(facts, rule, level)
        events, buckets = requests_at(facts, group, level, since), touching_at(facts, group, level, since)
        used = (
            used
            or any(at_of(row) >= facts.start for row in events)
            or bool(touching_at(facts, group, level, facts.start))
        )
        beyond = from_buckets(buckets_at(facts, group, level, since)) if buckets_count else []
        counted = in_order([*events, *beyond])
        if found := breach(level, limits, counted):
            answers.append(found)
        else:
            reasons += unknown(events, buckets, lambda rows, at=(level, limits): (at_worst or breach)(*at, rows), worst)  # type: ignore[misc]
    if answers:
        return max(reversed(answers), key=lambda one: SEVERITIES.index(one.severity))
    if not levels_of(facts, group):
        return not_evaluated("no tier on record")
    if not levels:
        return not_applicable("no limit for any member")
    if not used and not reasons:
        return not_applicable("no usage")
    return no(reasons, could_matter=len(facts.groups[group]) >= smallest)


def missing_of(facts: Facts, rule: str, group: str, since: datetime) -> list[str]:
    """Why days of members were not evaluated, under whatever tier."""
    return [
        reason
        for account in facts.groups[group]
        for tier in {*facts.tiers_in_period(account), UNASSIGNED}
        for reason in facts.missing_days(rule, account, tier, since)
    ]


def for_member(facts: Facts, rule: str, account: str, tier: str, of_group: Callable[[str], Answer]) -> Answer:
    """The answer for one account under a rule about groups. A group's finding speaks of all members, whatever tier."""
    group = facts.group_of.get(account)
    if group and (found := of_group(group)).verdict == "violating":
        return found
    if early := not_asked(facts, rule, account, tier):
        answer = of_group(group) if group else early
        if early.verdict == "not_applicable" and answer.verdict == "not_evaluated":
            return answer
        perhaps = ("violating",) if "violating" in answer.or_else else ()
        return replace(early, or_else=(*early.or_else, *perhaps))
    if group is None:
        nobody = Answer("compliant", "no linked group", ("not_applicable",))
        return nobody if links_are_recorded(facts) else not_evaluated("no linking evidence")
    answer = of_group(group)
    if (
        not is_used(facts, account, {tier})
        and answer.verdict != "violating"
        and not facts.missing_days(rule, account, tier)
    ):
        return replace(answer, or_else=(*answer.or_else, "not_applicable"))
    return answer


def links_are_recorded(facts: Facts) -> bool:
    """Whether the warehouse holds anything by which accounts could be linked."""
    return any(
        row.get(name) is not None for table, names in LINKING.items() for row in facts.rows[table] for name in names
    )


def worse(*answers: Answer) -> Answer:
    """The answer that stands for an account which is judged by itself and as a member of its group."""
    return min(answers, key=lambda one: ORDER.index(one.verdict))
