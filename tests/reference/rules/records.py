"""R15 ownership, R23 retention, R29 sanctions and identity: what is on record about a customer and its contract."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from tests.reference.answers import SEVERITIES, Answer, no, together, violating
from tests.reference.facts import Facts, day_of
from tests.reference.usage import about_requests, filled, last_limits, not_asked
from tests.reference.validity import Row, instants_of_change
from tests.reference.vocabulary import UNKNOWN

EVER = datetime(2000, 1, 1, tzinfo=UTC)


def r15(facts: Facts, customer: str, accounts: list[str]) -> Answer:
    """A parent in a territory that was unsupported while an account had a tier, by its share of the ownership."""
    rows = [row for row in facts.rows["customers"] if row["customer_id"] == customer]
    tiers = [row for row in facts.rows["account_tiers"] if row["account_id"] in accounts]
    found, doubtful = [], False
    for at in instants_of_change([*rows, *tiers, *facts.rows["territories"]], facts.start, facts.end):
        row = facts.customer_at(rows, at)
        held = {facts.tier_at(account, at) for account in accounts} & facts.ranks.keys()
        if row is None or row.get("parent_country") is None or facts.is_supported(row["parent_country"], at):
            continue
        if facts.is_supported(row["parent_country"], at) is None:
            doubtful |= bool(held)
            continue
        for tier in held:
            percent = row.get("parent_ownership_pct")
            if severity := _by_share(percent, facts.limits("R15", tier, day_of(at))):
                one = violating(severity, parent_country=row["parent_country"], ownership_percent=percent)
                found.append(replace(one, under=tier))
    if found:
        return max(found, key=lambda one: (SEVERITIES.index(one.severity), facts.ranks[one.under]))
    known = [facts.customer_at(rows, at) for at in _audited_instants(facts, accounts, rows)]
    unknown = any(row is None or row.get("parent_country") is None for row in known)
    return no(["parent_country not recorded"] * unknown + ["its territory's status not known"] * doubtful)


def _audited_instants(facts: Facts, accounts: list[str], rows: list[Row]) -> list[datetime]:
    """The instants in the period from which another row may hold, as far as an account has a tier then."""
    tiers = [row for row in facts.rows["account_tiers"] if row["account_id"] in accounts]
    instants = instants_of_change([*rows, *tiers], facts.start, facts.end)
    return [at for at in instants if any(facts.tier_at(account, at) in facts.ranks for account in accounts)]


def _by_share(percent: float | None, limits: dict | None) -> str | None:
    if limits is None:
        return None
    if percent is None:
        return "medium"
    if percent > limits["critical_over_percent"]:
        return "critical"
    return "medium" if percent >= limits["medium_from_percent"] else None


# ---------------------------------------------------------------- R23


def r23(facts: Facts, account: str, tier: str) -> Answer:
    """Content kept under zero retention, or longer than the contract in force allows."""
    zero = (facts.account_row(account) or {}).get("zero_retention")
    contracts = [c for customer in facts.customers_of(account) for c in facts.contracts_in_period(customer)]
    promised = any(c.get("retention_days_max") is not None for c in contracts)
    if early := not_asked(facts, "R23", account, tier):
        return early
    if zero is False and not promised:
        return Answer("compliant", "no promise of retention", ("not_applicable",))
    limits = last_limits(facts, "R23", tier)

    def breach(events: list[Row], zero: bool = bool(zero)) -> Answer | None:
        kept = [(e, allowed) for e in events if (allowed := 0 if zero else _allowed(facts, account, e)) is not None]
        kept = [(e, allowed) for e, allowed in kept if e.get("content_stored")]
        kept = [(e, allowed) for e, allowed in kept if zero or (e.get("retention_days") or 0) > allowed]
        if len(kept) < limits["events_min"]:
            return None
        furthest = [(e["retention_days"] - allowed, e["retention_days"]) for e, allowed in kept if e["retention_days"]]
        longest = max(furthest, default=(0, None))[1]
        return violating(limits["severity"], requests_kept_too_long=len(kept), longest_retention_days=longest)

    at_worst = partial(breach, zero=zero is not False)
    worst = filled(content_stored=True, retention_days=FOR_EVER)
    return about_requests(facts, "R23", account, tier, breach, worst, at_worst=at_worst)


FOR_EVER = 100_000  # days


def _allowed(facts: Facts, account: str, event: Row) -> int | None:
    """The days for which the contracts in force at a request allow its content to be kept; None where none says."""
    held = [facts.contract_at(customer, event["event_ts"]) for customer in facts.customers_of(account)]
    said = [one["retention_days_max"] for one in held if one and one.get("retention_days_max") is not None]
    return min(said, default=None)


# ---------------------------------------------------------------- R29


def r29(facts: Facts, customer: str, accounts: list[str]) -> Answer:
    """A match with a list of sanctioned parties, or an identity that is not verified in time."""
    rows = facts.customer_rows(customer)
    statuses = Counter(_screened(facts, customer).values())
    found: list[Answer | None] = [
        violating(severity, matches=statuses[status], days=None)
        for status, severity in (("confirmed", "critical"), ("candidate", "medium"))
        if statuses[status]
    ]
    if answer := together([*found, *_identity(facts, customer)]):
        return answer
    every = [row for row in facts.rows["customers"] if row["customer_id"] == customer]
    known = [facts.customer_at(every, at) for at in _audited_instants(facts, accounts, every)]
    reasons = ["customer not on record"] if not rows or None in known else []
    if any(row.get("kyc_status") == "verified" and row.get("kyc_verified_at") is None for row in rows):
        reasons.append("kyc_verified_at not recorded")
    if any(row.get("kyc_status") is None for row in rows) and _must_be_verified(facts, customer):
        reasons.append("kyc_status not recorded")
    if statuses[UNKNOWN]:
        reasons.append("the screening's word not known")
    if not facts.rows["sanctions"]:
        reasons.append("no screening on record")
    return no(reasons)


def _must_be_verified(facts: Facts, customer: str) -> bool:
    """Whether an account of the customer has a tier in the period that requires a verified identity."""
    accounts = [row["account_id"] for row in facts.rows["accounts"] if row["customer_id"] == customer]
    tiers = {tier for account in accounts for tier in facts.tiers_in_period(account)} & facts.ranks.keys()
    return any((facts.limits("R29", tier, facts.period.last_day) or {}).get("verification_required") for tier in tiers)


def _screened(facts: Facts, customer: str) -> dict[tuple[str, str], str]:
    """What screening says at the end of the period: of each entry the newest; who was cleared was no match."""
    held: dict[tuple[str, str], str] = {}
    for row in sorted(facts.rows["sanctions"], key=lambda r: r["as_of"]):
        if row["customer_id"] == customer and row["as_of"] < facts.end:
            held[row["list_name"], row["entry_id"]] = row["match_status"]
    return held


def _identity(facts: Facts, customer: str) -> list[Answer]:
    """What the customer's identity breaks, walking from change to change of its record and of its accounts' tiers.

    The time without verification counts from when the customer had a tier that requires one. Of what is equally grave,
    that of the highest tier is told.
    """
    rows = [row for row in facts.rows["customers"] if row["customer_id"] == customer]
    accounts = [row["account_id"] for row in facts.rows["accounts"] if row["customer_id"] == customer]
    tiers = [row for row in facts.rows["account_tiers"] if row["account_id"] in accounts]
    edges = [*instants_of_change([*rows, *tiers], EVER, facts.end), facts.end]
    unverified = timedelta(0)
    late: dict[tuple[str, bool], tuple[int, timedelta]] = {}  # severity, never verified -> the tier's rank, the time
    for start, end in itertools.pairwise(edges):
        row = facts.customer_at(rows, start)
        held = [facts.tier_at(account, start) for account in accounts]
        limits = [one for tier in held if (one := facts.limits("R29", tier, facts.period.last_day)) is not None]
        required = any(one["verification_required"] for one in limits)
        waits = row is not None and row.get("kyc_status") not in {"verified", None} and required
        unverified = unverified + (end - start) if waits else timedelta(0)
        if end <= facts.start or not limits or row is None:
            continue
        rank = max(facts.ranks[tier] for tier in held if facts.limits("R29", tier, facts.period.last_day) is not None)
        for severity in ("medium", "high"):
            if unverified > timedelta(days=limits[0][f"unverified_{severity}_days"]):
                late[severity, True] = max((rank, unverified), late.get((severity, True), (rank, unverified)))
        age = end - row["kyc_verified_at"] if row.get("kyc_verified_at") else timedelta(0)
        if row.get("kyc_status") == "verified" and age > timedelta(days=limits[0]["verification_max_age_days"]):
            key = "medium", False
            late[key] = max((rank, age), late.get(key, (rank, age)))
    found = []
    for never in (True, False):
        severities = [one for one in reversed(SEVERITIES) if (one, never) in late]
        found += (
            [violating(severities[0], matches=0, days=late[severities[0], never][1] / timedelta(days=1))]
            if severities
            else []
        )
    return found
