"""Writing an audit down: one run, one revision, never over an earlier one."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import Session

from audits.ledger.causes import ARRIVED, TIERS, causes_of_change, differing
from audits.ledger.foreign import kept
from audits.ledger.models import (
    AuditedCustomer,
    CellGroup,
    EvaluationRow,
    FindingCustomer,
    FindingRow,
    GroupDossier,
    PolicyVersion,
    QualityDay,
    RuleVersion,
    Run,
    RunInput,
    TierFigures,
)
from audits.ledger.seal import seal_run
from audits.periods import Period


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as it is recorded; the columns of ``findings`` but for the run and the first sighting."""

    finding_id: str
    rule_id: str
    rule_version: str
    subject_type: str
    subject_id: str
    account_ids: tuple[str, ...]
    customer_ids: tuple[str, ...]
    tier: str
    severity: str
    published: bool
    clauses: tuple[str, ...]
    summary: str
    observed: Mapping[str, Any]
    limits: Mapping[str, Any]
    evidence_sql: str
    chart: Mapping[str, Any]
    kind: str | None = None  # which of the rule's kinds of findings, where its description tells them apart


@dataclass(frozen=True, slots=True)
class CellTally:
    """A rule's outcome for a tier: counters by verdict, and who is behind every verdict but compliance."""

    tier: str
    rule_id: str
    version: str
    status: str
    counts: Mapping[str, int]
    groups: Mapping[tuple[str, str], Sequence[str]]  # (verdict, reason) -> customers
    error: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that one audit found out, ready to be recorded."""

    period: Period
    tiers: tuple[str, ...]
    audited_at: datetime
    policy_version: str
    policy: Mapping[str, Any]
    rules: Mapping[str, tuple[str, Mapping[str, Any]]]  # id -> (version, description)
    watermark: datetime | None
    made_from: Mapping[str, Mapping[str, Any]]  # part -> item -> digest: audits.ledger.inputs
    status: str
    notes: tuple[str, ...]
    figures: Mapping[str, Mapping[str, Any]]
    customers: Sequence[Mapping[str, Any]]  # tier, customer_id, name, account_manager, accounts, figures
    quality: Sequence[Mapping[str, Any]]  # day, source_system, verdict, reasons
    tallies: Sequence[CellTally]
    findings: Sequence[Finding]
    linkage: Mapping[str, Any] | None = None  # what linking accounts came to, as data
    dossiers: Sequence[Mapping[str, Any]] = ()  # group_id, content: of the groups that findings speak of

    @property
    def inputs(self) -> dict[str, str]:
        """Part of what it was made from -> digest."""
        return {part: digest(items) for part, items in self.made_from.items()}


def finding_id(rule_id: str, subject_type: str, subject_id: str, period: str, discriminator: str = "") -> str:
    """The stable identity of a finding: the same in every revision, in every installation.

    A digest of what the finding is about and nothing that a restatement may change (severity, figures, members).
    """
    parts = "\x1f".join((rule_id, subject_type, subject_id, period, discriminator))
    return f"F-{hashlib.sha256(parts.encode()).hexdigest()[:20]}"


def digest(content: Any) -> str:
    """SHA-256 of JSON data with sorted keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def latest_run(session: Session, period: Period, tier: str | None = None) -> Run | None:
    """The newest revision of a period, or the newest that audited a tier."""
    for run in session.scalars(_revisions(period)):
        if tier is None or tier in run.tiers:
            return run
    return None


def revision_of(session: Session, period: Period, revision: int | None) -> Run | None:
    """A certain revision of a period, or its newest."""
    if revision is None:
        return latest_run(session, period)
    return session.scalar(_revisions(period).where(Run.revision == revision))


def _revisions(period: Period) -> Select[Run]:
    return select(Run).where(Run.period == period.id).order_by(Run.revision.desc())


def unchanged_run(
    session: Session, period: Period, tiers: Iterable[str], made_from: Mapping[str, Mapping[str, Any]]
) -> Run | None:
    """The newest run of the period, if it covered these tiers and was made from the same.

    A run in which a rule failed is evaluated again: what made it fail may be gone.
    """
    run = latest_run(session, period)
    inputs = {part: digest(items) for part, items in made_from.items()}
    if run is None or not set(tiers) <= set(run.tiers) or differing(run.inputs, inputs) - {TIERS}:
        return None
    failed = select(func.count()).where(EvaluationRow.run_id == run.id, EvaluationRow.errored > 0)
    return None if session.scalar(failed) else run


