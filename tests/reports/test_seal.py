"""The seal: what it finds offline, and that the same ledger gives the same bytes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from audits.errors import AuditsError, PartialError
from audits.ledger.models import Decision
from audits.ledger.record import Audit, record
from reports import render_index, render_tier, seal, verify
from reports.build import build_tier_report
from reports.files import safe_name
from tests.reports.conftest import render_all, runs_of
from tests.reports.world import LAST, Month, audit_of


@pytest.fixture
def sealed(rendered: Path, tmp_path: Path) -> Path:
    """Both revisions, to be tampered with; the newer one is returned."""
    shutil.copytree(rendered / "2026-10", tmp_path / "2026-10")
    return tmp_path / "2026-10" / "r2"


def problems(folder: Path) -> list[str]:
    return [str(problem) for problem in verify(folder)]


def test_an_untouched_folder_is_as_it_was_sealed(sealed: Path) -> None:
    assert problems(sealed) == []
    assert problems(sealed.parent / "r1") == []


def test_the_manifest_names_what_it_was_made_from(sealed: Path) -> None:
    manifest = json.loads((sealed / "manifest.json").read_text())
    assert (manifest["period"], manifest["revision"], manifest["previous"]["revision"]) == ("2026-10", 2, 1)
    assert manifest["policy_version"].startswith("sha256:")
    assert manifest["rules"]["R01"]
    assert "2026-09 r1" in manifest["known"]["earlier"]
    assert manifest["known"]["decisions"] == [1, 2, 3]
    paths = [one["path"] for one in manifest["files"]]
    assert paths == sorted(paths)
    assert len(paths) == 4 * 5 + 1 + 1 + 1  # five files a tier, Build's linked group, the index, data quality


def test_a_changed_byte_is_found(sealed: Path) -> None:
    report = sealed / "build" / "report.html"
    report.write_bytes(report.read_bytes().replace(b"15", b"14", 1))
    assert problems(sealed) == ["build/report.html: changed: its digest is another"]


def test_a_longer_a_missing_and_an_extra_file_are_found(sealed: Path) -> None:
    with (sealed / "free" / "findings.csv").open("a") as file:
        file.write("more\n")
    (sealed / "scale" / "findings.jsonl").unlink()
    (sealed / "build" / "notes.txt").write_text("x")
    found = problems(sealed)
    assert found[0].startswith("free/findings.csv: changed: ")
    assert found[1:] == ["scale/findings.jsonl: missing", "build/notes.txt: extra: not in the manifest"]


def test_a_file_replaced_by_a_link_is_found(sealed: Path) -> None:
    report = sealed / "build" / "report.html"
    aside = sealed.parent / "aside.html"
    report.rename(aside)
    report.symlink_to(aside)
    assert problems(sealed) == ["build/report.html: a link instead of a file"]


def test_a_rewritten_revision_before_breaks_the_chain(sealed: Path) -> None:
    before = sealed.parent / "r1" / "manifest.json"
    before.write_text(before.read_text().replace('"revision": 1', '"revision":  1'))
    assert "the chain is broken" in problems(sealed)[0]
    assert problems(before.parent) == ["manifest.json: altered: revision 2 was sealed after another manifest"]


def test_without_its_predecessor_beside_it_a_revision_still_verifies(sealed: Path) -> None:
    shutil.rmtree(sealed.parent / "r1")
    assert problems(sealed) == []


def test_a_manifest_that_drops_its_predecessor_is_found(sealed: Path) -> None:
    path = sealed / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "previous": None}))
    assert problems(sealed) == ["manifest.json: revision 2 names no revision before it"]


@pytest.mark.parametrize("path", ["../r1/index.html", "/etc/passwd", "", "build/../../r1/index.html"])
def test_a_manifest_cannot_point_out_of_its_folder(sealed: Path, path: str) -> None:
    file = sealed / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["files"].append({"path": path, "sha256": "", "size": 0})
    file.write_text(json.dumps(manifest))
    assert "does not lie in the folder" in problems(sealed)[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2, "files": []}', '{"format": 1, "files": "x"}'])
def test_a_manifest_that_is_none_is_said_to_be_none(sealed: Path, text: str) -> None:
    (sealed / "manifest.json").write_text(text)
    assert problems(sealed) == ["manifest.json: cannot be read as a manifest of format 1"]


def test_a_folder_without_a_seal(sealed: Path) -> None:
    (sealed / "manifest.json").unlink()
    assert "never sealed" in problems(sealed)[0]


def test_the_same_ledger_gives_the_same_bytes(rendered: Path, session: Session, tmp_path: Path) -> None:
    render_all(session, tmp_path / "again")
    first = {path.relative_to(rendered): path.read_bytes() for path in rendered.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()} == first


def test_sealing_makes_what_is_missing_of_the_chain(session: Session, rendered: Path, tmp_path: Path) -> None:
    seal(session, runs_of(session)[-1].id, tmp_path)
    assert (tmp_path / "2026-10/r2/manifest.json").read_bytes() == (rendered / "2026-10/r2/manifest.json").read_bytes()
    assert problems(tmp_path / "2026-10/r1") == problems(tmp_path / "2026-10/r2") == []


def test_decisions_after_a_seal_keep_the_chain_whole(session: Session, tmp_path: Path) -> None:
    """The newest revision is rendered anew with the decision; the one before stays as it was and verifies."""
    render_all(session, tmp_path)
    first, last = runs_of(session)
    frozen = (tmp_path / "2026-10/r1/manifest.json").read_bytes()
    _confirm_group(session, last.id, datetime(2026, 11, 20, tzinfo=UTC))
    for run in (first, last):
        for tier in run.tiers:
            render_tier(session, run.id, tier, tmp_path)
        seal(session, run.id, tmp_path)
    assert (tmp_path / "2026-10/r1/manifest.json").read_bytes() == frozen
    assert problems(tmp_path / "2026-10/r1") == problems(tmp_path / "2026-10/r2") == []
    assert "confirmed" in (tmp_path / "2026-10/r2/build/report.html").read_text()


def test_a_new_revision_first_brings_the_one_before_up_to_what_was_known(session: Session, tmp_path: Path) -> None:
    """Decided between two audits: the older report shows it for good, rendered before or after."""
    render_all(session, tmp_path)
    last = runs_of(session)[-1]
    _confirm_group(session, last.id, datetime(2026, 11, 20, tzinfo=UTC))
    third = record(session, audit_of(Month(LAST, datetime(2026, 11, 22, tzinfo=UTC))))
    seal(session, third.id, tmp_path)
    assert "confirmed" in (tmp_path / "2026-10/r2/build/report.html").read_text()
    assert [problems(tmp_path / f"2026-10/r{number}") for number in (1, 2, 3)] == [[], [], []]
    sealed = (tmp_path / "2026-10/r2/manifest.json").read_bytes()
    seal(session, last.id, tmp_path)
    assert (tmp_path / "2026-10/r2/manifest.json").read_bytes() == sealed


def test_a_tier_s_name_cannot_leave_the_folder(session: Session, tmp_path: Path) -> None:
    names = ["../../etc", "..", ".", "", "a/b", "manifest.json", "C:\\x", "Ü", "a" * 200, " build", "index.html"]
    assert len({safe_name(name) for name in names}) == len(names)
    for name in names:
        assert (tmp_path / safe_name(name)).resolve().parent == tmp_path.resolve()
    assert safe_name("build") == "build"


def test_a_hostile_tier_is_rendered_inside_its_revision(session: Session, tmp_path: Path) -> None:
    tier = '../../"><script>'
    audit = audit_of(Month(LAST, datetime(2026, 11, 23, tzinfo=UTC), tiers=("free",)))
    hostile = record(session, _retiered(audit, tier))
    written = render_tier(session, hostile.id, tier, tmp_path)
    seal(session, hostile.id, tmp_path)
    render_index(session, tmp_path)
    folder = tmp_path.resolve() / "2026-10" / "r3"
    assert all(path.resolve().is_relative_to(folder) for path in written)
    assert problems(folder) == []
    assert "<script>" not in (folder / "index.html").read_text() + (tmp_path / "index.html").read_text()


def test_a_run_that_is_not_there(session: Session, tmp_path: Path) -> None:
    with pytest.raises(AuditsError, match="no run 999"):
        render_tier(session, 999, "build", tmp_path)


def test_no_half_written_file_is_left_when_writing_fails(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs_of(session)[-1]
    render_tier(session, run.id, "build", tmp_path)

    def full_disk(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "2026-10/r2/build/report.html").write_bytes(b"changed, so that it is written again")
    before = (tmp_path / "2026-10/r2/build/report.html").read_bytes()
    monkeypatch.setattr("reports.files.os.fsync", full_disk)
    with pytest.raises(PartialError, match="No space left") as caught:
        render_tier(session, run.id, "build", tmp_path)
    assert "run the same command again" in caught.value.fix
    monkeypatch.undo()
    assert (tmp_path / "2026-10/r2/build/report.html").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "2026-10/r2/build").iterdir()) == [
        "coverage.csv", "coverage.json", "findings.csv", "findings.jsonl", "group-G-7K2.html", "report.html",
    ]  # fmt: skip


def _confirm_group(session: Session, run_id: int, at: datetime) -> None:
    run = next(run for run in runs_of(session) if run.id == run_id)
    group = build_tier_report(session, run, "build").shared[0].findings[0]
    session.execute(
        insert(Decision).values(
            number=9, finding_id=group.id, decided_as="confirmed", why="Verified.", who="mira@example.com",
            decided_at=at, until=None, previous_digest="", digest="sha256:9",
        )
    )  # fmt: skip


def _retiered(audit: Audit, tier: str) -> Audit:
    """The audit with its only tier under another name."""
    return replace(
        audit,
        tiers=(tier,),
        figures={tier: next(iter(audit.figures.values()))},
        customers=[{**customer, "tier": tier} for customer in audit.customers],
        tallies=[replace(tally, tier=tier) for tally in audit.tallies],
        findings=[replace(finding, tier=tier) for finding in audit.findings],
    )
