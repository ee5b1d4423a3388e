"""What the data-quality page of a revision says, and Great Expectations' Data Docs beside it, from the ledger alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger.causes import BELOW_ZERO, REJECTED
from audits.ledger.models import QualityDay, Run, RunInput
from audits.ledger.read import book_of
from audits.periods import Period
from audits.quality.docs import data_docs
from audits.quality.figures import NEGATIVE
from audits.warehouse.raw_text import shown

# A tier's folder has no dot in its name, so that none is called like these files.
PAGE = "data-quality.html"


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check that a day of a source failed, with ids of the first rows concerned."""

    day: date
    source: str
    severity: str
    check: str
    what: str
    rows: int
    keys: tuple[str, ...]  # event ids; empty where no single event is at fault
    rules: tuple[str, ...]  # that are not evaluated


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows of a source that no audit counts: they make an audit partial."""

    source: str
    what: str
    rows: int
    days: tuple[date, ...]  # on which they lie; empty where the ledger does not know


@dataclass(frozen=True, slots=True)
class DocsLink:
    """Where the Data Docs on the days under one set of limits lie."""

    first_day: date
    last_day: date
    results: str
    limits: str


@dataclass(frozen=True, slots=True)
class QualityPage:
    """The quality of a period's data: the verdicts a source, rejected rows, the failed checks, and the Data Docs."""

    period: Period
    revision: int
    audited_at: datetime
    sources: tuple[tuple[str, Counter[str]], ...]  # source -> days by verdict
    rejected: tuple[RejectedRows, ...]
    failed: tuple[FailedCheck, ...]
    docs: tuple[DocsLink, ...]


def quality_pages(session: Session, run: Run, render: Callable[[QualityPage], str]) -> dict[str, str]:
    """File in the revision's folder -> content: the page, made by ``render``, and the Data Docs that it links to.

    Runs that were recorded before figures were kept have no Data Docs.
    """
    rows = session.scalars(
        select(QualityDay).where(QualityDay.run_id == run.id).order_by(QualityDay.day, QualityDay.source_system)
    ).all()
    book = book_of(session, run.policy_version)
    figures = {
        (row.day, row.source_system): row.figures for row in rows if row.figures and book and book.quality(row.day)
    }
    docs = data_docs(figures, book.quality, name=run.period, at=run.audited_at, files=_names) if book else ()
    page = QualityPage(
        period=Period.parse(run.period),
        revision=run.revision,
        audited_at=run.audited_at,
        sources=_sources(rows),
        rejected=_rejected(session.get(RunInput, (run.id, "rejected")), rows),
        failed=tuple(_failed(row.day, row.source_system, reason) for row in rows for reason in row.reasons),
        docs=tuple(DocsLink(one.first_day, one.last_day, *_names(one.first_day)) for one in docs),
    )
    pages = {PAGE: render(page)}
    for link, one in zip(page.docs, docs, strict=True):
        pages |= {link.results: one.results, link.limits: one.limits}
    return pages


def _names(first_day: date) -> tuple[str, str]:
    return f"data-docs-{first_day}.html", f"data-docs-{first_day}-limits.html"


def _sources(rows: Iterable[QualityDay]) -> tuple[tuple[str, Counter[str]], ...]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.source_system, Counter())[row.verdict] += 1
    return tuple(sorted(found.items()))


def _rejected(recorded: RunInput | None, rows: Iterable[QualityDay]) -> tuple[RejectedRows, ...]:
    negative: dict[str, list[date]] = {}
    for row in rows:
        if any(reason["check"] == NEGATIVE for reason in row.reasons):
            negative.setdefault(row.source_system, []).append(row.day)
    found = []
    for key, n in (recorded.items if recorded else {}).items():
        kind, _, name = key.partition(" ")
        source = shown(name, "source_system")
        days = tuple(negative.get(source, ())) if kind == BELOW_ZERO else ()
        found.append(RejectedRows(source, REJECTED.get(kind, "rows that were rejected"), n, days))
    return tuple(sorted(found, key=lambda one: (one.source, one.what)))


def _failed(day: date, source: str, reason: Mapping[str, Any]) -> FailedCheck:
    return FailedCheck(
        day=day,
        source=source,
        severity=reason["severity"],
        check=reason["check"],
        what=reason["what"],
        rows=int(reason.get("rows") or 0),
        keys=tuple(reason.get("keys", ())),
        rules=tuple(reason.get("rules", ())),
    )
