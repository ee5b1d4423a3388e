"""R19 several free accounts, R26 payment risk: who pays, and with what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import timedelta

from tests.reference.answers import Answer, no, not_applicable, together, violating
from tests.reference.counting import UNCOUNTED, is_uncounted, is_used, on_day, total
from tests.reference.facts import Facts
from tests.reference.groups import up_to
from tests.reference.rules.volume import DOUBTFUL
from tests.reference.usage import last_limits, not_asked, share, shown
from tests.reference.validity import Row
from tests.reference.vocabulary import UNKNOWN

FOR_HIRE = ("hosting", "vpn", "tor")
HOUSEHOLD_MIN = 3  # customers on one instrument and one residential network: domain.md, R26


def r19(facts: Facts, group: str) -> Answer:
    """Free accounts of a group on one strong link, opened within one window, that use several quotas together."""
    limits = last_limits(facts, "R19", "free")
    free = [account for account in sorted(facts.groups[group]) if "free" in facts.tiers_in_period(account)]
    used = [account for account in free if is_used(facts, account, {"free"})]
    quota = limits["quota_factor_min"] * limits["quota_requests_a_day"]
    found: list[tuple[int, int, Answer]] = []
    missing = [reason for account in free for reason in facts.missing_days("R19", account, "free")]
    missing += [UNCOUNTED for account in free if is_uncounted(facts, account, {"free"})]
    for cohort in _cohorts(facts, group, used, timedelta(days=limits["window_days"])):
        if len(cohort) < limits["accounts_min"]:
            continue
        uses = {day: total(on_day(facts, one, {"free"}, day) for one in cohort) for day in facts.period.days}
        over = {day: use.least for day, use in uses.items() if use.least >= quota}
        missing += [DOUBTFUL for use in uses.values() if use.least < quota <= use.most]
        if over:
            opened = [_opened(facts, account) for account in cohort]
            answer = violating(
                "high" if len(cohort) >= limits["high_accounts_min"] else "medium", accounts=len(cohort),
                which=", ".join(cohort), opened_from=min(opened).isoformat(),
                opened_to=max(opened).isoformat(),
                peak_requests_a_day=max(over.values()), days_over=len(over), on_days=shown(over),
            )  # fmt: skip
            found.append((len(cohort), max(over.values()), answer))
    if found:
        return max(found, key=lambda one: one[:2])[2]
    return no(missing, could_matter=len(free) >= limits["accounts_min"])


def _opened(facts: Facts, account: str) -> object:
    return (facts.account_row(account) or {})["opened_at"]


def _cohorts(facts: Facts, group: str, accounts: list[str], window: timedelta) -> Iterable[list[str]]:
    """The accounts that hang together by payment instruments or sign-up devices and were opened within one window."""
    by_value: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in facts.rows["account_payments"]:
        if row["account_id"] in facts.groups[group]:
            by_value["instrument", row["instrument_hash"]].add(row["account_id"])
    for account in facts.groups[group]:
        device = (facts.account_row(account) or {}).get("signup_device_hash")
        if device:
            by_value["device", device].add(account)
    chains: list[set[str]] = []
    for sharing in by_value.values():
        touched = [chain for chain in chains if chain & sharing]
        chains = [chain for chain in chains if not chain & sharing] + [sharing.union(*touched)]
    for linked in chains:
        counted = linked & set(accounts)
        for first in {_opened(facts, account) for account in counted}:
            yield sorted(a for a in counted if first <= _opened(facts, a) <= first + window)  # type: ignore[operator]


# ---------------------------------------------------------------- R26


def r26(facts: Facts, account: str, tier: str) -> Answer:
    """Declines, a chargeback, a card from abroad, or, where the account is in no group, an instrument of several."""
    if early := not_asked(facts, "R26", account, tier):
        return early
    limits = last_limits(facts, "R26", tier)
    instruments = _instruments(facts, [account])
    events = [
        row for row in facts.rows["payment_events"]
        if row["account_id"] == account
        and facts.start <= row["event_ts"] < facts.end
        and facts.tier_at(account, row["event_ts"]) == tier
    ]  # fmt: skip
    rows = [row for customer in facts.customers_of(account) for row in facts.customer_rows(customer)]
    homes = {row[name] for row in rows for name in ("country", "parent_country") if row.get(name)}
    homes |= {(facts.account_row(account) or {}).get("signup_country")} - {None}
    kinds = Counter(row["event_type"] for row in events)
    declines, attempts = kinds["decline"], kinds["decline"] + kinds["charge"]
    abroad = {row["instrument_hash"]: row["bin_country"] for row in instruments if row.get("bin_country")}
    known = bool(rows) and all(row.get("country") for row in rows)
    abroad = {instrument: country for instrument, country in abroad.items() if country not in homes}
    found: list[Answer | None] = [_shared(facts, [account], tier)] if account not in facts.group_of else []
    if attempts >= limits["charges_min"] and declines >= round(limits["declines_share_min"] * attempts, 9):
        share_of = share(declines, attempts)
        found.append(violating("medium", kind="declines", count=declines, attempts=attempts, share=share_of))
    if kinds["chargeback"] >= limits["chargebacks_min"]:
        found.append(violating("medium", kind="chargeback", count=kinds["chargeback"]))
    if abroad and known:
        countries = ", ".join(sorted(set(abroad.values())))
        found.append(violating("medium", kind="country mismatch", count=len(abroad), countries=countries))
    if answer := together(found):
        return answer
    events_known = bool(facts.rows["payment_events"])
    if not instruments and not events and events_known:
        return not_applicable("no payments")
    reasons = ["bin_country not recorded"] if any(row.get("bin_country") is None for row in instruments) else []
    reasons += ["country of the customer not recorded"] if abroad else []
    reasons += ["a payment's kind not known"] if kinds[UNKNOWN] else []
    return no(reasons if events_known else [*reasons, "no payment events on record"])


def _instruments(facts: Facts, accounts: Iterable[str]) -> list[Row]:
    """The rows of the accounts' instruments that were in force at some time in the period."""
    return [
        row for row in facts.rows["account_payments"]
        if row["account_id"] in accounts
        and row["valid_from"] < facts.end and (row.get("valid_to") is None or row["valid_to"] > facts.start)
    ]  # fmt: skip


