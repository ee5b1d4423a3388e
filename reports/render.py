"""From the ledger to files: a tier's report, the index, and the seal of a revision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.models import Run
from audits.ledger.read import (
    as_line,
    customer_names,
    decisions_about,
    earlier_periods,
    findings_in,
    horizon_of,
    revisions,
)
from audits.periods import Period
from reports import files, manifest
from reports.build import build_tier_report
from reports.changes import PERIODS_BACK
from reports.dossier import build_dossiers
from reports.formats import csv, html, jsonl
from reports.index import build_index, build_run_page


def render_tier(session: Session, run_id: int, tier: str, out: Path) -> tuple[Path, ...]:
    """Write one tier's report (page, table, JSON lines, a dossier a linked group) and return the files."""
    run = _run(session, run_id)
    report = build_tier_report(session, run, tier)
    found = [one for one in findings_in(session, run, horizon_of(session, run)) if one.row.tier == tier]
    lines = [as_line(run, one) for one in found]
    folder = files.tier_folder(out, run, tier)
    return (
        files.write(folder / files.REPORT, html.tier_page(report)),
        files.write(folder / files.TABLE, csv.table(lines, customer_names(session, [run.id]))),
        files.write(folder / files.LINES, jsonl.lines(lines)),
        *(files.write(folder / one.file, html.dossier_page(one)) for one in build_dossiers(session, run, report)),
    )


def render_index(session: Session, out: Path) -> Path:
    """Write the index over periods and tiers, ``<out>/index.html``."""
    return files.write(out / files.INDEX, html.index_page(build_index(session, out)))


def seal(session: Session, run_id: int, out: Path) -> Path:
    """Write the revision's own index and its manifest, after what is missing of it; return the manifest.

    The manifest carries the digest of the manifest before, so that one is made first where it is not there or has
    been overtaken by what became known until its successor was recorded.
    """
    run = _run(session, run_id)
    before = [other for other in revisions(session, run.period) if other.revision < run.revision]
    previous = None
    if before:
        sealed = files.run_folder(out, before[-1])
        if not _is_current(session, before[-1], sealed):
            for tier in before[-1].tiers:
                render_tier(session, before[-1].id, tier, out)
            seal(session, before[-1].id, out)
        previous = {
            "revision": before[-1].revision,
            "manifest_sha256": manifest.sha256(sealed / files.MANIFEST),
        }
    for tier in run.tiers:
        if not (files.tier_folder(out, run, tier) / files.REPORT).is_file():
            render_tier(session, run.id, tier, out)
    folder = files.run_folder(out, run)
    files.write(folder / files.INDEX, html.run_page(build_run_page(session, run, out)))
    return files.write(
        folder / files.MANIFEST, manifest.text_of({**_facts(session, run), "previous": previous}, folder)
    )


def _is_current(session: Session, run: Run, folder: Path) -> bool:
    content = manifest.read(folder)
    return content is not None and content.get("known") == _known(session, run) and not manifest.verify(folder)


def _facts(session: Session, run: Run) -> dict[str, Any]:
    period = Period.parse(run.period)
    return {
        "period": run.period,
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
        "revision": run.revision,
        "status": run.status,
        "audited_at": run.audited_at.isoformat(),
        "tiers": list(run.tiers),
        "policy_version": run.policy_version,
        "rules": dict(run.rules),
        "inputs": dict(run.inputs),
        "watermark": run.watermark.isoformat() if run.watermark else None,
        "results_digest": run.results_digest,
        "causes": list(run.causes),
        "known": _known(session, run),
    }


def _known(session: Session, run: Run) -> dict[str, Any]:
    """What the report says beyond the run itself: earlier audits that it compares with, decisions that it shows."""
    horizon = horizon_of(session, run)
    earlier = {
        other.id: other
        for tier in run.tiers
        for other in earlier_periods(session, run, tier, PERIODS_BACK, horizon).values()
        if other
    }
    last = Period.parse(run.period).previous.id
    shown = [run, *(other for other in earlier.values() if other.period == last)]
    ids = [one.row.finding_id for other in shown for one in findings_in(session, other, brief=True)]
    decided = decisions_about(session, ids, horizon.instant)
    return {
        "earlier": sorted(f"{other.period} r{other.revision}" for other in earlier.values()),
        "decisions": sorted(decision.number for decisions in decided.values() for decision in decisions),
    }


def _run(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise AuditsError(f"The ledger has no run {run_id}.", where="ledger, runs", fix="Run: audits run --period P")
    return run
