"""Asking all rules about a period and putting together what the ledger will keep of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from audits import quality
from audits.display import shortened
from audits.ledger.causes import BELOW_ZERO, NOT_LOADED, REJECTED
from audits.ledger.dossiers import make_dossiers
from audits.ledger.figures import (
    accounts_by_tier,
    audited_customers,
    missing_accounts,
    tier_figures,
    unaudited_accounts,
)
from audits.ledger.findings import distinct, make_findings, tally
from audits.ledger.record import Audit
from audits.periods import Period
from audits.policy import Book
from audits.quality import DayVerdict
from audits.rollups.state import data_watermark
from audits.rules.engine import population as people
from audits.rules.engine.asking import Asking, first_day_of, prepare_asking
from audits.rules.engine.base import Rule
from audits.rules.engine.combine import combine
from audits.rules.engine.evaluate import Evaluation, evaluate
from audits.rules.engine.links import explanations
from audits.warehouse import Warehouse
from audits.warehouse.raw_text import shown

A_DAY = timedelta(days=1)


def assemble(
    warehouse: Warehouse,
    connection: Connection,
    period: Period,
    book: Book,
    rules: Mapping[str, Rule],
    *,
    made_from: Mapping[str, Mapping[str, Any]],
    tiers: Sequence[str],
    now: datetime,
) -> Audit:
    """Evaluate every rule over the period's rollups; nothing is written."""
    order = [tier.id for tier in book.tiers]
    asking = prepare_asking(connection, period, book, rules, tiers)
    verdicts, accounts = asking.verdicts, accounts_by_tier(connection)
    scopes = {rule_id: asking.scope(rule) for rule_id, rule in rules.items()}
    evaluations = [evaluate(connection, rule, scopes[rule_id], asking.facts) for rule_id, rule in rules.items()]
    statuses = {one.rule.id: publication_status(one, book, period.last_day, asking.groups) for one in evaluations}
    active = {rule_id for rule_id, status in statuses.items() if status == "active"}
    settings = book.settings(period.last_day)
    links = explanations(connection, period, book)
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
    reported = list(tiers) + sorted({*accounts, *(f.tier for f in findings)} - set(order))
    return Audit(
        period=period,
        tiers=tuple(reported),
        audited_at=now,
        policy_version=book.digest,
        policy=book.snapshot(),
        rules={rule_id: (rule.version, rule.spec.model_dump(mode="json")) for rule_id, rule in rules.items()},
        watermark=data_watermark(connection, period.first_day, period.last_day),
        made_from=made_from,
        status="partial" if made_from.get("rejected") or _is_partial(evaluations, verdicts, statuses) else "complete",
        notes=_stopped(evaluations, statuses)
        + _notes(evaluations, asking, accounts, order, missing_accounts(connection))
        + _unaudited(connection, period)
        + _rejected(connection, period),
        figures=tier_figures(connection, period, reported),
        customers=audited_customers(connection, named),
        quality=[
            {
                "day": v.day,
                "source_system": shown(v.source_system, "source_system"),
                "verdict": v.verdict,
                "reasons": [reason.as_json() for reason in v.reasons],
                "figures": dict(v.figures),
            }
            for v in verdicts
        ],
        linkage=json.loads(asking.links.to_json()) if asking.links else None,
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
    judged = evaluation.count("compliant", "violating")
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


def _unaudited(connection: Connection, period: Period) -> tuple[str, ...]:
    """Whom no count of the report has, in a sentence."""
    n, customers = unaudited_accounts(connection, period)
    if not n:
        return ()
    are, it = ("1 account is", "it is") if n == 1 else (f"{n:,} accounts are", "they are")
    of = "1 customer" if customers == 1 else f"{customers:,} customers"
    return (f"{are} open without a tier and without usage in the period (of {of}): {it} in no count of the reports",)


def _source(name: str) -> str:
    return shown(name, "source_system")


def _rejected(connection: Connection, period: Period) -> tuple[str, ...]:
    """What a reader must know of rows that the audit could not count, a sentence a source."""
    below_zero = quality.impossible_rows(connection, period.first_day, period.last_day)
    refused = quality.not_loaded(connection, period.start, period.end)
    return (
        *(f"{_source(source)}: {REJECTED[BELOW_ZERO]}: {n:,}" for source, n in sorted(below_zero.items())),
        *(
            f"{_source(source)}: {REJECTED[NOT_LOADED]}: {n:,}; the table rejected_rows "
            "says why; correct them at their source and load them again"
            for source, n in sorted(refused.items())
        ),
    )


def _blocked(verdicts: Sequence[DayVerdict]) -> list[str]:
    """A sentence for each run of days on which a source is blocked by the same checks."""
    runs: list[list[DayVerdict]] = []
    for v in sorted((v for v in verdicts if v.verdict == "blocked"), key=lambda v: (v.source_system, v.day)):
        last = runs[-1][-1] if runs else None
        if last and (last.source_system, last.day, _checks(last)) == (v.source_system, v.day - A_DAY, _checks(v)):
            runs[-1].append(v)
        else:
            runs.append([v])
    return [_blocked_days(run) for run in sorted(runs, key=lambda run: (run[0].day, run[0].source_system))]


def _blocked_days(run: Sequence[DayVerdict]) -> str:
    first, last, source = run[0], run[-1], _source(run[0].source_system)
    said = ["; ".join(reason.what for reason in v.reasons) for v in run]
    if len(run) == 1:
        return f"{first.day}, {source}: blocked, its rows were not audited: {said[0]}"
    what = said[0] if len(set(said)) == 1 else f"on the first day {said[0]}"
    return f"{first.day} to {last.day}, {source}: {len(run)} days blocked, their rows were not audited: {what}"


def _checks(verdict: DayVerdict) -> set[str]:
    return {reason.check for reason in verdict.reasons}


def _notes(
    evaluations: Sequence[Evaluation],
    asking: Asking,
    accounts: Mapping[str, int],
    order: Sequence[str],
    missing: int,
) -> tuple[str, ...]:
    notes = [f"{e.rule.id} {e.rule.spec.title}: {e.error}" for e in evaluations if e.error]
    notes += _blocked(asking.verdicts)
    for tier, count in accounts.items():
        if tier == people.UNASSIGNED:
            used = "1 account was" if count == 1 else f"{count:,} accounts were"
            absent = f" ({missing:,} missing from the table accounts)" if missing else ""
            notes.append(f"{used} used without a tier on record{absent}: no rule could be evaluated there")
        elif tier not in order:
            notes.append(
                f"tier {shortened(tier)} of {count:,} account{'' if count == 1 else 's'} is not in the policy book: "
                "no rule could be evaluated"
            )
    if not asking.facts.linkable:
        notes.append("nothing that links accounts is recorded: no rule about linked groups could be evaluated")
    if asking.links:
        notes += [f"linked groups: {held}" for held in asking.links.held_back]
    return tuple(notes)