def r26_group(facts: Facts, group: str) -> Answer:
    """An instrument that customers of the group share, by level: those of its tier and below against its limit."""
    return _shared(facts, sorted(facts.groups[group]), None) or no([])


def _shared(facts: Facts, accounts: list[str], tier: str | None) -> Answer | None:
    """Instruments of these accounts that customers share, up to a tier level against the limit of that level.

    An account by itself is judged at its own tier and those above, which are the levels that it counts in.
    """
    found = []
    for level in facts.ranks:
        limits = last_limits(facts, "R26", level)
        if tier is not None and tier not in up_to(facts, level):
            continue
        for instrument in sorted({row["instrument_hash"] for row in _instruments(facts, accounts)}):
            owners = _customers_on(facts, instrument, level)
            if len(owners) >= limits["accounts_min"]:
                everybody = _customers_on(facts, instrument, [*facts.ranks][-1])
                at_home, part = _at_one_home(facts, everybody)
                household = (
                    at_home >= HOUSEHOLD_MIN
                    and part >= limits["household_share_min"]
                    and len(everybody) <= limits["household_customers_max"]
                )
                severity = "low" if household else "medium"
                found.append(violating(severity, kind="shared instrument", count=len(owners), household_share=part))
    return max(found, key=lambda one: (one.severity == "medium", one.found[0].observed["count"]), default=None)


def _customers_on(facts: Facts, instrument: str, level: str) -> set[str]:
    """The customers of the accounts on an instrument that had a level's tier, or a lower one, in the period."""
    below = set(up_to(facts, level))
    return {
        customer
        for row in _instruments(facts, facts.accounts_seen)
        if row["instrument_hash"] == instrument and facts.tiers_in_period(row["account_id"]) & below
        for customer in facts.customers_of(row["account_id"])
    }


def _at_one_home(facts: Facts, owners: set[str]) -> tuple[int, float]:
    """How many of the customers were seen on one and the same residential network, and which share of them all.

    Who makes most requests from addresses for hire is at home nowhere.
    """
    on: dict[str, set[str]] = defaultdict(set)
    places = [e for e in facts.events if facts.start <= e["event_ts"] < facts.end and e["status_code"] < 400]
    hired, every = Counter[str](), Counter[str]()
    for event in places:
        every[event["account_id"]] += 1
        hired[event["account_id"]] += event.get("ip_type") in FOR_HIRE
    for event in places:
        if 2 * hired[event["account_id"]] > every[event["account_id"]]:
            continue
        residential = event.get("ip_type") == "residential" and event.get("client_net_hash")
        if residential:
            on[event["client_net_hash"]] |= owners & set(facts.customers_of(event["account_id"]))
    most = max((len(held) for held in on.values()), default=0)
    return most, most / len(owners) if most > 1 else 0.0
