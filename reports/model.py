"""What a report says, as data: no wording of a format, no colour, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from audits.ledger.coverage import Checks
from audits.ledger.read import Status
from audits.periods import Period
from reports.since import SincePeriod, SinceRevision

SEVERITIES = ("critical", "high", "medium", "low")
"""Gravest first: the order in which a reader meets them."""

ChangeWord = Literal["new", "worse", "eased", "same", "returned"]


@dataclass(frozen=True, slots=True)
class Heading:
    """Which report this is. ``as_of`` is the day up to which decisions are in it."""

    period: Period
    tier: str
    tier_title: str
    revision: int
    audited_at: datetime
    status: str  # complete, partial
    policy_version: str
    policy_title: str
    as_of: date
    notes: tuple[str, ...]  # what a reader must know before trusting the figures


@dataclass(frozen=True, slots=True)
class Figures:
    """The tier's size and use in the period; None is "not recorded"."""

    customers: int
    accounts: int
    accounts_with_usage: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    days: tuple[date, ...]
    daily_requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause version that a finding cites; only the id where the policy book no longer has its text."""

    id: str
    family: str = ""
    document: str = ""
    section: str = ""
    text: str = ""
    url: str | None = None
    effective_from: date | None = None
    effective_to: date | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: what it means, what was seen, what it was held against (either may be missing)."""

    meaning: str
    observed: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A daily series: ``values[:baseline_days]`` lie before the period; ``members`` are a group's largest accounts."""

    unit: str
    days: tuple[date, ...]
    values: tuple[float, ...]
    limit: float | None
    baseline_days: int
    usual: tuple[float, float] | None
    members: tuple[tuple[str, tuple[float, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a finding's history."""

    day: date
    what: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding with all that its reader needs. ``change`` compares with the period before; "" where there is none."""

    id: str
    rule_id: str
    rule_version: str
    title: str
    question: str
    families: tuple[str, ...]
    basis: str  # behaviour, record
    marks_standing: bool  # whether it counts against its customers
    subject_type: str
    subject_id: str
    severity: str
    severity_before: str
    change: ChangeWord | Literal[""]
    status: Status
    summary: str
    measures: tuple[Measure, ...]
    clauses: tuple[Clause, ...]
    chart: Chart | None
    account_ids: tuple[str, ...]
    customers: tuple[tuple[str, str], ...]  # (customer_id, name)
    benign: tuple[str, ...]
    next_step: str
    may_say: str
    history: tuple[Event, ...]
    evidence_sql: str


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom one decision is about, with all that was found of it, gravest first.

    A customer with what concerns its accounts and keys; a linked group; or a network or key that belongs to several
    customers or to none.
    """

    kind: str  # customer, group, network, key, account
    id: str
    name: str
    account_manager: str
    account_ids: tuple[str, ...]
    customers: tuple[tuple[str, str], ...]  # (customer_id, name)
    requests: int | None  # in the period; None where nobody counted them for this subject
    findings: tuple[Finding, ...]
    dossier: str = ""  # the page, beside the report, that says why a group's accounts belong together
    members: tuple[MemberFindings, ...] = ()  # of a group: what is listed with it, gravest first
    listed: tuple[tuple[Finding, str], ...] = ()  # the part of ``findings`` listed with a group, and the group's id

    @property
    def in_full(self) -> tuple[Finding, ...]:
        """What is told here in full: all but what a linked group lists."""
        listed = {finding.id for finding, _ in self.listed}
        return tuple(finding for finding in self.findings if finding.id not in listed)

    @property
    def open(self) -> tuple[Finding, ...]:
        """What nobody has decided yet."""
        return _open(self.findings)

    @property
    def own(self) -> tuple[Finding, ...]:
        """What nobody has decided yet and is told here in full."""
        return _open(self.in_full)

    @property
    def waiting(self) -> tuple[Finding, ...]:
        """All that a decision about this subject is about: of a group also what it lists of its members; gravest first.

        What a group lists of a customer waits with the group: accounts that act as one are decided about as one.
        """
        every = (*self.own, *(finding for told in self.members for finding in told.open))
        return tuple(sorted(every, key=lambda finding: SEVERITIES.index(finding.severity)))


@dataclass(frozen=True, slots=True)
class MemberFindings:
    """What one rule found of a group's members each by itself: the rule is told once, then every finding has a row."""

    rows: tuple[tuple[Finding, Subject], ...]  # with whom the finding is about
    clauses: tuple[Clause, ...]  # all that are cited; a row that cites fewer says which

    @property
    def open(self) -> tuple[Finding, ...]:
        """What nobody has decided yet."""
        return _open(finding for finding, _ in self.rows)


def _open(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.status.word == "open")


@dataclass(frozen=True, slots=True)
class QualityDay:
    """A day of data: the verdict of its worst source, and why."""

    day: date
    verdict: str  # good, degraded, blocked, none (nothing was recorded)
    reasons: tuple[str, ...]
    checks: int  # checks of this tier that it left not evaluated


@dataclass(frozen=True, slots=True)
class NotCompliant:
    """The customers that share a verdict and its reason under a rule."""

    verdict: str
    reason: str
    customers: tuple[tuple[str, str], ...]  # (customer_id, name)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why checks were not evaluated or did not apply, over all rules."""

    reason: str
    rules: tuple[str, ...]
    checks: int
    customers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """A rule's account of itself: its question, its limits for this tier, and what became of every cell."""

    rule_id: str
    title: str
    question: str
    version: str
    status: str  # active, shadow, stopped
    signal: str
    families: tuple[str, ...]
    checks: Checks
    held_back: int  # findings recorded and not reported, in shadow or by the circuit breaker
    error: str
    reasons: tuple[NotCompliant, ...]
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class SharedValue:
    """A value that so many customers share that it linked nobody."""

    kind: str  # in words
    digest: str
    customers: int


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Accounts that hung together by one widely shared value, and were not reported as one group."""

    accounts: int
    kind: str  # of the value, in words
    digest: str
    customers: int  # of them that share the value
    groups: int  # that stand without it, and are reported in their stead


@dataclass(frozen=True, slots=True)
class Linking:
    """What linking accounts came to, over all tiers, and what it could not see."""

    accounts: int
    groups: int
    members: int
    missing: tuple[str, ...]  # kinds of evidence of which nothing is recorded, in words
    wide: tuple[SharedValue, ...]
    held_back: tuple[HeldBack, ...]
    unevaluated: tuple[str, ...]  # rules that were not evaluated because nothing links accounts


@dataclass(frozen=True, slots=True)
class Limit:
    """A parameter of a rule for this tier on [effective_from, effective_to)."""

    name: str
    meaning: str
    value: str
    effective_from: date | None
    effective_to: date | None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """Findings of a period by severity; ``counts`` is None where ``gap`` says why there are none to count."""

    period: Period
    counts: Mapping[str, int] | None
    gap: Literal["", "not audited", "nothing was evaluated"] = ""


@dataclass(frozen=True, slots=True)
class Family:
    """A clause family and the findings that touch it."""

    name: str
    meaning: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Findings of any severity."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Exempt:
    """An exception in force in the period, from the policy book or from a decision."""

    subject: str
    rules: tuple[str, ...]
    owner: str
    why: str
    until: date | None
    whole: bool  # it covers every day of the period


@dataclass(frozen=True, slots=True)
class Method:
    """Why the report can be believed: what it was made from."""

    watermark: datetime | None
    inputs: Mapping[str, Any]
    results_digest: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class TierReport:
    """The report of one tier for one revision of a period."""

    heading: Heading
    figures: Figures
    good_standing: int  # customers of whom something was evaluated and nothing found weighs
    not_evaluated: int  # customers whose usage was not evaluated in substance, and of whom nothing found weighs
    elsewhere: int  # customers not in good standing only for findings that other tiers' reports have
    checks: Checks
    since_period: SincePeriod | None
    since_revision: SinceRevision | None
    shared: tuple[Subject, ...]  # linked groups, then what concerns several customers or none
    customers: tuple[Subject, ...]  # gravest first
    quality: tuple[QualityDay, ...]
    coverage: tuple[RuleCoverage, ...]
    linking: Linking | None  # None: a run that did not record it
    trend: tuple[TrendPoint, ...]  # oldest first, this period last
    families: tuple[Family, ...]
    exceptions: tuple[Exempt, ...]
    method: Method

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, gravest first."""
        every = (finding for subject in (*self.shared, *self.customers) for finding in subject.findings)
        return tuple(sorted(every, key=lambda finding: SEVERITIES.index(finding.severity)))

    @property
    def decisions(self) -> tuple[Subject, ...]:
        """Whom a decision is needed about: the gravest first; of one severity groups, then those with most findings."""
        waiting = [subject for subject in (*self.shared, *self.customers) if subject.waiting]

        def order(one: Subject) -> tuple[int, bool, int]:
            return SEVERITIES.index(one.waiting[0].severity), one.kind != "group", -len(one.waiting)

        return tuple(sorted(waiting, key=order))

    @property
    def open(self) -> tuple[Finding, ...]:
        """Every finding that nobody has decided yet, gravest first."""
        return _open(self.findings)

    def reasons(self, *verdicts: str) -> tuple[Reason, ...]:
        """Why checks ended with one of the verdicts, over all rules, most checks first."""
        groups: dict[str, list[tuple[str, NotCompliant]]] = {}
        for rule in self.coverage:
            for group in rule.reasons:
                if group.verdict in verdicts:
                    groups.setdefault(group.reason, []).append((rule.rule_id, group))
        found = (
            Reason(
                reason,
                tuple(rule for rule, _ in its),
                sum(len(group.customers) for _, group in its),
                tuple(dict.fromkeys(customer for _, group in its for customer in group.customers)),
            )
            for reason, its in groups.items()
        )
        return tuple(sorted(found, key=lambda one: (-one.checks, one.reason)))
