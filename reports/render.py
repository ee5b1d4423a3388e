"""From the ledger to files: a tier's report, the index, and the seal of a revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.manifests import manifests_of
from audits.ledger.models import FindingRow, GroupDossier, Run
from audits.ledger.read import (
    as_line,
    customer_names,
    decisions_about,
    earlier_periods,
    findings_in,
    known_until,
    revisions,
)
from audits.ledger.seal import require_intact
from audits.periods import Period
from reports import files, manifest
from reports.build import build_tier_report
from reports.changes import PERIODS_BACK
from reports.dossier import build_dossiers
from reports.formats import coverage, csv, html, jsonl
from reports.index import build_index, build_run_page
from reports.ownership import alterations, require_own, require_own_folder, run_facts
from reports.quality import quality_pages

COMPARED = ("findings", "audited_customers")
"""The tables of earlier runs that a report compares with."""


def render_tier(session: Session, run_id: int, tier: str, out: Path) -> tuple[Path, ...]:
    """Write one tier's report (page, findings, coverage, a dossier a linked group) and return the files."""
    run = _run(session, run_id, out)
    report = build_tier_report(session, run, tier)
    found = [one for one in findings_in(session, run, known_until(session, run)) if one.row.tier == tier]
    lines = [as_line(run, one) for one in found]
    folder = files.tier_folder(out, run, tier)
    return (
        files.write(folder / files.REPORT, html.tier_page(report)),
        files.write(folder / files.TABLE, csv.table(lines, customer_names(session, [run.id]))),
        files.write(folder / files.LINES, jsonl.lines(lines)),
        files.write(folder / files.COVERAGE_TABLE, coverage.table(report)),
        files.write(folder / files.COVERAGE, coverage.document(report)),
        *(files.write(folder / one.file, html.dossier_page(one)) for one in build_dossiers(session, run, report)),
    )


@dataclass(frozen=True, slots=True)
class Published:
    """A run's manifest, and the SHA-256 of each manifest that was written, by run: the ledger records them.

    ``found`` names what was altered, missing or extra in sealed folders before, and what was done about it.
    """

    manifest: Path
    sealed: Mapping[int, str]
    found: tuple[str, ...]


def publish(session: Session, run_id: int, out: Path) -> Published:
    """Bring a revision's reports, its seal and the index up to date.

    What is whole and current is left as it is, so that the same call completes what a killed one began. A later
    revision that was sealed after other content of this one is sealed again.
    """
    with files.publishing(out):
        require_own_folder(session, out)
        files.remove_leftovers(out, below=False)  # of the index; a revision's own are removed when it is sealed
        run = _run(session, run_id, out)
        period = revisions(session, run.period)
        sealed: dict[int, Path] = {}
        found = {other.id: alterations(session, other, files.run_folder(out, other)) for other in period}
        for other in period:
            folder = files.run_folder(out, other)
            due = other.id == run_id or (other.revision > run.revision and (folder / files.MANIFEST).is_file())
            if due and not _is_current(session, other, folder):
                sealed |= _render_and_seal(session, other, out)
        render_index(session, out)  # after the seal: it links to what is there
        digests = {sealed_id: manifest.sha256(file) for sealed_id, file in sealed.items()}
    told = tuple(f"{out / run.period}/{one}" for run_id in sealed for one in found[run_id])
    return Published(files.run_folder(out, run) / files.MANIFEST, digests, told)


def render_index(session: Session, out: Path) -> Path:
    """Write the index over periods and tiers, ``<out>/index.html``."""
    return files.write(out / files.INDEX, html.index_page(build_index(session, out)))


def index_problems(session: Session, out: Path) -> list[str]:
    """How the index over all reports differs from what the ledger gives now."""
    file = out / files.INDEX
    if not file.is_file():
        return [f"missing; {_AGAIN}"]
    if file.read_bytes() != html.index_page(build_index(session, out)).encode():
        return [f"altered, or older than what the ledger has: it is not what the ledger gives now; {_AGAIN}"]
    return []


_AGAIN = "`audits report --period P`, for any audited period, writes it again"


def _render_and_seal(session: Session, run: Run, out: Path) -> dict[int, Path]:
    for tier in run.tiers:
        render_tier(session, run.id, tier, out)
    return seal(session, run.id, out)


