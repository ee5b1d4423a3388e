"""Whose a report folder is: it holds the reports of one ledger, and sealed ones are never replaced by others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.manifests import manifests_of, published_runs
from audits.ledger.models import Run
from audits.ledger.read import revisions
from audits.periods import Period
from reports import files, manifest
from reports.manifest import Problem

_REVISION = re.compile(r"r([1-9][0-9]*)")


def require_own(session: Session, period: str, out: Path) -> None:
    """Refuse a folder in which a revision of the period is sealed that is not the one this ledger recorded."""
    recorded = {run.revision: run for run in revisions(session, period)}
    for folder in sorted((out / period).glob("r*")):
        found = _REVISION.fullmatch(folder.name)
        if found is None or not (folder / files.MANIFEST).is_file():
            continue  # never sealed: an audit that was killed may finish it
        if what := _foreign(manifest.read(folder), recorded.get(int(found[1]))):
            raise _refused(folder, what, _shown(session))


def require_own_folder(session: Session | None, out: Path) -> None:
    """Refuse an output folder with reports of another ledger, of whichever period; without a session, of any."""
    recorded = {(run.period, run.revision): run for run in session.scalars(select(Run))} if session else {}
    for folder in sealed_folders(out):
        content = manifest.read(folder)
        if content is None:
            continue  # altered, whoever sealed it: `audits verify` tells
        name = content.get("period"), content.get("revision")
        if what := _foreign(content, recorded.get(name)):  # type: ignore[arg-type]
            raise _refused(folder, what, _shown(session) if session else "which has not been begun")


def _foreign(content: dict[str, Any] | None, run: Run | None) -> str:
    """Why a sealed revision is not this run's; empty where it is."""
    if content is None:
        return "has a seal that cannot be read"
    if run is None:
        return "was sealed by an audit that this ledger does not know"
    return "" if is_seal_of(content, run) else "was sealed from other content than this ledger has recorded for it"


def _refused(folder: Path, what: str, ledger: str) -> AuditsError:
    return AuditsError(
        f"Revision {folder.name[1:]} of {folder.parent.name} {what}; sealed reports are never replaced, and one "
        "folder holds the reports of one ledger.",
        where=f"{folder}, ledger {ledger}",
        fix="Set AUDITS_LEDGER_URL to the ledger that it was sealed from, or AUDITS_OUT to another folder.",
    )


def _shown(session: Session) -> str:
    return session.get_bind().engine.url.render_as_string(hide_password=True)


def revision_folders(folder: Path) -> list[Path]:
    """The folders of revisions that a folder is or has: a revision's, a period's, or that of all reports."""
    if _REVISION.fullmatch(folder.resolve().name) or (folder / files.MANIFEST).is_file():
        return [folder] if folder.is_dir() else []
    below = [*folder.glob("r*/"), *folder.glob("*/r*/")]
    found = {one: _REVISION.fullmatch(one.name) for one in below if one.is_dir()}
    numbered = [(one.parent, int(name[1]), one) for one, name in found.items() if name]
    return [one for _, _, one in sorted(numbered)]


def sealed_folders(out: Path) -> list[Path]:
    """The folders below ``out`` in which a revision is sealed: a run that the ledger lost is known by its report."""
    return sorted(
        found.parent for found in out.glob(f"*/r*/{files.MANIFEST}") if _REVISION.fullmatch(found.parent.name)
    )


def seal_problems(session: Session, folder: Path) -> list[Problem]:
    """What keeps a sealed folder from being the report of a run in this ledger; a folder without a seal has none."""
    content = manifest.read(folder)
    if content is None:
        return []
    name = f"{content.get('period')} r{content.get('revision')}"
    known = {run.revision: run for run in revisions(session, str(content.get("period")))}
    run = known.get(content["revision"]) if isinstance(content.get("revision"), int) else None
    if run is None:
        return [Problem(files.MANIFEST, f"the ledger has no {name}")]
    if not is_seal_of(content, run):
        return [Problem(files.MANIFEST, f"was sealed from other content than the ledger has for {name}")]
    return _altered(session, folder, content, run)


def _altered(session: Session, folder: Path, content: dict[str, Any], run: Run) -> list[Problem]:
    """How a run's manifest differs from the run, field by field, and whether it was altered with pages of its own."""
    found = [
        Problem(files.MANIFEST, f"{name} is {content[name]!r}, the ledger has {value!r}")
        for name, value in run_facts(run).items()
        if name in content and content[name] != value
    ]
    known = manifests_of(session, run.id)
    if not known:
        again = f"audits report --period {run.period} --revision {run.revision}"
        return [*found, Problem(files.MANIFEST, f"the ledger has not recorded its digest yet; `{again}` does")]
    if manifest.sha256(folder / files.MANIFEST) not in known:
        found.append(Problem(files.MANIFEST, "altered: it is not the manifest that the ledger recorded when sealing"))
    return found


def alterations(session: Session, run: Run, folder: Path) -> list[str]:
    """What was altered, missing or extra in a run's folder since it was sealed, with what rendering does about it."""
    known = manifests_of(session, run.id)
    if not known:
        return []  # never sealed: what is missing is still to be written
    problems = manifest.verify(folder)
    if (folder / files.MANIFEST).is_file() and manifest.sha256(folder / files.MANIFEST) not in known:
        problems.append(Problem(files.MANIFEST, "altered: it is not the manifest that the ledger recorded"))
    kept = "it was left as it is and is not part of the report; delete or move it"
    done = {True: kept, False: "rendered again from the ledger"}
    return [f"{folder.name}/{one}; {done[one.what.startswith('extra')]}" for one in problems]


def run_facts(run: Run) -> dict[str, Any]:
    """What a manifest says of its run, as JSON has it."""
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
        "recorded": run.recorded_digest,
        "causes": list(run.causes),
    }


def missing_reports(session: Session, out: Path, below: Path) -> list[Problem]:
    """The runs whose reports were published in ``out`` and are gone, of those that lie in or below a folder."""
    return [
        Problem(
            f"{run.period}/r{run.revision}",
            "missing: the ledger has recorded that it was published; `audits report --period "
            f"{run.period} --revision {run.revision}` renders it again",
        )
        for run in published_runs(session)
        if files.run_folder(out, run).resolve().is_relative_to(below.resolve())
        and not _is_sealed(files.run_folder(out, run), run)
    ]


def _is_sealed(folder: Path, run: Run) -> bool:
    content = manifest.read(folder)
    if content is None:
        return (folder / files.MANIFEST).is_file()  # altered beyond reading, which is told of by itself
    return (content.get("period"), content.get("revision")) == (run.period, run.revision)


def is_seal_of(content: dict[str, Any], run: Run) -> bool:
    """Whether a manifest seals this very run; one that was written before runs had seals is known by its results."""
    if "recorded" in content:
        return bool(content["recorded"] == run.recorded_digest)
    return (content.get("results_digest"), content.get("audited_at")) == (
        run.results_digest,
        run.audited_at.isoformat(),
    )
