"""Asking all rules about a period and putting together what the ledger will keep of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from audits.ledger.dossiers import make_dossiers
from audits.ledger.findings import distinct, make_findings, tally
from audits.ledger.record import Audit
from audits.periods import Period
from audits.policy import Book
from audits.quality import DayVerdict
from audits.rollups.account_day import account_day
from audits.rollups.state import data_watermark
from audits.rules import population as people
from audits.rules.asking import first_day_of, prepare_asking
from audits.rules.base import Rule
from audits.rules.combine import combine
from audits.rules.evaluate import Evaluation, evaluate
from audits.rules.links import explanations
from audits.rules.population import Account, audited_accounts
from audits.warehouse import Warehouse


def assemble(
    warehouse: Warehouse,
    connection: Connection,
    period: Period,
    book: Book,
    rules: Mapping[str, Rule],
    *,
    inputs: Mapping[str, str],
    tiers: Sequence[str],
    now: datetime,
) -> Audit:
    """Evaluate every rule over the period's rollups; nothing is written."""
    order = [tier.id for tier in book.tiers]
    asking = prepare_asking(connection, period, book, rules, tiers)
    audited, population, verdicts = asking.population.accounts, asking.population, asking.verdicts
    scopes = {rule_id: asking.scope(rule) for rule_id, rule in rules.items()}
    evaluations = [evaluate(connection, rule, scopes[rule_id], population) for rule_id, rule in rules.items()]
    statuses = {one.rule.id: publication_status(one, book, period.last_day, asking.groups) for one in evaluations}
    active = {rule_id for rule_id, status in statuses.items() if status == "active"}
    settings = book.settings(period.last_day)
    links = explanations(connection, period, settings.open_links)
    evaluations = combine(evaluations, settings.combination, active, links)
    findings = make_findings(
        connection,
        warehouse,
        scopes,
        evaluations,
        published={rule_id: rule_id in active for rule_id in statuses},
        tier_order=order,
    )
    named = people.customer_names(connection, period)
    # a network that belongs to nobody is found under no account's tier, and must be reported all the same
    shown = list(tiers) + sorted({*(a.tier for a in audited), *(f.tier for f in findings)} - set(order))
    return Audit(
        period=period,
        tiers=tuple(shown),
        audited_at=now,
        policy_version=book.digest,
        policy=book.snapshot(),
        rules={rule_id: (rule.version, rule.spec.model_dump(mode="json")) for rule_id, rule in rules.items()},
        watermark=data_watermark(connection, period.first_day, period.last_day),
        inputs=inputs,
        status="partial" if _is_partial(evaluations, verdicts, statuses) else "complete",
        notes=_stopped(evaluations, statuses) + _notes(evaluations, verdicts, audited, order),
        figures=_figures(connection, period, audited, shown),
        customers=_customers(audited, named),
        quality=[
            {
                "day": v.day,
                "source_system": v.source_system,
                "verdict": v.verdict,
                "reasons": [reason.as_json() for reason in v.reasons],
            }
            for v in verdicts
        ],
        tallies=[one for evaluation in evaluations for one in tally(evaluation, statuses[evaluation.rule.id])],
        findings=findings,
        dossiers=make_dossiers(
            connection,
            period,
            min([first_day_of(rule, period) for rule in rules.values()], default=period.first_day),
            {finding.subject_id for finding in findings if finding.subject_type == "group"},
        ),
    )


def publication_status(evaluation: Evaluation, book: Book, day: date, groups: Mapping[str, str]) -> str:
    """active, shadow (recorded, not reported) or stopped: the rule found more than its share of the population.

    The breaker holds the parties found against the customers judged; a person releases it by a larger
    ``breaker_share`` in the book. The accounts of a linked group (``groups``: account -> group) are one party: a
    campaign of many accounts must not silence the rule that sees it.
    """
    status = book.rule_status(evaluation.rule.id, day)
    subjects = distinct(evaluation.found)
    found = len({groups.get(next(iter(one.account_ids), ""), one.subject_id) for one in subjects})
    judged = sum(cell.verdict in ("compliant", "violating") for cell in evaluation.cells)
    if status == "active" and found >= book.settings(day).breaker_findings_min:
        return "stopped" if found > book.breaker_share(evaluation.rule.id, day) * judged else status
    return status