def record(session: Session, audit: Audit) -> Run:
    """Write the audit as the period's next revision and return its run.

    What was made from the same and came to the same is no new revision: rows were only delivered again, or a rule that
    failed fails still.
    """
    before = latest_run(session, audit.period)
    rows = _rows(audit)
    results = _results_digest(audit, rows)
    if before and before.results_digest == results and differing(before.inputs, audit.inputs) <= {ARRIVED}:
        return before
    if session.get(PolicyVersion, audit.policy_version) is None:
        session.add(PolicyVersion(digest=audit.policy_version, content=dict(audit.policy)))
    for rule_id, (version, content) in audit.rules.items():
        if session.get(RuleVersion, (rule_id, version)) is None:
            session.add(RuleVersion(rule_id=rule_id, version=version, content=dict(content)))
    session.flush()
    run = Run(
        id=(session.scalar(select(func.max(Run.id))) or 0) + 1,
        period=audit.period.id,
        kind=audit.period.kind,
        first_day=audit.period.first_day,
        end_day=audit.period.end_day,
        revision=before.revision + 1 if before else 1,
        tiers=kept(audit.tiers, "tiers"),
        status=audit.status,
        audited_at=audit.audited_at,
        policy_version=audit.policy_version,
        rules={rule_id: version for rule_id, (version, _) in audit.rules.items()},
        watermark=audit.watermark,
        inputs=audit.inputs,
        results_digest=results,
        causes=kept(causes_of_change(session, before, audit.made_from, audit.policy)) if before else [],
        notes=kept(audit.notes),
        linkage=dict(audit.linkage) if audit.linkage else None,
    )
    session.add(run)
    session.flush()
    seen = _first_sightings(session, [finding.finding_id for finding in audit.findings])
    for row in rows.get(FindingRow, ()):
        row["first_seen"] = seen.get(row["finding_id"], audit.audited_at)
    rows[RunInput] = [{"part": part, "items": kept(items)} for part, items in audit.made_from.items()]
    for model, its in rows.items():
        if its:
            session.connection().execute(insert(model.__table__), [{"run_id": run.id, **row} for row in its])
    seal_run(session.connection(), run.id)
    session.refresh(run)
    return run


def _results_digest(audit: Audit, rows: Mapping[type[Any], Sequence[Mapping[str, Any]]]) -> str:
    """What the audit came to, the same on every engine: but for the queries of evidence, which speak its dialect."""
    results = {model.__tablename__: of for model, of in rows.items()}
    results[FindingRow.__tablename__] = [
        {name: value for name, value in row.items() if name != "evidence_sql"} for row in rows.get(FindingRow, ())
    ]
    return digest([audit.status, audit.notes, results])


def _rows(audit: Audit) -> dict[type[Any], list[dict[str, Any]]]:
    """The rows of every table as they are kept, but for the run and the first sightings."""
    parts: dict[type[Any], list[dict[str, Any]]] = defaultdict(list)
    parts[TierFigures] = [{"tier": tier, "figures": dict(figures)} for tier, figures in audit.figures.items()]
    parts[AuditedCustomer] = [dict(customer) for customer in audit.customers]
    parts[QualityDay] = [dict(day) for day in audit.quality]
    parts[GroupDossier] = [dict(dossier) for dossier in audit.dossiers]
    for tally in audit.tallies:
        parts[EvaluationRow].append(
            {
                "tier": tally.tier, "rule_id": tally.rule_id, "version": tally.version, "status": tally.status,
                "planned": sum(tally.counts.values()), "error": tally.error, **tally.counts,
            }
        )  # fmt: skip
        for number, ((verdict, reason), customers) in enumerate(sorted(tally.groups.items())):
            parts[CellGroup].append(
                {
                    "tier": tally.tier, "rule_id": tally.rule_id, "number": number, "verdict": verdict,
                    "reason": reason, "customers": sorted(customers),
                }
            )  # fmt: skip
    for finding in audit.findings:
        row = {name: getattr(finding, name) for name in Finding.__slots__}
        for name in ("account_ids", "customer_ids", "clauses"):
            row[name] = list(row[name])
        for name in ("observed", "limits", "chart"):
            row[name] = dict(row[name])
        parts[FindingRow].append(row)
        parts[FindingCustomer] += [
            {"finding_id": finding.finding_id, "customer_id": customer} for customer in finding.customer_ids
        ]
    return {model: [kept(row) for row in rows] for model, rows in parts.items()}


_CHUNK = 500  # ids in one IN list: below every engine's limit on parameters


def _first_sightings(session: Session, ids: Sequence[str]) -> dict[str, datetime]:
    """When each of the findings was first recorded, by an earlier run."""
    seen: dict[str, datetime] = {}
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        rows = session.execute(
            select(FindingRow.finding_id, func.min(FindingRow.first_seen))
            .where(FindingRow.finding_id.in_(chunk))
            .group_by(FindingRow.finding_id)
        )
        seen.update((row[0], row[1]) for row in rows)
    return seen
