"""A ledger as the pipeline would have written it: thirteen months, four tiers, hostile names, two revisions, decisions.

Written with the ledger's own writer. The same ledger comes out every time.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from audits.ledger.models import Decision, Run
from audits.ledger.record import Audit, CellTally, Finding, finding_id, record
from audits.periods import Period, between
from tests.reports.book import RULES, TIERS, VERSIONS, small_book
from tests.reports.linked import dossier, linked
from tests.reports.people import Customer, people

GROUP = "G-7K2"
FIRST, LAST = Period.parse("2025-10"), Period.parse("2026-10")
NOT_AUDITED = Period.parse("2026-03")


@dataclass
class Month:
    """What one audit of a period finds."""

    period: Period
    audited_at: datetime
    tighter: bool = False
    late_rows: bool = False
    tiers: tuple[str, ...] = TIERS
    findings: list[Finding] = field(default_factory=list)


def audit_of(month: Month) -> Audit:
    """One month as the pipeline hands it to the ledger."""
    customers = [one for one in people() if one.tier in month.tiers]
    findings = list(_findings(month, customers))
    held = {one.rule_id for one in findings if not one.published}
    book = small_book(tighter=month.tighter)
    return Audit(
        period=month.period,
        tiers=month.tiers,
        audited_at=month.audited_at,
        policy_version=book.digest,
        policy=book.snapshot(),
        rules={rule.id: (VERSIONS[rule.id], rule.model_dump(mode="json")) for rule in RULES},
        watermark=month.audited_at - timedelta(hours=7),
        made_from={
            "data": {month.period.last_day.isoformat(): "late" if month.late_rows else "d1"},
            "dimensions": {"accounts": "d1"},
            "policy": {
                "from": month.period.first_day.isoformat(), "to": month.period.last_day.isoformat(), "law": book.digest,
            },
            "rules": {"R01": "1"},
            "code": {"rules engine": "c1"},
            "tiers": dict.fromkeys(month.tiers, ""),
        },
        status="partial" if month.period == LAST else "complete",
        notes=("R05 Template repetition: stopped, it found 31 % of the population; its findings wait for a release",)
        if month.period == LAST else (),
        figures={tier: _figures(month, tier, customers) for tier in month.tiers},
        customers=[
            {
                "tier": one.tier, "customer_id": one.id, "name": one.name,
                "account_manager": f"am{int(one.id[2:]) % 7}@example.com", "accounts": one.accounts,
                "figures": {"requests": round(one.level * 30), "input_tokens": round(one.level * 30 * 900),
                            "output_tokens": round(one.level * 30 * 250)},
            }
            for one in customers
        ],
        quality=_quality(month.period),
        tallies=_tallies(month, customers, findings, held),
        findings=findings,
        linkage=json.loads(linked(month.period).to_json()) if month.period == LAST else None,
        dossiers=[
            {"group_id": one.subject_id, "content": dossier(month.period, one.account_ids)}
            for one in findings if one.subject_type == "group"
        ],
    )  # fmt: skip


def fill(session: Session) -> list[Run]:
    """Thirteen months (one left out), October 2026 twice, and what people decided about some of it."""
    runs = []
    for period in between(FIRST, LAST):
        if period != NOT_AUDITED:
            at = datetime.combine(period.end_day + timedelta(days=2), datetime.min.time(), UTC) + timedelta(hours=6)
            runs.append(record(session, audit_of(Month(period, at))))
    again = datetime(2026, 11, 9, 6, tzinfo=UTC)
    decide(session, datetime(2026, 11, 5, 9, 30, tzinfo=UTC))
    runs.append(record(session, audit_of(Month(LAST, again, tighter=True, late_rows=True))))
    return runs


def decide(session: Session, at: datetime) -> None:
    """Three decisions about October's findings of Build."""
    wanted = (
        ("R02", "account", "a-0203-0", "acknowledged", "Asked the customer on 5 November.", None),
        ("R17", "key", "k-5f0e9a", "false_positive", "A serverless fleet, declared since.", None),
        ("R20", "account", "a-0197-0", "excepted", "Preview programme, signed off by legal.", date(2026, 12, 31)),
    )
    rows = [
        {
            "number": number, "finding_id": finding_id(rule, kind, subject, LAST.id), "decided_as": decided, "why": why,
            "who": "mira@example.com", "decided_at": at + timedelta(minutes=number), "until": until,
            "previous_digest": "", "digest": f"sha256:{number}",
        }
        for number, (rule, kind, subject, decided, why, until) in enumerate(wanted, 1)
    ]  # fmt: skip
    session.execute(insert(Decision), rows)


