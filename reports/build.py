"""Building a tier's report from the ledger alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.coverage import unevaluated_customers
from audits.ledger.models import AuditedCustomer, GroupDossier, RuleVersion, Run, TierFigures
from audits.ledger.read import book_of, customer_names, findings_in, known_on, known_until
from audits.periods import Period
from audits.policy import Book
from audits.policy.names import FAMILIES
from reports.changes import burdened, read_earlier, since_period, since_revision
from reports.coverage import Cells
from reports.files import dossier_name
from reports.members import list_with_groups
from reports.model import (
    SEVERITIES,
    Clause,
    Exempt,
    Family,
    Figures,
    Finding,
    Heading,
    Method,
    RuleCoverage,
    Subject,
    TierReport,
)
from reports.wording import Words, clause_of, finding_of, subject_of


def build_tier_report(session: Session, run: Run, tier: str) -> TierReport:
    """Everything that the report of a tier says, for one revision of a period."""
    if tier not in run.tiers:
        raise AuditsError(
            f"Revision {run.revision} of {run.period} did not audit the tier {tier!r}.",
            where="ledger, runs",
            fix=f"It audited: {', '.join(run.tiers)}.",
        )
    period, until, book = Period.parse(run.period), known_until(session, run), book_of(session, run.policy_version)
    audited = session.scalars(
        select(AuditedCustomer)
        .where(AuditedCustomer.run_id == run.id, AuditedCustomer.tier == tier)
        .order_by(AuditedCustomer.customer_id)
    ).all()
    words = Words(_rules(session, run), book, customer_names(session, [run.id]))
    everything = findings_in(session, run, until)
    recorded = [found for found in everything if found.row.tier == tier]
    rows = [found.row for found in recorded]
    earlier = read_earlier(session, run, tier)
    cells = Cells(session, run, tier, (customer.customer_id for customer in audited))
    pasts = [earlier.past_of(row) for row in rows]
    findings = [finding_of(found, words, past) for found, past in zip(recorded, pasts, strict=True)]
    coverage = cells.coverage(words)
    dossiers = set(session.scalars(select(GroupDossier.group_id).where(GroupDossier.run_id == run.id)))
    shared, by_customer = list_with_groups(*_grouped(findings, audited, dossiers))
    everyone = {customer.customer_id for customer in audited}
    weighed = burdened(everything, everyone, words, period.last_day)
    unevaluated = unevaluated_customers(session, run.id, tier) - weighed
    checks = cells.checks()
    return TierReport(
        heading=Heading(
            period=period,
            tier=tier,
            tier_title=next((one.title for one in book.tiers if one.id == tier), tier) if book else tier,
            revision=run.revision,
            audited_at=run.audited_at,
            status=run.status,
            policy_version=run.policy_version,
            policy_title=book.title if book else "",
            as_of=known_on(run, {found.row.finding_id: found.decisions for found in everything}),
            notes=tuple(run.notes),
        ),
        figures=_figures(session, run, tier),
        good_standing=len(everyone - weighed - unevaluated),
        not_evaluated=len(unevaluated),
        elsewhere=len(weighed - burdened(recorded, everyone, words, period.last_day)),
        checks=checks,
        since_period=since_period(session, tier, earlier, pasts, words, cells.fate_of, until),
        since_revision=since_revision(session, run, tier, rows, words, cells.fate_of),
        shared=shared,
        customers=by_customer,
        quality=cells.quality(session),
        coverage=coverage,
        linking=cells.linking(),
        trend=earlier.trend(run, rows, checks),
        families=_families(findings),
        exceptions=_exceptions(book, period, audited, findings),
        method=Method(run.watermark, run.inputs, run.results_digest, _clauses(book, coverage, findings, period)),
    )


def _rules(session: Session, run: Run) -> dict[str, Mapping[str, object]]:
    versions = session.scalars(select(RuleVersion).where(RuleVersion.rule_id.in_(list(run.rules))))
    return {one.rule_id: one.content for one in versions if run.rules.get(one.rule_id) == one.version}


def _figures(session: Session, run: Run, tier: str) -> Figures:
    row = session.get(TierFigures, (run.id, tier))
    figures = row.figures if row else {}
    daily = figures.get("daily") or {}
    return Figures(
        **{
            name: int(figures.get(name) or 0)
            for name in ("customers", "accounts", "accounts_with_usage", "requests", "input_tokens", "output_tokens")
        },
        cost_usd=figures.get("cost_usd"),
        days=tuple(date.fromisoformat(day) for day in daily.get("days", ())),
        daily_requests=tuple(int(value or 0) for value in daily.get("requests", ())),
    )


def _grouped(
    findings: Iterable[Finding], audited: Iterable[AuditedCustomer], dossiers: Collection[str]
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """Linked groups and whatever concerns several customers or none first; then each customer with its own."""
    known = {customer.customer_id: customer for customer in audited}
    by_subject: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        alone = finding.subject_type != "group" and len(finding.customers) == 1
        key = ("customer", finding.customers[0][0]) if alone else (finding.subject_type, finding.subject_id)
        by_subject.setdefault(key, []).append(finding)
    subjects = [
        _subject(kind, ident, theirs, known.get(ident), has_dossier=kind == "group" and ident in dossiers)
        for (kind, ident), theirs in by_subject.items()
    ]
    subjects.sort(key=lambda one: (SEVERITIES.index(one.findings[0].severity), one.name.casefold(), one.id))
    shared = sorted((one for one in subjects if one.kind != "customer"), key=lambda one: one.kind != "group")
    return tuple(shared), tuple(one for one in subjects if one.kind == "customer")


def _subject(
    kind: str, ident: str, findings: Sequence[Finding], row: AuditedCustomer | None, *, has_dossier: bool
) -> Subject:
    """A subject; ``row`` is the customer as it was audited, where the subject is one."""
    first = findings[0]
    customer = kind == "customer"
    return Subject(
        kind=kind,
        id=ident,
        name=dict(first.customers).get(ident, ident) if customer else ident,
        account_manager=row.account_manager if row and customer else "",
        account_ids=tuple(row.accounts) if row and customer else first.account_ids,
        customers=first.customers,
        requests=int(row.figures.get("requests") or 0) if row and customer else None,
        findings=tuple(findings),
        dossier=dossier_name(ident) if has_dossier else "",
    )


def _families(findings: Iterable[Finding]) -> tuple[Family, ...]:
    counts: dict[str, Counter[str]] = {}
    for finding in findings:
        for family in dict.fromkeys(finding.families):
            counts.setdefault(family, Counter())[finding.severity] += 1
    return tuple(
        sorted(
            (Family(name, FAMILIES.get(name, ""), count) for name, count in counts.items()),
            key=lambda family: (-family.total, family.name),
        )
    )


def _exceptions(
    book: Book | None, period: Period, audited: Sequence[AuditedCustomer], findings: Sequence[Finding]
) -> tuple[Exempt, ...]:
    """What is excepted in the period for this tier: by the book, and by decisions about findings."""
    names = {customer.customer_id: customer.name for customer in audited}
    subjects = {("customer", customer) for customer in names}
    subjects |= {("account", account) for customer in audited for account in customer.accounts}
    subjects |= {(finding.subject_type, finding.subject_id) for finding in findings}
    found = [
        Exempt(
            subject=subject_of(one.subject_type, one.subject_id, list(names.items())),
            rules=one.rules,
            owner=one.owner,
            why=one.why,
            until=one.to_day - timedelta(days=1),
            whole=one.from_day <= period.first_day and period.end_day <= one.to_day,
        )
        for one in (book.exceptions if book else ())
        if one.from_day < period.end_day
        and period.first_day < one.to_day
        and (one.subject_type, one.subject_id) in subjects
    ]
    found += [
        Exempt(
            subject=subject_of(finding.subject_type, finding.subject_id, finding.customers),
            rules=(finding.rule_id,),
            owner=finding.status.who,
            why=finding.status.why,
            until=finding.status.until,
            whole=True,
        )
        for finding in findings
        if finding.status.word == "excepted" and finding.status.since is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.until or date.max, one.subject, one.rules)))


def _clauses(
    book: Book | None, coverage: Iterable[RuleCoverage], findings: Iterable[Finding], period: Period
) -> tuple[Clause, ...]:
    """The clause versions in force that the asked rules speak of, and whatever findings cite."""
    families = {family for rule in coverage for family in rule.families}
    ids = {clause.id for finding in findings for clause in finding.clauses}
    if book:
        for day in (period.first_day, period.last_day):
            try:
                ids |= {clause.id for clause in book.clauses(families, day)}
            except AuditsError:  # the book begins later
                continue
    clauses = [clause_of(clause, book) for clause in ids]
    return tuple(sorted(clauses, key=lambda clause: (clause.family, clause.id)))
