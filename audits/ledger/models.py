"""The ledger's tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An instant that is UTC on every engine; SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Refuse what has no zone, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table of the ledger."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON, int: BigInteger}  # noqa: RUF012


class PolicyVersion(Base):
    """A policy book as it was applied, whole, by its digest."""

    __tablename__ = "policy_versions"
    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    content: Mapped[dict[str, Any]]


class RuleVersion(Base):
    """A rule as it was applied: its description, by id and version."""

    __tablename__ = "rule_versions"
    rule_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[str] = mapped_column(Text, primary_key=True)
    content: Mapped[dict[str, Any]]


class Run(Base):
    """One audit of one period: a revision of it."""

    __tablename__ = "runs"
    __table_args__ = (UniqueConstraint("period", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(String(12), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    first_day: Mapped[date]
    end_day: Mapped[date]  # exclusive
    revision: Mapped[int]
    tiers: Mapped[list[Any]]
    status: Mapped[str] = mapped_column(String(12))  # complete, partial
    audited_at: Mapped[datetime]
    policy_version: Mapped[str] = mapped_column(ForeignKey("policy_versions.digest"))
    rules: Mapped[dict[str, Any]]  # rule id -> version
    watermark: Mapped[datetime | None]  # newest arrival among the rows that were read
    inputs: Mapped[dict[str, Any]]  # part -> digest; what a later run compares itself with
    results_digest: Mapped[str] = mapped_column(Text)
    recorded_digest: Mapped[str] = mapped_column(Text, default="")  # of all that was recorded: audits.ledger.seal
    chain_digest: Mapped[str] = mapped_column(Text, default="")  # of it and the chain of the run recorded before
    causes: Mapped[list[Any]]  # why this revision was made, in words
    notes: Mapped[list[Any]]  # what a reader must know: partial work, usage without a tier, ...
    linkage: Mapped[dict[str, Any] | None]  # a :class:`audits.linkage.LinkReport`: what linking accounts came to


class RunInput(Base):
    """A part of what a run was made from, item by item, so that the next revision can say what differs."""

    __tablename__ = "run_inputs"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    part: Mapped[str] = mapped_column(Text, primary_key=True)  # data, quality, linkage, ...
    items: Mapped[dict[str, Any]]  # day, table, group, ... -> its digest


class RecordedPart(Base):
    """How many rows of a table a run recorded, and their digest: what the ledger holds is compared with it."""

    __tablename__ = "recorded_parts"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    part: Mapped[str] = mapped_column(Text, primary_key=True)  # a table of the ledger
    n_rows: Mapped[int]
    digest: Mapped[str] = mapped_column(Text)
    items: Mapped[dict[str, Any]]  # of findings: finding -> its digest, so that a difference can be named


class RecordedManifest(Base):
    """A manifest that sealed a run's reports; a run has several where its reports were rendered after a decision."""

    __tablename__ = "manifests"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)


class TierFigures(Base):
    """What a tier looked like in the period, for the first page of its report."""

    __tablename__ = "tier_figures"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tier: Mapped[str] = mapped_column(Text, primary_key=True)
    figures: Mapped[dict[str, Any]]


class AuditedCustomer(Base):
    """A customer as it was audited under a tier."""

    __tablename__ = "audited_customers"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tier: Mapped[str] = mapped_column(Text, primary_key=True)
    customer_id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    account_manager: Mapped[str] = mapped_column(Text)
    accounts: Mapped[list[Any]]
    figures: Mapped[dict[str, Any]]  # requests, input_tokens, output_tokens


class QualityDay(Base):
    """The verdict on a day's data, a row a source."""

    __tablename__ = "quality_days"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    source_system: Mapped[str] = mapped_column(Text, primary_key=True)
    verdict: Mapped[str] = mapped_column(String(12))  # good, degraded, blocked
    reasons: Mapped[list[Any]]
    figures: Mapped[dict[str, Any] | None]  # check -> the figure held against its limit; None: not recorded then


class EvaluationRow(Base):
    """A rule's counters for a tier: every planned cell is in exactly one of the others."""

    __tablename__ = "evaluations"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tier: Mapped[str] = mapped_column(Text, primary_key=True)
    rule_id: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(12))  # active, shadow, stopped (by the circuit breaker)
    planned: Mapped[int]
    compliant: Mapped[int]
    violating: Mapped[int]
    not_applicable: Mapped[int]
    not_evaluated: Mapped[int]
    errored: Mapped[int]
    error: Mapped[str] = mapped_column(Text, default="")


class CellGroup(Base):
    """The customers of a tier that share one verdict and reason under a rule; compliant ones are only counted."""

    __tablename__ = "cell_groups"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    tier: Mapped[str] = mapped_column(Text, primary_key=True)
    rule_id: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    customers: Mapped[list[Any]]


class FindingRow(Base):
    """A finding as one run recorded it."""

    __tablename__ = "findings"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    finding_id: Mapped[str] = mapped_column(Text, primary_key=True, index=True)
    rule_id: Mapped[str] = mapped_column(Text)
    rule_version: Mapped[str] = mapped_column(Text)
    subject_type: Mapped[str] = mapped_column(String(12))
    subject_id: Mapped[str] = mapped_column(Text)
    account_ids: Mapped[list[Any]]
    customer_ids: Mapped[list[Any]]
    tier: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(String(12))
    published: Mapped[bool]  # False: recorded in shadow, or held back by the circuit breaker
    clauses: Mapped[list[Any]]
    summary: Mapped[str] = mapped_column(Text)
    observed: Mapped[dict[str, Any]]
    limits: Mapped[dict[str, Any]]
    evidence_sql: Mapped[str] = mapped_column(Text)
    first_seen: Mapped[datetime]
    chart: Mapped[dict[str, Any]]  # the daily series behind the finding
    kind: Mapped[str | None] = mapped_column(Text)  # which kind of the rule's findings, where it tells them apart


class FindingCustomer(Base):
    """Which customers and accounts a finding speaks of, so that a customer's standing is one look-up."""

    __tablename__ = "finding_subjects"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    finding_id: Mapped[str] = mapped_column(Text, primary_key=True)
    customer_id: Mapped[str] = mapped_column(Text, primary_key=True, index=True)


class GroupDossier(Base):
    """What showed that the accounts of a group belong together, when a run found something of it."""

    __tablename__ = "group_dossiers"
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    group_id: Mapped[str] = mapped_column(Text, primary_key=True)
    content: Mapped[dict[str, Any]]


class Decision(Base):
    """What a person decided about a finding; append-only, each entry sealed with the digest of the one before."""

    __tablename__ = "decisions"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    finding_id: Mapped[str] = mapped_column(Text, index=True)
    decided_as: Mapped[str] = mapped_column(String(20))  # acknowledged, confirmed, false_positive, remediated, excepted
    why: Mapped[str] = mapped_column(Text)
    who: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime]
    until: Mapped[date | None]
    previous_digest: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Text)