# ---------------------------------------------------------------- what is found


def _findings(month: Month, customers: list[Customer]) -> Iterator[Finding]:
    period, random = month.period, Random(f"{month.period}")
    last = period == LAST
    by_tier = defaultdict(list)
    for one in customers:
        by_tier[one.tier].append(one)
    for held in by_tier.values():
        for one in random.sample(held, k=min(len(held), round(len(held) * (0.012 + 0.01 * random.random())) + 1)):
            yield _alone(month, one, "R02", "medium", random)
    if "build" in by_tier:
        yield from _build_findings(month, {one.id: one for one in by_tier["build"]}, random)
    if "scale" in by_tier and period.first_day >= date(2026, 9, 1):
        yield _alone(month, by_tier["scale"][3], "R29", "critical", random)
    if last:
        for one in customers[::3]:
            yield _alone(month, one, "R05", "medium", random, published=False)


def _build_findings(month: Month, build: dict[str, Customer], random: Random) -> Iterator[Finding]:
    period = month.period
    last = period == LAST
    group = [one for number, one in enumerate(build.values()) if 40 <= number < 92]
    if period.first_day >= date(2026, 8, 1):
        yield _group(month, group, "high" if period.first_day >= date(2026, 9, 1) else "medium", random)
    northwind, harbour = build["c-0203"], build["c-0204"]
    if last:
        yield _alone(month, northwind, "R02", "medium", random)
        yield _alone(month, northwind, "R25", "low", random, subject_type="customer")
        yield _alone(month, build["c-0180"], "R01", "medium", random)
        yield _alone(month, build["c-0185"], "R02", "medium", random)
        yield _alone(month, build["c-0181"], "R14", "high", random)
        yield _alone(month, build["c-0190"], "R17", "medium", random, subject_type="key", subject="k-5f0e9a")
        yield _alone(month, build["c-0197"], "R20", "medium", random)
        yield _network(month, random)
        for number in (182, 183, 184, 186, 187, 188, 189, 191, 192, 193, 194):
            if number % 3 == 0 or (month.late_rows and number % 3 == 1):
                yield _alone(month, build[f"c-0{number}"], "R02" if number % 2 else "R01", "medium", random)
        if not month.late_rows:
            yield _alone(month, build["c-0195"], "R02", "medium", random)
    if period == LAST.previous:
        for number in (200, 201, 202):
            yield _alone(month, build[f"c-0{number}"], "R01", "medium", random)
        yield _alone(month, build["c-0206"], "R02", "medium", random)  # its cells cannot be judged in October
        yield _alone(month, build["c-0197"], "R20", "low", random)  # graver in October
    if period in {LAST, LAST.previous.previous}:
        yield _alone(month, harbour, "R01", "medium", random)  # gone in September, back in October


def _alone(
    month: Month, one: Customer, rule_id: str, severity: str, random: Random, *, subject_type: str = "account",
    subject: str = "", published: bool = True,
) -> Finding:  # fmt: skip
    subject = subject or (one.id if subject_type == "customer" else one.accounts[0])
    factor = round(3 + 4 * random.random(), 1)
    chart = _chart(month.period, one.level, factor, random)
    peak = max(chart["values"])
    limit = {"free": 500, "build": 5000, "scale": 50_000, "enterprise": 500_000}[one.tier]
    days = sum(value > one.level * 2 for value in chart["values"][28:])
    observed, limits, summary = {
        "R01": (
            {"peak_requests_a_day": round(limit * factor / 3), "days_over": days}, {"requests_a_day": limit},
            f"At most {round(limit * factor / 3):,} successful requests on a day (limit {limit:,}), "
            f"above it on {days} days.",
        ),
        "R02": (
            {"peak_factor": factor, "days_over": days}, {"factor_min": 4 if month.tighter else 5, "days_min": 2},
            f"{factor} times its own four-week level on {days} days; at most {peak:,} requests on a day.",
        ),
        "R05": ({"share": 0.71}, {"share_min": 0.6}, "71 % of requests use one template."),
        "R14": (
            {"share": 0.183, "requests": 2210, "countries": ["XA", "XB"]}, {"share_min": 0.05, "requests_min": 20},
            "18.3 % of requests (2,210) came from territories where the service is not offered (limit 5 % and 20).",
        ),
        "R17": (
            {"peak_networks": 44}, {"networks_min": 25}, "One key was used from up to 44 networks a day (limit 25).",
        ),
        "R20": (
            {"requests": 31, "what": "reasoning_full"}, {"requests_min": 20},
            "31 successful requests used reasoning_full, which the tier does not include (limit 20).",
        ),
        "R25": (
            {"factor": 1.14, "cost_usd": 11_400.5}, {"low_over_factor": 1},
            "Use in October came to 114 % of the commitment in force.",
        ),
        "R29": (
            {"match": "confirmed", "list": "EU consolidated"}, {"severity": "critical"}, "A confirmed match on a list.",
        ),
    }[rule_id]  # fmt: skip
    if rule_id != "R01":
        limit = None
    chart["limit"] = limit
    if rule_id == "R01" and limit:
        scale = observed["peak_requests_a_day"] / peak
        chart["values"] = [round(value * scale) for value in chart["values"]]
        chart["usual"] = [round(value * scale) for value in chart["usual"]]
    return Finding(
        finding_id=finding_id(rule_id, subject_type, subject, month.period.id),
        rule_id=rule_id, rule_version=VERSIONS[rule_id], subject_type=subject_type, subject_id=subject,
        account_ids=tuple(one.accounts), customer_ids=(one.id,), tier=one.tier, severity=severity, published=published,
        clauses=_clauses(rule_id), summary=summary, observed=observed, limits=limits,
        evidence_sql=_sql(month.period, one.accounts[:1]), chart=chart if rule_id != "R29" else {},
    )  # fmt: skip


