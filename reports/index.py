"""Building the index pages from the ledger: over all periods and tiers, and over the tiers of one revision."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from audits.ledger.coverage import Checks, checks_of
from audits.ledger.models import AuditedCustomer, Run
from audits.ledger.read import book_of, findings_in, governing_runs, known_until, revisions
from audits.periods import Kind, Period
from reports import files
from reports.overview import PeriodLine, RunPage, TierLine

KINDS: tuple[Kind, ...] = ("month", "quarter", "week", "day")
PERIODS_SHOWN = 36
"""Periods of each kind on the index, newest first, so that its cost does not grow with the ledger's history."""


def build_index(session: Session, out: Path) -> dict[Kind, tuple[PeriodLine, ...]]:
    """Kind of period -> its periods, newest first."""
    governing: dict[str, dict[str, Run]] = defaultdict(dict)
    for (period, tier), run in governing_runs(session).items():
        governing[period][tier] = run
    periods = sorted((Period.parse(period) for period in governing), reverse=True)
    shown = {kind: [period for period in periods if period.kind == kind][:PERIODS_SHOWN] for kind in KINDS}
    lines = _Lines(session, out, out)
    return {
        kind: tuple(
            PeriodLine(
                period,
                tuple(lines.of(run, tier) for tier, run in governing[period.id].items()),
                tuple(
                    (run.revision, _link(out, files.run_folder(out, run), files.INDEX))
                    for run in reversed(revisions(session, period.id))
                ),
            )
            for period in its
        )
        for kind, its in shown.items()
        if its
    }


def build_run_page(session: Session, run: Run, out: Path) -> RunPage:
    """The page of one revision."""
    lines, book = _Lines(session, out, files.run_folder(out, run)), book_of(session, run.policy_version)
    return RunPage(
        period=Period.parse(run.period),
        revision=run.revision,
        audited_at=run.audited_at,
        status=run.status,
        policy_version=run.policy_version,
        policy_title=book.title if book else "",
        causes=tuple(run.causes),
        notes=tuple(run.notes),
        tiers=tuple(lines.of(run, tier) for tier in run.tiers),
    )


class _Lines:
    """A line a tier and run, with the runs' figures read once."""

    def __init__(self, session: Session, out: Path, page: Path) -> None:
        self.session, self.out, self.page = session, out, page
        self.read: dict[int, tuple[Mapping[str, Counter[str]], Mapping[str, Counter[str]]]] = {}
        self.customers: dict[int, dict[str, int]] = {}
        self.checks: dict[tuple[int, str], Checks] = {}

    def of(self, run: Run, tier: str) -> TierLine:
        if run.id not in self.read:
            self._read(run)
        every, undecided = self.read[run.id]
        book = book_of(self.session, run.policy_version)
        return TierLine(
            tier=tier,
            title=next((one.title for one in book.tiers if one.id == tier), tier) if book else tier,
            revision=run.revision,
            audited_at=run.audited_at,
            status=run.status,
            customers=self.customers[run.id].get(tier, 0),
            findings=every[tier],
            open=undecided[tier],
            checks=self.checks.get((run.id, tier), Checks()),
            folder=_link(self.page, files.tier_folder(self.out, run, tier), files.REPORT),
        )

    def _read(self, run: Run) -> None:
        every: dict[str, Counter[str]] = defaultdict(Counter)
        undecided: dict[str, Counter[str]] = defaultdict(Counter)
        for found in findings_in(self.session, run, known_until(self.session, run), brief=True):
            every[found.row.tier][found.row.severity] += 1
            if found.status.word == "open":
                undecided[found.row.tier][found.row.severity] += 1
        self.read[run.id] = every, undecided
        a = AuditedCustomer
        counted = self.session.execute(select(a.tier, func.count()).where(a.run_id == run.id).group_by(a.tier))
        self.customers[run.id] = {tier: int(count) for tier, count in counted}
        self.checks |= checks_of(self.session, [run.id])


def _link(page: Path, folder: Path, file: str) -> str:
    """The way from a page's folder to another folder, if the file that one opens there has been written."""
    return folder.relative_to(page).as_posix() if (folder / file).is_file() else ""