def seal(session: Session, run_id: int, out: Path) -> dict[int, Path]:
    """Write the revision's own index, its pages on data quality and its manifest; return run -> manifest written.

    The manifest carries the digest of the manifest before, so that one is made first where it is not there or has
    been overtaken by what became known until its successor was recorded. Tiers that were not rendered yet are rendered
    first. The manifest lists what was written for the revision and nothing else that lies in its folder.
    """
    run = _run(session, run_id, out)
    before = [other for other in revisions(session, run.period) if other.revision < run.revision]
    previous, sealed = None, {}
    if before:
        last = files.run_folder(out, before[-1])
        if not _is_current(session, before[-1], last):
            sealed = _render_and_seal(session, before[-1], out)
        previous = {"revision": before[-1].revision, "manifest_sha256": manifest.sha256(last / files.MANIFEST)}
    folder = files.run_folder(out, run)
    files.remove_leftovers(folder)
    written = {files.INDEX}
    for tier in run.tiers:
        written |= _written(session, run, tier, out)
    for name, page in quality_pages(session, run, html.quality_page).items():
        files.write(folder / name, page)
        written.add(name)
    files.write(folder / files.INDEX, html.run_page(build_run_page(session, run, out)))
    facts = {**run_facts(run), "known": _known(session, run), "previous": previous}
    return sealed | {run_id: files.write(folder / files.MANIFEST, manifest.text_of(facts, folder, written))}


def _written(session: Session, run: Run, tier: str, out: Path) -> set[str]:
    """The files of a tier's report as paths from the revision's folder; rendered where any of them is missing."""
    folder = files.tier_folder(out, run, tier)
    dossiers = select(FindingRow.subject_id).join(
        GroupDossier, and_(GroupDossier.run_id == FindingRow.run_id, GroupDossier.group_id == FindingRow.subject_id)
    )
    groups = session.scalars(
        dossiers.where(
            FindingRow.run_id == run.id, FindingRow.tier == tier, FindingRow.published,
            FindingRow.subject_type == "group",
        )
    )  # fmt: skip
    always = (files.REPORT, files.TABLE, files.LINES, files.COVERAGE_TABLE, files.COVERAGE)
    names = {*always, *map(files.dossier_name, groups)}
    if not all((folder / name).is_file() for name in names):
        render_tier(session, run.id, tier, out)
    return {f"{folder.name}/{name}" for name in names if (folder / name).is_file()}


def _is_current(session: Session, run: Run, folder: Path) -> bool:
    """Whether a folder is sealed as the ledger recorded it, and shows what is known now."""
    content = manifest.read(folder)
    return (
        content is not None
        and content.get("known") == _known(session, run)
        and manifest.sha256(folder / files.MANIFEST) in manifests_of(session, run.id)
        and not manifest.verify(folder)
    )


def _known(session: Session, run: Run) -> dict[str, Any]:
    """What the report says beyond the run itself: earlier audits that it compares with, decisions that it shows."""
    earlier = _earlier(session, run)
    last = Period.parse(run.period).previous.id
    shown = [run, *(other for other in earlier.values() if other.period == last)]
    ids = [one.row.finding_id for other in shown for one in findings_in(session, other, brief=True)]
    decided = decisions_about(session, ids, known_until(session, run))
    return {
        "earlier": sorted(f"{other.period} r{other.revision}" for other in earlier.values()),
        "decisions": sorted(decision.number for decisions in decided.values() for decision in decisions),
    }


def _run(session: Session, run_id: int, out: Path) -> Run:
    """A run that may be rendered: what it says, and what it is compared with, is as recorded; the folder is its own."""
    run = session.get(Run, run_id)
    if run is None:
        raise AuditsError(f"The ledger has no run {run_id}.", where="ledger, runs", fix="Run: audits run --period P")
    require_intact(session, run)
    for other in _compared(session, run):
        require_intact(session, other, COMPARED)
    require_own(session, run.period, out)
    return run


def _compared(session: Session, run: Run) -> list[Run]:
    """The earlier revisions and periods whose findings a report compares with."""
    before = [other for other in revisions(session, run.period) if other.revision < run.revision]
    return before + list(_earlier(session, run).values())


def _earlier(session: Session, run: Run) -> dict[int, Run]:
    return {
        other.id: other
        for tier in run.tiers
        for other in earlier_periods(session, run, tier, PERIODS_BACK).values()
        if other
    }
