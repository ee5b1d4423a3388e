"""The reference auditor: every rule asked of every account and group, one at a time, and a cell for each customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.reference.answers import Answer, Finding, cell
from tests.reference.facts import Facts
from tests.reference.groups import for_member, highest_tier, worse
from tests.reference.rules import (
    access,
    content,
    coordination,
    keys,
    outputs,
    payments,
    probing,
    records,
    timing,
    volume,
)
from tests.reference.usage import last_limits, not_asked

OfAccount = Callable[[Facts, str, str], Answer]
OfCustomer = Callable[[Facts, str, list[str]], Answer]
OfGroup = Callable[[Facts, str], Answer]

ACCOUNT: dict[str, OfAccount] = {
    "R01": volume.r01, "R02": timing.r02_account, "R03": volume.r03, "R05": content.r05_account,
    "R06": content.r06_account, "R07": content.r07_account, "R08": outputs.r08_account, "R09": outputs.r09_account,
    "R11": timing.r11_account, "R14": access.r14, "R18": access.r18, "R20": access.r20, "R21": access.r21,
    "R22": probing.r22_account, "R23": records.r23, "R26": payments.r26, "R27": timing.r27, "R28": outputs.r28_account,
}  # fmt: skip
GROUP: dict[str, OfGroup] = {
    "R02": timing.r02_group, "R04": volume.r04, "R05": content.r05_group, "R06": content.r06_group,
    "R07": content.r07_group, "R08": outputs.r08_group, "R09": outputs.r09_group, "R10": coordination.r10,
    "R11": timing.r11_group, "R12": coordination.r12, "R13": coordination.r13, "R19": payments.r19,
    "R22": probing.r22_group, "R26": payments.r26_group, "R28": outputs.r28_group,
}  # fmt: skip
CUSTOMER: dict[str, OfCustomer] = {"R15": records.r15, "R25": volume.r25, "R29": records.r29}
OF_EACH_CUSTOMER = ("R18", "R23")
"""Rules that tell each customer of an account what its own contract says."""

KEY = tuple(keys.JUDGES)
RULES = tuple(sorted({*ACCOUNT, *GROUP, *CUSTOMER, *KEY, "R24"}))
"""Rules that the reference judges."""

Cell = tuple[str, str, str]
"""Customer, tier, rule."""


@dataclass(frozen=True)
class Audited:
    """What the reference found: the verdicts that are right for each cell, and the findings."""

    cells: dict[Cell, frozenset[str]]
    reasons: dict[Cell, str]
    findings: frozenset[Finding]


def audited_accounts(facts: Facts) -> list[tuple[str, str]]:
    """Accounts with each tier that they had in the period; those in use without a tier are unassigned.

    An account that was closed before the period is audited only where it is in use. A row that no request can have
    produced does not count as use.
    """
    found: set[tuple[str, str]] = set()
    used: set[str] = set()
    for table, column in (("usage_events", "event_ts"), ("usage_buckets", "bucket_start")):
        for row in facts.rows[table]:
            if facts.start <= row[column] < facts.end and min(row["input_tokens"], row["output_tokens"]) >= 0:
                used.add(row["account_id"])
                found.add((row["account_id"], facts.tier_at(row["account_id"], row[column])))
    for row in facts.rows["accounts"]:
        account = row["account_id"]
        closed = row.get("closed_at") is not None and row["closed_at"] <= facts.start
        if row["opened_at"] < facts.end and (account in used or not closed):
            found |= {(account, tier) for tier in facts.tiers_in_period(account)}
    return sorted(found)


def audit(facts: Facts) -> Audited:
    answers: dict[Cell, list[Answer]] = defaultdict(list)
    findings: set[Finding] = set()
    accounts = audited_accounts(facts)
    groups = {(rule, group): judge(facts, group) for rule, judge in GROUP.items() for group in facts.groups}
    for (rule, group), answer in groups.items():
        if answer.verdict == "violating":
            findings.add(Finding(rule, "group", group, highest_tier(facts, group), answer.found))
        elif "violating" in answer.or_else:
            findings.add(Finding(rule, "group", group, highest_tier(facts, group), ()))
    for account, tier in accounts:
        for rule in sorted({*ACCOUNT, *GROUP}):
            for customer in facts.customers_of(account):
                seen = facts.of_one(customer) if rule in OF_EACH_CUSTOMER else facts
                answer = cautious(facts, rule, account, _of_account(seen, rule, account, tier, groups, findings))
                answers[customer, tier, rule].append(answer)
    _customers(facts, accounts, answers, findings)
    _keys(facts, accounts, answers, findings)
    _networks(facts, accounts, answers, findings)
    return Audited(
        {key: cell(many) for key, many in answers.items()},
        {key: "; ".join(sorted({one.reason for one in many if one.reason})) for key, many in answers.items()},
        frozenset(findings),
    )


def cautious(facts: Facts, rule: str, account: str, answer: Answer) -> Answer:
    """Not evaluated is right as well where a source of the account, or of its group, had a gap on any day."""
    members = facts.groups.get(facts.group_of.get(account, ""), frozenset({account}))
    if answer.verdict == "violating" or not any(facts.may_miss(rule, member) for member in members):
        return answer
    return replace(answer, or_else=(*answer.or_else, "not_evaluated"))


def _of_account(
    facts: Facts, rule: str, account: str, tier: str, groups: dict[tuple[str, str], Answer], findings: set[Finding]
) -> Answer:
    if rule == "R19" and tier in facts.ranks and tier != "free":
        group = facts.group_of.get(account)
        if group and groups[rule, group].verdict in {"violating", "not_evaluated"}:
            return groups[rule, group]
        return Answer("not_applicable", "only free accounts are counted", () if group else ("compliant",))
    own = []
    if rule in ACCOUNT:
        alone = ACCOUNT[rule](facts, account, tier)
        own.append(alone)
        if alone.verdict == "violating":
            findings.add(Finding(rule, "account", account, tier, alone.found))
    if rule in GROUP and (rule not in ACCOUNT or account in facts.group_of):
        own.append(for_member(facts, rule, account, tier, lambda group: groups[rule, group]))
    return worse(*own)


def _customers(
    facts: Facts, accounts: list[tuple[str, str]], answers: dict[Cell, list[Answer]], findings: set[Finding]
) -> None:
    """Rules about a customer as a whole: once, under its highest tier; the answer is that of each of its tiers."""
    held: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for account, tier in accounts:
        for customer in facts.customers_of(account):
            held[customer].add((account, tier))
    for customer, mine in held.items():
        tiers = {tier for _, tier in mine}
        highest = max(tiers, key=lambda tier: facts.ranks.get(tier, -1))
        for rule, judge in CUSTOMER.items():
            answer = not_asked(facts, rule, next(a for a, tier in mine if tier == highest), highest)
            if answer is None:
                of_all = sorted({account for account, _ in mine})
                answer = judge(facts, customer, of_all)
            for tier in tiers:
                lower = not_asked(facts, rule, next(a for a, t in mine if t == tier), tier)
                if rule == "R25" and answer.verdict == "compliant":  # of a tier without usage it says nothing
                    answer = Answer("compliant", "", ("not_applicable",))
                said = answer if answer.verdict == "violating" else lower or answer
                for account, _ in mine:
                    said = cautious(facts, rule, account, said)
                answers[customer, tier, rule].append(said)
            if answer.verdict == "violating":
                findings.add(Finding(rule, "customer", customer, answer.under or highest, answer.found))


def _keys(
    facts: Facts, accounts: list[tuple[str, str]], answers: dict[Cell, list[Answer]], findings: set[Finding]
) -> None:
    by_key = keys.key_events(facts)
    for rule, judge in keys.JUDGES.items():
        found: dict[tuple[str, str, str], Answer] = {}
        for key, events in by_key.items():
            for account, tier in keys.holders(facts, events):
                theirs = keys.of_holder(facts, events, account, tier)
                if answer := judge(facts, last_limits(facts, rule, tier), theirs):
                    found[key, account, tier] = answer
                    findings.add(Finding(rule, "key", key, tier, answer.found))
        for account, tier in accounts:
            answer = cautious(facts, rule, account, keys.of_account_keys(facts, rule, account, tier, found, by_key))
            for customer in facts.customers_of(account):
                answers[customer, tier, rule].append(answer)


def _networks(
    facts: Facts, accounts: list[tuple[str, str]], answers: dict[Cell, list[Answer]], findings: set[Finding]
) -> None:
    """Networks belong to nobody: a finding has the tier of an account that was entered, or none that matters."""
    found = probing.r24_networks(facts, last_limits(facts, "R24", "free"))
    perhaps = [
        network
        for outcome in ("ok", "forbidden")
        for network in probing.r24_networks(facts, last_limits(facts, "R24", "free"), outcome).values()
    ]
    findings |= {Finding("R24", "network", network, "", one.answer.found) for network, one in found.items()}
    for account, tier in accounts:
        for customer in facts.customers_of(account):
            answers[customer, tier, "R24"].append(probing.r24(facts, account, tier, found, perhaps))