def _stopped(evaluations: Sequence[Evaluation], statuses: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"{e.rule.id} {e.rule.spec.title}: {len(e.found)} findings are held back, because they hit more of the "
        f"population than the rule's breaker_share allows; look at them and raise the share, or correct the rule"
        for e in evaluations
        if statuses[e.rule.id] == "stopped"
    )


def _is_partial(evaluations: Sequence[Evaluation], verdicts: Sequence[DayVerdict], statuses: Mapping[str, str]) -> bool:
    return (
        any(evaluation.error for evaluation in evaluations)
        or any(v.verdict == "blocked" for v in verdicts)
        or "stopped" in statuses.values()
    )


def _notes(
    evaluations: Sequence[Evaluation], verdicts: Sequence[DayVerdict], audited: Sequence[Account], order: Sequence[str]
) -> tuple[str, ...]:
    notes = [f"{e.rule.id} {e.rule.spec.title}: {e.error}" for e in evaluations if e.error]
    notes += [
        f"{v.day}, {v.source_system}: blocked, its rows were not audited: {'; '.join(r.what for r in v.reasons)}"
        for v in verdicts
        if v.verdict == "blocked"
    ]
    strange: dict[str, int] = defaultdict(int)
    for account in audited:
        if account.tier not in order:
            strange[account.tier] += 1
    for tier, count in sorted(strange.items()):
        if tier == people.UNASSIGNED:
            notes.append(f"{count} accounts were used without a tier on record: no rule could judge them")
        else:
            notes.append(f"tier {tier} of {count} accounts is not in the policy book: no rule could judge them")
    return tuple(notes)


def _customers(audited: Sequence[Account], named: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    by_customer: dict[tuple[str, str], list[Account]] = defaultdict(list)
    for account in audited:
        by_customer[account.tier, account.customer_id].append(account)
    return [
        {
            "tier": tier,
            "customer_id": customer,
            "name": named.get(customer, (customer, ""))[0],
            "account_manager": named.get(customer, (customer, ""))[1],
            "accounts": [account.account_id for account in held],
            "figures": {
                "requests": sum(account.n_requests for account in held),
                "input_tokens": sum(account.input_tokens for account in held),
                "output_tokens": sum(account.output_tokens for account in held),
            },
        }
        for (tier, customer), held in sorted(by_customer.items())
    ]


def _figures(
    connection: Connection, period: Period, audited: Sequence[Account], tiers: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What each tier looked like: counts of people, sums of use, and both by day."""
    a, d = audited_accounts.c, account_day.c
    rows = connection.execute(
        select(
            a.tier,
            d.day,
            func.sum(func.coalesce(d.n_requests, 0)).label("requests"),
            func.sum(d.output_tokens).label("output_tokens"),
            func.sum(d.cost_usd).label("cost_usd"),
        )
        .select_from(
            audited_accounts.join(
                account_day,
                and_(a.account_id == d.account_id, d.slice_start >= a.valid_from, d.slice_start < a.valid_to),
            )
        )
        .where(d.day.between(period.first_day, period.last_day))
        .group_by(a.tier, d.day)
    )
    daily = {(row.tier, row.day): row for row in rows}
    figures = {}
    for tier in tiers:
        held = [account for account in audited if account.tier == tier]
        days = [daily.get((tier, day)) for day in period.days]
        costs = [row.cost_usd for row in days if row is not None and row.cost_usd is not None]
        figures[tier] = {
            "customers": len({account.customer_id for account in held}),
            "accounts": len(held),
            "accounts_with_usage": sum(account.used for account in held),
            "requests": sum(account.n_requests for account in held),
            "input_tokens": sum(account.input_tokens for account in held),
            "output_tokens": sum(account.output_tokens for account in held),
            "cost_usd": round(float(sum(costs)), 2) if costs else None,
            "daily": {
                "days": [day.isoformat() for day in period.days],
                "requests": [int(row.requests) if row else 0 for row in days],
                "output_tokens": [int(row.output_tokens) if row else 0 for row in days],
            },
        }
    return figures