def _group(month: Month, members: list[Customer], severity: str, random: Random) -> Finding:
    days = _days(month.period)
    accounts = sorted(account for one in members for account in one.accounts)[:64]
    ramp = [1 / (1 + math.exp(-(index - 34) / 2.5)) for index in range(len(days))]
    series = {
        account: [round((120 + 290 * random.random()) * level * (0.75 + 0.25 * random.random())) for level in ramp]
        for account in accounts
    }
    values = [sum(column) for column in zip(*series.values(), strict=True)]
    largest = sorted(series, key=lambda account: (-max(series[account]), account))[:8]
    peak, top = max(values), max(series[largest[0]])
    return Finding(
        finding_id=finding_id("R04", "group", GROUP, month.period.id),
        rule_id="R04", rule_version=VERSIONS["R04"], subject_type="group", subject_id=GROUP,
        account_ids=tuple(accounts), customer_ids=tuple(sorted(one.id for one in members)), tier="build",
        severity=severity, published=True, clauses=_clauses("R04"),
        summary=f"{len(accounts)} accounts act as one: {peak:,} requests on a day together (limit 10,000), "
        f"at most {top:,} on any one account.",
        observed={
            "peak_requests_a_day": peak, "accounts": len(accounts), "largest_member": top, "under_limit_share": 1.0,
        },
        limits={"requests_a_day": 10_000, "accounts_min": 5, "under_limit_share": 0.8},
        evidence_sql=_sql(month.period, accounts[:6]),
        chart={
            "unit": "requests a day", "days": [day.isoformat() for day in days], "values": values, "limit": 10_000,
            "baseline_days": 28, "usual": [min(values[:28]), sorted(values[:28])[25]],
            "series": {account: series[account] for account in largest},
        },
    )  # fmt: skip


def _network(month: Month, random: Random) -> Finding:
    return Finding(
        finding_id=finding_id("R24", "network", "n-9c41d2", month.period.id),
        rule_id="R24", rule_version=VERSIONS["R24"], subject_type="network", subject_id="n-9c41d2", account_ids=(),
        customer_ids=(), tier="build", severity="high", published=True, clauses=_clauses("R24"),
        summary="212 distinct invalid keys were tried from one network on one day (limit 50).",
        observed={"peak_invalid_keys": 212}, limits={"invalid_keys": 50}, evidence_sql="SELECT * FROM auth_events",
        chart={},
    )  # fmt: skip


def _chart(period: Period, level: float, factor: float, random: Random) -> dict[str, Any]:
    days = _days(period)
    week = (1, 1.04, 1.02, 1, 0.95, 0.45, 0.4)
    start = 28 + random.randrange(3, 18)
    values = [
        round(
            level * week[day.weekday()] * (0.85 + 0.3 * random.random()) * (factor if start <= index < start + 5 else 1)
        )
        for index, day in enumerate(days)
    ]
    before = sorted(values[:28])
    return {
        "unit": "requests a day", "days": [day.isoformat() for day in days], "values": values, "limit": None,
        "baseline_days": 28, "usual": [before[2], before[25]], "series": {},
    }  # fmt: skip


def _days(period: Period) -> list[date]:
    first = period.first_day - timedelta(days=28)
    return [first + timedelta(days=n) for n in range((period.end_day - first).days)]


def _clauses(rule_id: str) -> tuple[str, ...]:
    rule = next(one for one in RULES if one.id == rule_id)
    return tuple(f"house-{family.lower()}" for family in rule.families)


