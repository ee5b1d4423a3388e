"""The digests of the manifests that sealed a run's reports: pages and manifests that were altered together differ."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from audits.ledger.models import RecordedManifest, Run


def record_manifests(session: Session, sealed: Mapping[int, str]) -> None:
    """Record the manifests (run -> SHA-256) that have just been written. A report that shows a later decision is
    sealed again, so that a run may have several.
    """
    for run_id, digest in sealed.items():
        if digest not in manifests_of(session, run_id):
            session.add(RecordedManifest(run_id=run_id, sha256=digest))
            session.flush()


def manifests_of(session: Session, run_id: int) -> frozenset[str]:
    """The SHA-256 of every manifest that sealed a run's reports."""
    m = RecordedManifest
    return frozenset(session.scalars(select(m.sha256).where(m.run_id == run_id)))


def published_runs(session: Session) -> list[Run]:
    """The runs whose reports were sealed, oldest first."""
    return list(session.scalars(select(Run).where(Run.id.in_(select(RecordedManifest.run_id))).order_by(Run.id)))
