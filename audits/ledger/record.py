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
    TierFigures,
)
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
    inputs: Mapping[str, str]
    status: str
    notes: tuple[str, ...]
    figures: Mapping[str, Mapping[str, Any]]
    customers: Sequence[Mapping[str, Any]]  # tier, customer_id, name, account_manager, accounts, figures
    quality: Sequence[Mapping[str, Any]]  # day, source_system, verdict, reasons
    tallies: Sequence[CellTally]
    findings: Sequence[Finding]
    dossiers: Sequence[Mapping[str, Any]] = ()  # group_id, content: of the groups that findings speak of


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


def unchanged_run(session: Session, period: Period, tiers: Iterable[str], inputs: Mapping[str, str]) -> Run | None:
    """The newest run of the period, if it covered these tiers and was made from these very inputs.

    A run in which a rule failed is not taken for done: what made it fail may be gone.
    """
    run = latest_run(session, period)
    if run is None or not set(tiers) <= set(run.tiers) or dict(run.inputs) != dict(inputs):
        return None
    failed = select(func.count()).where(EvaluationRow.run_id == run.id, EvaluationRow.errored > 0)
    return None if session.scalar(failed) else run


def causes_of_change(before: Run | None, audit: Audit) -> list[str]:
    """Why the period is audited again, in words: data, policy, code or tiers."""
    if before is None:
        return []
    words = {
        "data": "the usage data of the period or its baseline changed",
        "dimensions": "customers, accounts, tiers, contracts or other reference data changed",
        "policy": "the policy book changed",
        "rules": "rules changed",
        "code": "the service's own code changed",
        "tiers": "other tiers were asked for",
    }
    changed = [part for part in words if before.inputs.get(part) != audit.inputs.get(part)]
    causes = [words[part] for part in changed]
    if "rules" in changed:
        now = {rule: version for rule, (version, _) in audit.rules.items()}
        differing = sorted({r for r in now.keys() | before.rules.keys() if now.get(r) != before.rules.get(r)})
        causes[causes.index(words["rules"])] = f"rules changed: {', '.join(differing)}"
    if before.status != "complete":
        causes.append("the revision before was partial")
    return causes


def record(session: Session, audit: Audit) -> Run:
    """Write the audit as the period's next revision and return its run.

    The same inputs that led to the same results again (a rule failed and fails still) are no new revision.
    """
    before = latest_run(session, audit.period)
    results = digest(
        {
            "tallies": [[t.tier, t.rule_id, dict(t.counts), sorted(map(str, t.groups.items()))] for t in audit.tallies],
            "findings": [[f.finding_id, f.severity, f.summary, dict(f.observed)] for f in audit.findings],
        }
    )
    if before and dict(before.inputs) == dict(audit.inputs) and before.results_digest == results:
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
        tiers=list(audit.tiers),
        status=audit.status,
        audited_at=audit.audited_at,
        policy_version=audit.policy_version,
        rules={rule_id: version for rule_id, (version, _) in audit.rules.items()},
        watermark=audit.watermark,
        inputs=dict(audit.inputs),
        results_digest=results,
        causes=causes_of_change(before, audit),
        notes=list(audit.notes),
    )
    session.add(run)
    session.flush()
    _write_parts(session, run, audit)
    return run


def _write_parts(session: Session, run: Run, audit: Audit) -> None:
    first_seen = _first_sightings(session, [finding.finding_id for finding in audit.findings])
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
        row["first_seen"] = first_seen.get(finding.finding_id, audit.audited_at)
        parts[FindingRow].append(row)
        parts[FindingCustomer] += [
            {"finding_id": finding.finding_id, "customer_id": customer} for customer in finding.customer_ids
        ]
    for model, rows in parts.items():
        if rows:
            session.execute(insert(model), [{"run_id": run.id, **row} for row in rows])


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