def _sql(period: Period, accounts: list[str]) -> str:
    named = ", ".join(f"'{account}'" for account in accounts)
    begins, ends = f"{period.start:%Y-%m-%d %H:%M:%S}+00:00", f"{period.end:%Y-%m-%d %H:%M:%S}+00:00"
    return (
        "SELECT usage_events.event_id, usage_events.event_ts, usage_events.account_id, usage_events.status_code\n"
        "FROM usage_events\n"
        f"WHERE usage_events.account_id IN ({named}) AND usage_events.event_ts >= '{begins}'"
        f" AND usage_events.event_ts < '{ends}'\nORDER BY usage_events.event_ts"
    )


# ---------------------------------------------------------------- figures


def _figures(month: Month, tier: str, customers: list[Customer]) -> dict[str, Any]:
    held = [one for one in customers if one.tier == tier]
    random = Random(f"{month.period}{tier}")
    week = (1, 1.04, 1.02, 1, 0.95, 0.45, 0.4)
    level = sum(one.level for one in held)
    daily = [round(level * week[day.weekday()] * (0.95 + 0.1 * random.random())) for day in month.period.days]
    if month.period == LAST:
        daily[13] = round(daily[13] * 0.9)
    accounts = sum(len(one.accounts) for one in held)
    return {
        "customers": len(held), "accounts": accounts, "accounts_with_usage": accounts - 4, "requests": sum(daily),
        "input_tokens": sum(daily) * 900, "output_tokens": sum(daily) * 250,
        "cost_usd": None if tier == "free" else round(sum(daily) * 0.0042, 2),
        "daily": {
            "days": [day.isoformat() for day in month.period.days], "requests": daily,
            "output_tokens": [one * 250 for one in daily],
        },
    }  # fmt: skip


DOUBT = "data quality on 2026-10-14: one hour missing (03:00 UTC)"


def _quality(period: Period) -> list[dict[str, Any]]:
    rows = []
    for source in ("litellm", "native"):
        for day in period.days:
            poor = day == date(2026, 10, 14) and source == "litellm"
            reason = {
                "check": "missing_hours", "severity": "degrade", "what": "one hour missing (03:00 UTC)", "rows": 0,
                "rules": ["R01", "R02"], "hours": [3],
            }  # fmt: skip
            rows.append(
                {"day": day, "source_system": source, "verdict": "degraded" if poor else "good",
                 "reasons": [reason] if poor else []}
            )  # fmt: skip
    return rows


def _tallies(month: Month, customers: list[Customer], findings: list[Finding], held: set[str]) -> list[CellTally]:
    tallies = []
    for rule in RULES:
        for tier in month.tiers:
            ours = [one.id for one in customers if one.tier == tier]
            violating = {c for f in findings if f.rule_id == rule.id for c in f.customer_ids} & set(ours)
            verdicts: dict[str, tuple[str, str]] = {}
            for number, customer in enumerate(ours):
                if customer in violating:
                    verdicts[customer] = ("violating", "")
                elif rule.id == "R24":
                    verdicts[customer] = ("not_applicable", "the rule speaks of networks, not of customers")
                elif rule.id == "R25" and number % 3:
                    verdicts[customer] = ("not_applicable", "no commitment in force")
                elif number % 41 == 7:
                    verdicts[customer] = ("not_applicable", "no usage in the period")
                elif month.period == LAST and rule.id in {"R01", "R02"} and number % 14 == 12:
                    verdicts[customer] = ("not_evaluated", DOUBT)
                elif rule.id == "R17" and number % 30 == 5:
                    verdicts[customer] = ("not_evaluated", "not recorded: client_net_hash, ip_asn")
                elif month.period == LAST and rule.id == "R11" and tier == "scale":
                    verdicts[customer] = ("errored", "the rule failed: OutOfMemoryException: could not allocate block")
            groups: dict[tuple[str, str], list[str]] = defaultdict(list)
            for customer, verdict in verdicts.items():
                groups[verdict].append(customer)
            counts = dict.fromkeys(("compliant", "violating", "not_applicable", "not_evaluated", "errored"), 0)
            for verdict, _ in verdicts.values():
                counts[verdict] += 1
            counts["compliant"] = len(ours) - len(verdicts)
            status = "stopped" if rule.id in held else "shadow" if rule.id == "R11" else "active"
            errors = [reason for verdict, reason in verdicts.values() if verdict == "errored"]
            tallies.append(
                CellTally(tier, rule.id, VERSIONS[rule.id], status, counts, groups, errors[0] if errors else "")
            )
    return tallies
