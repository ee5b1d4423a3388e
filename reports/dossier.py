"""A linked group's dossier: why its accounts are treated as one, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from audits.ledger.models import GroupDossier, Run
from audits.linkage.kinds import BY_NAME
from reports.model import Chart, Finding, Heading, Subject, TierReport


@dataclass(frozen=True, slots=True)
class Member:
    """An account of the group, with its dates and what it used in the period."""

    account_id: str
    customer_id: str
    name: str
    tier: str
    opened: date | None
    first_used: date | None
    last_used: date | None
    banned: date | None
    closed: date | None
    requests: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Shared:
    """A value on which accounts of several customers agree; ``members`` are numbers in the dossier's list.

    ``customers`` and ``parties`` share it in all, in or out of the group; the fewer, the more it says (``bits``).
    """

    kind: str
    title: str  # of the kind, in words
    digest: str
    members: tuple[int, ...]
    customers: int
    parties: int
    bits: float
    joins: bool  # False: it agrees with the link, and was not needed for it
    first_seen: date | None
    last_seen: date | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of evidence: how many accounts of the group it speaks of, and how many would hang together without it."""

    name: str
    title: str
    joins: bool
    values: int
    accounts: int  # that share one of the values
    recorded: int | None  # accounts of which it is recorded; None where it is found by comparison
    sharing: int
    together_without: int

    @property
    def apart(self) -> int:
        """Accounts of which it is recorded and that share it with no other customer of the group."""
        return max((self.recorded or 0) - self.sharing, 0)


@dataclass(frozen=True, slots=True)
class Holders:
    """What holds the accounts, as shares of them, see :mod:`audits.linkage.holders`."""

    one_network: float
    one_domain: float
    one_instrument: float
    possession: float
    several: float
    circles: float
    disposable: float
    campus: float | None = None  # of a dossier that was kept before it was measured
    cards_and_keys: float | None = None  # likewise
    venues: float | None = None  # likewise


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that the page of a group says."""

    file: str
    heading: Heading
    group_id: str
    findings: tuple[Finding, ...]
    chart: Chart | None  # the joint volume over the largest single ones
    since: date  # the day from which use is known
    causes: tuple[str, ...]
    holders: Holders | None  # of a dossier that was kept before they were measured: None
    members: tuple[Member, ...]  # busiest first
    kinds: tuple[Kind, ...]  # those that join first
    values: tuple[Shared, ...]
    values_in_all: int

    @property
    def customers(self) -> int:
        """Customers that the accounts belong to."""
        return len({member.customer_id for member in self.members})

    @property
    def requests(self) -> int:
        """Successful requests of all members in the period."""
        return sum(member.requests for member in self.members)

    @property
    def joining(self) -> tuple[Kind, ...]:
        """The kinds of evidence without which the group would not be one."""
        return tuple(kind for kind in self.kinds if kind.joins)

    @property
    def used(self) -> int:
        """Accounts that were used in the period."""
        return sum(member.requests > 0 for member in self.members)


def build_dossiers(session: Session, run: Run, report: TierReport) -> Iterator[Dossier]:
    """The dossiers of the linked groups in a tier's report."""
    for subject in report.shared:
        row = session.get(GroupDossier, (run.id, subject.id)) if subject.dossier else None
        if row is not None:
            yield _dossier(subject, row.content, report.heading)


def _dossier(subject: Subject, content: Mapping[str, Any], heading: Heading) -> Dossier:
    names = dict(subject.customers)
    drawn = [finding.chart for finding in subject.findings if finding.chart]
    return Dossier(
        file=subject.dossier,
        heading=heading,
        group_id=subject.id,
        findings=subject.findings,
        chart=next((chart for chart in drawn if chart.members), drawn[0] if drawn else None),
        since=date.fromisoformat(content["since"]),
        causes=tuple(content["causes"]),
        holders=Holders(**content["holders"]) if "holders" in content else None,
        members=tuple(_member(one, names) for one in content["members"]),
        kinds=tuple(_kind(one) for one in content["kinds"]),
        values=tuple(_shared(one) for one in content["values"]),
        values_in_all=content["values_in_all"],
    )


def _member(one: Mapping[str, Any], names: Mapping[str, str]) -> Member:
    return Member(
        account_id=one["account_id"],
        customer_id=one["customer_id"],
        name=names.get(one["customer_id"], one["customer_id"]),
        tier=one["tier"] or "",
        opened=_day(one["opened_at"]),
        first_used=_day(one["first_used"]),
        last_used=_day(one["last_used"]),
        banned=_day(one["banned_at"]),
        closed=_day(one["closed_at"]),
        requests=one["requests"],
        output_tokens=one["output_tokens"],
    )


def _kind(one: Mapping[str, Any]) -> Kind:
    return Kind(name=one["kind"], title=_title(one["kind"]), **{
        name: one[name] for name in ("joins", "values", "accounts", "recorded", "sharing", "together_without")
    })  # fmt: skip


def _shared(one: Mapping[str, Any]) -> Shared:
    return Shared(
        kind=one["kind"],
        title=_title(one["kind"]),
        digest=one["digest"],
        members=tuple(one["members"]),
        customers=one["customers"],
        parties=one["parties"],
        bits=one["bits"],
        joins=one["joins"],
        first_seen=_day(one["first_seen"]),
        last_seen=_day(one["last_seen"]),
    )


def _title(kind: str) -> str:
    """A kind of evidence in words; one that an earlier version knew, as it was recorded."""
    return BY_NAME[kind].title if kind in BY_NAME else kind


def _day(value: str | None) -> date | None:
    return datetime.fromisoformat(value).date() if value else None
