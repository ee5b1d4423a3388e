"""Reports: killed at any file, finished by the same command, with the same bytes and nothing left over."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audits.ledger import open_ledger
from audits.ledger.record import record
from reports import publish, verify
from tests.kills.steps import count_steps, kill_at, spread
from tests.reports.world import LAST, Month, audit_of


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two revisions of a month, of two tiers."""
    path = tmp_path_factory.mktemp("recorded") / "ledger.sqlite"
    tiers = ("build", "free")
    with open_ledger(f"sqlite:///{path}") as ledger, ledger.recording() as session:
        record(session, audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC), tiers=tiers)))
        record(session, audit_of(Month(LAST, datetime(2026, 11, 9, tzinfo=UTC), tiers=tiers, late_rows=True)))
    return path


def publish_into(ledger: Path, out: Path) -> None:
    with open_ledger(f"sqlite:///{ledger}") as books, books.session() as session:
        publish(session, 2, out)


def content(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole")
    publish_into(recorded, out)
    return content(out)


def kill_while_publishing(recorded: Path, folder: Path, whole: dict[str, bytes], wanted: int) -> None:
    for number in spread(count_steps(lambda: publish_into(recorded, folder / "counted"), folder), wanted):
        out = folder / str(number)
        kill_at(number, lambda out=out: publish_into(recorded, out), folder)
        publish_into(recorded, out)
        assert content(out) == whole, number
        assert verify(out / "2026-10/r1") == verify(out / "2026-10/r2") == []
        shutil.rmtree(out)


def test_a_kill_while_reports_are_written_leaves_nothing_that_the_same_command_does_not_finish(
    recorded, tmp_path, whole
):
    kill_while_publishing(recorded, tmp_path, whole, 10)


@pytest.mark.slow
def test_a_kill_at_every_file_of_a_report(recorded, tmp_path, whole):
    kill_while_publishing(recorded, tmp_path, whole, 120)


def test_what_lies_about_in_a_revision_s_folder_is_not_sealed(recorded, tmp_path, whole):
    build = tmp_path / "2026-10/r2/build"
    build.mkdir(parents=True)
    (build / ".report.html.4711.part").write_bytes(b"half a page")
    (tmp_path / ".index.html.4711.part").write_bytes(b"half an index")
    (build / "notes.txt").write_text("mine")
    publish_into(recorded, tmp_path)
    listed = [one["path"] for one in json.loads((tmp_path / "2026-10/r2/manifest.json").read_text())["files"]]
    assert set(listed) == {name.removeprefix("2026-10/r2/") for name in whole if "/r2/" in name} - {"manifest.json"}
    assert not list(tmp_path.rglob("*.part"))
    assert (build / "notes.txt").read_text() == "mine"
    assert [str(one) for one in verify(tmp_path / "2026-10/r2")] == ["build/notes.txt: extra: not in the manifest"]


def test_publishing_again_writes_nothing(recorded, tmp_path, whole):
    publish_into(recorded, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    publish_into(recorded, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_index_that_a_kill_took_is_written_by_the_same_command(recorded, tmp_path, whole):
    publish_into(recorded, tmp_path)
    (tmp_path / "index.html").unlink()
    publish_into(recorded, tmp_path)
    assert content(tmp_path) == whole
