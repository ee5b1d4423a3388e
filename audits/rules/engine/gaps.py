"""Gaps in the period's data: days of a source that are blocked or degraded, and the accounts that they concern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import Connection, Select, func, insert, literal, select, union

from audits.periods import Period
from audits.quality import SIGN_INS, DayVerdict
from audits.rollups.account_client_day import account_client_day
from audits.rollups.account_day import account_day
from audits.rules.engine.base import Rule
from audits.rules.engine.facts import Gap, account_facts, account_gaps, key_uses, put_gaps
from audits.rules.engine.population import blocked_uses
from audits.warehouse.own import fill

AROUND = timedelta(days=1)
"""An account seen the day before or after counts as served on the day: what is missing may be its use of that day."""


def record_gaps(
    connection: Connection, period: Period, verdicts: Sequence[DayVerdict], rules: Mapping[str, Rule]
) -> tuple[Gap, ...]:
    """The gaps of the period and then those of its baseline, by day, with their accounts in ``account_gaps``.

    The first gap of an account is the reason that is told. Of the days before the period, which rules read as their
    baseline, blocked ones are gaps, and degraded ones where they are judged with the period.
    """
    gaps: list[Gap] = []
    of_keys = frozenset(rule_id for rule_id, rule in rules.items() if "key" in rule.spec.units)

    def add(reason: str, concerned: frozenset[str] | None, accounts: Select[tuple[str]] | Sequence[str]) -> None:
        name(reason, concerned, accounts)
        if keyed := (concerned or frozenset()) & of_keys:
            name(reason, keyed, _sharing_keys(accounts))

    def name(reason: str, concerned: frozenset[str] | None, accounts: Select[tuple[str]] | Sequence[str]) -> None:
        gap = Gap(len(gaps), reason, concerned)
        gaps.append(gap)
        if isinstance(accounts, Select):
            a = accounts.subquery("concerned").c
            named = select(literal(gap.number), a.account_id)
            connection.execute(insert(account_gaps).from_select(["gap", "account_id"], named))
        else:
            put_gaps(connection, {gap.number: accounts})

    if of_keys and any(verdict.verdict != "good" for verdict in verdicts):
        since = period.first_day - timedelta(days=max(rules[rule_id].spec.baseline_days for rule_id in of_keys))
        fill(connection, key_uses, _shared_keys(since, period.last_day))
    held = [one for one in verdicts if one.day >= period.first_day and one.source_system != SIGN_INS]
    if held and all(one.verdict == "blocked" for one in held):
        f = account_facts.c
        add("the data of every day of the period is blocked", None, select(f.account_id).distinct())
    for verdict in sorted(verdicts, key=lambda one: (one.day < period.first_day, one.day, one.source_system)):
        on_day = _on_day(period, verdict.day)
        if verdict.verdict == "blocked":
            what = "; ".join(reason.what for reason in verdict.reasons)
            add(f"{on_day}: blocked: {what}", _reading(rules, period, verdict), _served(verdict))
        else:
            for reason in verdict.reasons:
                if concerned := frozenset(reason.rules) & _judging(rules, period, verdict.day):
                    add(f"{on_day}: {reason.what}", concerned, reason.accounts or _served(verdict))
    return tuple(gaps)


def _on_day(period: Period, day: date) -> str:
    """Where a gap lies, in words; of several reasons the first in the alphabet is told, which one of the period is."""
    return f"data quality on {day}" if day >= period.first_day else f"data quality outside the period, on {day}"


def _reading(rules: Mapping[str, Rule], period: Period, verdict: DayVerdict) -> frozenset[str]:
    """The rules that read a day of a source: all of them in the period, before it those with a long enough baseline."""
    sign_ins = verdict.source_system == SIGN_INS
    return frozenset(
        rule_id
        for rule_id, rule in rules.items()
        if verdict.day >= period.first_day - timedelta(days=rule.spec.baseline_days)
        and (SIGN_INS in rule.spec.needs.tables if sign_ins else rule.spec.needs.usage)
    )


def _judging(rules: Mapping[str, Rule], period: Period, day: date) -> frozenset[str]:
    """The rules that judge what was done on a day: all of them in the period, some of them also before it."""
    before = (period.first_day - day).days
    return frozenset(
        rule_id
        for rule_id, rule in rules.items()
        if before <= (rule.spec.baseline_days if rule.spec.baseline_for == "judging" else 0)
    )


def _served(verdict: DayVerdict) -> Select[tuple[str]]:
    """The accounts that the source served around the day; of a blocked day, which is not rolled up, also its rows'.

    Sign-ins concern every account.
    """
    if verdict.source_system == SIGN_INS:
        return select(account_facts.c.account_id).distinct()
    d, source, day = account_day.c, verdict.source_system, verdict.day
    around = select(d.account_id).where(d.source_system == source, d.day.between(day - AROUND, day + AROUND))
    if verdict.verdict != "blocked":
        return around.distinct()
    b = blocked_uses.c
    raw = select(b.account_id).where(b.source_system == source, b.day == day)
    every = union(around, raw).subquery("served").c
    return select(every.account_id)


def _shared_keys(first: date, last: date) -> Select[tuple[str, str]]:
    """The rows of ``key_uses`` on these days: what one account did with such a key decides about the others as well."""
    c, b = account_client_day.c, blocked_uses.c
    u = union(
        *(
            select(uses.api_key_hash, uses.account_id).where(
                uses.api_key_hash.is_not(None), uses.day.between(first, last)
            )
            for uses in (c, b)
        )
    ).subquery("uses").c  # fmt: skip
    shared = select(u.api_key_hash).group_by(u.api_key_hash).having(func.count() > 1)
    return select(u.api_key_hash, u.account_id).where(u.api_key_hash.in_(shared))


def _sharing_keys(accounts: Select[tuple[str]] | Sequence[str]) -> Select[tuple[str]]:
    """All accounts of the keys that any of these accounts shares with others."""
    k, theirs = key_uses.c, key_uses.alias("theirs").c
    return (
        select(k.account_id)
        .where(k.api_key_hash.in_(select(theirs.api_key_hash).where(theirs.account_id.in_(accounts))))
        .distinct()
    )
