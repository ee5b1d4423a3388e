"""What was recorded cannot be changed unnoticed: neither a row, nor a run, nor the whole ledger."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from audits.cli import app
from audits.errors import AuditsError
from audits.ledger import Ledger, open_ledger
from audits.ledger.coverage import coverage_of
from audits.ledger.manifests import record_manifests
from audits.ledger.record import latest_run, record
from audits.ledger.seal import ledger_differences
from audits.periods import Period
from audits.pipeline import audit, evaluate
from audits.settings import Settings
from audits.standing import standing_of
from reports import publish, render_tier, verify
from tests.reports.world import LAST, Month, audit_of

EARLIER = Period.parse("2026-09")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of two months, and the reports of the later one under ``out``."""
    folder = tmp_path_factory.mktemp("recorded")
    with open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}") as ledger, ledger.recording() as session:
        record(session, audit_of(Month(EARLIER, datetime(2026, 10, 5, tzinfo=UTC))))
        run = record(session, audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC))))
        record_manifests(session, publish(session, run.id, folder / "out").sealed)
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """A copy to be tampered with."""
    return shutil.copytree(recorded, tmp_path / "copy")


def change(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount, statement


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}") as opened:
        yield opened


def told(ledger: Ledger) -> list[str]:
    with ledger.session() as session:
        return [str(one) for one in ledger_differences(session.connection())]


def test_an_untouched_ledger_is_as_it_was_recorded(ledger):
    assert told(ledger) == []


ONE = "(SELECT finding_id FROM findings WHERE run_id = 2 AND published ORDER BY finding_id LIMIT 1)"
TAMPERED = {
    "a finding deleted": (f"DELETE FROM findings WHERE run_id = 2 AND finding_id = {ONE}", "missing"),
    "a severity lowered": (f"UPDATE findings SET severity = 'low' WHERE run_id = 2 AND finding_id = {ONE}", "altered"),
    "a finding hidden": (f"UPDATE findings SET published = 0 WHERE run_id = 2 AND finding_id = {ONE}", "altered"),
    "a finding hidden from SQL": (f"UPDATE findings SET published = 2 WHERE run_id = 2 AND finding_id = {ONE}",
                                  "altered"),
    "a day in another form": ("UPDATE quality_days SET day = day || ' ' WHERE run_id = 2", "quality_days: "),
    "an instant in another form": ("UPDATE findings SET first_seen = replace(first_seen, ' ', 'T') WHERE run_id = 2",
                                   "altered"),
    "a summary as bytes": (f"UPDATE findings SET summary = CAST(summary AS BLOB) WHERE finding_id = {ONE}", "altered"),
    "figures that cannot be read": (f"UPDATE findings SET observed = 'x' WHERE run_id = 2 AND finding_id = {ONE}",
                                    "altered"),
    "a customer taken out": ("DELETE FROM audited_customers WHERE rowid = (SELECT max(rowid) FROM audited_customers)",
                             "audited_customers: "),
    "a counter": ("UPDATE evaluations SET compliant = compliant + 1 WHERE run_id = 2 AND rule_id = 'R01'",
                  "evaluations: "),
    "a blocked day": ("UPDATE quality_days SET verdict = 'good', reasons = '[1]' WHERE run_id = 2",
                      "quality_days: "),
    "a dossier": ("UPDATE group_dossiers SET content = '{}' WHERE run_id = 2", "group_dossiers: "),
    "the law": ("UPDATE policy_versions SET content = '{}'", "policy_versions: "),
    "a rule's description": ("UPDATE rule_versions SET content = '{}' WHERE rule_id = 'R01'", "rule_versions: "),
    "the run": ("UPDATE runs SET status = 'complete', notes = '[1]' WHERE id = 2", "the run itself"),
    "what it was made from": ("UPDATE run_inputs SET items = '{}' WHERE run_id = 2", "run_inputs: "),
    "the list of parts": ("DELETE FROM recorded_parts WHERE run_id = 2 AND part = 'findings'", "the run itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_a_change_is_named_and_nothing_is_rendered_from_it(folder, ledger, name):
    statement, said = TAMPERED[name]
    before = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}
    change(folder, statement)
    assert any("2026-10 r1" in one and said in one for one in told(ledger))
    with ledger.session() as session, pytest.raises(AuditsError, match="not what was recorded") as caught:
        publish(session, 2, folder / "out")
    assert "audits verify --ledger" in caught.value.fix
    with ledger.session() as session, pytest.raises(AuditsError, match="not what was recorded"):
        render_tier(session, 2, "build", folder / "elsewhere")
    assert {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} == before


def test_a_deleted_finding_is_named_by_its_id(folder, ledger):
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        (finding,) = connection.execute(f"SELECT {ONE}").fetchone()
    change(folder, f"DELETE FROM findings WHERE run_id = 2 AND finding_id = '{finding}'")
    assert told(ledger) == [f"2026-10 r1: findings: {finding} missing"]


def test_a_finding_of_the_month_before_is_checked_where_a_report_compares_with_it(folder, ledger):
    change(folder, "UPDATE findings SET severity = 'low' WHERE run_id = 1")
    with ledger.session() as session, pytest.raises(AuditsError, match="2026-09 r1: findings"):
        publish(session, 2, folder / "out")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM findings WHERE run_id = 2",
        "DELETE FROM findings WHERE run_id = 1",
        "UPDATE findings SET severity = 'low', summary = 'nothing' WHERE run_id = 2",
        "DELETE FROM finding_subjects WHERE run_id = 2",
        "UPDATE audited_customers SET account_manager = 'somebody' WHERE run_id = 2",
        "UPDATE runs SET tiers = '[]'",
    ],
)
def test_nobody_s_standing_is_told_from_a_changed_ledger(folder, ledger, statement):
    with ledger.session() as session:
        whom = session.scalar(text("SELECT customer_id FROM finding_subjects WHERE run_id = 2 ORDER BY 1"))
        assert standing_of(session, whom, date(2026, 11, 9)) is not None
    change(folder, statement)
    with ledger.session() as session, pytest.raises(AuditsError, match="not what was recorded"):
        standing_of(session, whom, date(2026, 11, 9))


@pytest.mark.parametrize("table", ["cell_groups", "evaluations"])
def test_no_coverage_is_told_from_a_changed_ledger(folder, ledger, table):
    change(folder, f"DELETE FROM {table} WHERE run_id = 2")
    with ledger.session() as session, pytest.raises(AuditsError, match=f"not what was recorded.*{table}"):
        coverage_of(session, LAST.id)


def test_a_last_run_that_was_taken_out_is_missed_by_its_sealed_report(folder, monkeypatch):
    change(folder, "DELETE FROM runs WHERE id = 2")
    monkeypatch.setenv("AUDITS_LEDGER_URL", f"sqlite:///{folder / 'ledger.sqlite'}")
    monkeypatch.setenv("AUDITS_OUT", str(folder / "out"))
    done = CliRunner().invoke(app, ["verify", "--ledger"])
    assert done.exit_code == 1
    assert "the ledger has no 2026-10 r1" in done.output


def test_a_run_that_was_taken_out_breaks_the_chain(folder, ledger):
    tables = ("findings", "finding_subjects", "audited_customers", "evaluations", "cell_groups", "quality_days",
              "tier_figures", "group_dossiers", "run_inputs", "recorded_parts")  # fmt: skip
    change(folder, *(f"DELETE FROM {table} WHERE run_id = 1" for table in tables), "DELETE FROM runs WHERE id = 1")
    assert told(ledger)[0].startswith("2026-10 r1: does not follow the run before it")


def test_verify_checks_folder_and_ledger_in_one_command(folder):
    environment = {
        "AUDITS_LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite'}", "AUDITS_OUT": str(folder / "out"),
    }  # fmt: skip
    sealed = str(folder / "out/2026-10/r1")
    whole = CliRunner().invoke(app, ["verify", sealed, "--ledger"], env=environment)
    assert whole.exit_code == 0, whole.output
    assert "every file is as it was sealed" in whole.output
    assert "every run is as it was recorded" in whole.output
    change(folder, TAMPERED["a severity lowered"][0])
    (folder / "out/2026-10/r1/build/findings.csv").write_text("")
    broken = CliRunner().invoke(app, ["verify", sealed, "--ledger"], env=environment)
    assert broken.exit_code == 1
    assert "build/findings.csv: changed" in broken.output
    assert "altered" in broken.output
    assert CliRunner().invoke(app, ["verify", sealed], env=environment).exit_code == 1
    assert isinstance(CliRunner().invoke(app, ["verify"], env=environment).exception, AuditsError)


def verified(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and output of `audits verify` for the ledger and its output folder."""
    environment = {
        "AUDITS_LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite'}", "AUDITS_OUT": str(folder / "out"),
    }  # fmt: skip
    done = CliRunner().invoke(app, ["verify", *arguments], env=environment)
    return done.exit_code, done.output


def test_an_untouched_folder_is_what_the_ledger_recorded(folder):
    code, said = verified(folder, "--ledger")
    assert code == 0, said
    assert "2026-10/r1: every file is as it was sealed" in said


EDITED = {
    "status": ("complete", "status is 'complete', the ledger has 'partial'"),
    "audited_at": ("2026-11-01T00:00:00+00:00", "audited_at is '2026-11-01T00:00:00+00:00'"),
    "tiers": (["build"], "tiers is ['build']"),
    "causes": (["none"], "causes is ['none']"),
    "known": ({"decisions": [], "earlier": []}, "altered: it is not the manifest that the ledger recorded"),
}


@pytest.mark.parametrize("field", EDITED)
def test_an_edited_field_of_a_manifest_is_found(folder, field):
    value, expected = EDITED[field]
    manifest = folder / "out/2026-10/r1/manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), field: value}))
    for named in ((), (str(folder / "out/2026-10/r1"),)):
        code, said = verified(folder, *named, "--ledger")
        assert code == 1
        assert expected in said


def rewrite(folder: Path, page: str, content: bytes) -> None:
    """Replace a page together with its size and digest in the manifest."""
    sealed = folder / "out/2026-10/r1"
    (sealed / page).write_bytes(content)
    manifest = json.loads((sealed / "manifest.json").read_text())
    entry = next(one for one in manifest["files"] if one["path"] == page)
    entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (sealed / "manifest.json").write_text(json.dumps(manifest))


def test_a_page_that_was_rewritten_with_its_digest_is_found_and_restored(folder, monkeypatch):
    page = folder / "out/2026-10/r1/build/report.html"
    whole = page.read_bytes()
    rewrite(folder, "build/report.html", b"<p>Nothing was found.</p>")
    code, said = verified(folder, "--ledger")
    assert code == 1
    assert "manifest.json: altered" in said
    monkeypatch.setenv("AUDITS_LEDGER_URL", f"sqlite:///{folder / 'ledger.sqlite'}")
    monkeypatch.setenv("AUDITS_OUT", str(folder / "out"))
    assert CliRunner().invoke(app, ["report", "--period", "2026-10"]).exit_code == 0
    assert page.read_bytes() == whole
    assert verified(folder, "--ledger")[0] == 0


def test_a_report_says_what_it_found_and_what_it_did(folder, monkeypatch):
    sealed = folder / "out/2026-10/r1"
    whole = (sealed / "build/report.html").read_bytes()
    (sealed / "build/report.html").write_text("")
    (sealed / "build/findings.csv").unlink()
    (sealed / "build/notes.txt").write_text("mine")
    monkeypatch.setenv("AUDITS_LEDGER_URL", f"sqlite:///{folder / 'ledger.sqlite'}")
    monkeypatch.setenv("AUDITS_OUT", str(folder / "out"))
    said = CliRunner().invoke(app, ["report", "--period", "2026-10"]).output
    assert (
        f"{sealed}/build/report.html: changed: 0 bytes instead of {len(whole)}; rendered again from the ledger" in said
    )
    assert f"{sealed}/build/findings.csv: missing; rendered again from the ledger" in said
    assert f"{sealed}/build/notes.txt: extra: not in the manifest; it was left as it is" in said
    assert (sealed / "build/report.html").read_bytes() == whole
    assert (sealed / "build/notes.txt").read_text() == "mine"
    (sealed / "build/notes.txt").unlink()
    assert "note" not in CliRunner().invoke(app, ["report", "--period", "2026-10"]).output


def test_a_page_that_was_rewritten_alone_is_found_by_the_ledger_s_check(folder):
    (folder / "out/2026-10/r1/build/report.html").write_text("")
    code, said = verified(folder, "--ledger")
    assert code == 1
    assert "build/report.html: changed" in said


def test_a_published_folder_that_was_deleted_is_missed(folder):
    shutil.rmtree(folder / "out/2026-10")
    code, said = verified(folder, "--ledger")
    assert code == 1
    assert "2026-10/r1: missing" in said
    assert "audits report --period 2026-10 --revision 1" in said


def test_a_folder_in_the_place_of_another_revision_is_not_taken_for_it(folder):
    with open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}") as ledger, ledger.recording() as session:
        record_manifests(session, publish(session, 1, folder / "out").sealed)
    shutil.rmtree(folder / "out/2026-10/r1")
    shutil.copytree(folder / "out/2026-09/r1", folder / "out/2026-10/r1")
    code, said = verified(folder, "--ledger")
    assert code == 1
    assert "2026-10/r1: missing" in said


@pytest.mark.parametrize("named", [(), ("out",), ("copy",)])
def test_an_index_that_was_edited_is_found_with_the_ledger_and_called_unsealed_without(folder, named):
    out = shutil.copytree(folder / "out", folder / "copy") if named == ("copy",) else folder / "out"
    where = [str(folder / name) for name in named]
    assert verified(folder, *where, "--ledger")[0] == 0
    index = out / "index.html"
    index.write_text(index.read_text().replace("October 2026", "October 2025"))
    code, said = verified(folder, *where, "--ledger")
    assert code == 1
    assert f"{index}: altered" in said
    if where:
        assert f"{index} is not sealed and was not checked" in verified(folder, *where)[1]


def test_an_index_that_is_gone_is_missed_and_written_again_by_the_command_that_is_named(folder, monkeypatch):
    (folder / "out/index.html").unlink()
    code, said = verified(folder, "--ledger")
    assert code == 1
    assert f"{folder / 'out/index.html'}: missing; `audits report --period P`" in said
    monkeypatch.setenv("AUDITS_LEDGER_URL", f"sqlite:///{folder / 'ledger.sqlite'}")
    monkeypatch.setenv("AUDITS_OUT", str(folder / "out"))
    assert CliRunner().invoke(app, ["report", "--period", "2026-10"]).exit_code == 0
    assert verified(folder, "--ledger")[0] == 0


def test_a_report_sealed_before_manifests_were_recorded_says_how_to_record_it(folder):
    change(folder, "DELETE FROM manifests")
    code, said = verified(folder, "--ledger")
    assert code == 1
    assert "`audits report --period 2026-10 --revision 1`" in said


def another_ledger(folder: Path, name: str, severity: str = "low") -> Path:
    """A ledger that recorded other findings for the same month."""
    path = folder / name
    audit = audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC)))
    with open_ledger(f"sqlite:///{path}") as ledger, ledger.recording() as session:
        record(session, replace(audit, findings=[replace(one, severity=severity) for one in audit.findings]))
    return path


def test_a_ledger_that_was_rewritten_as_a_whole_does_not_fit_the_sealed_folder(folder):
    another = another_ledger(folder, "other.sqlite")
    environment = {"AUDITS_LEDGER_URL": f"sqlite:///{another}", "AUDITS_OUT": str(folder / "out")}
    result = CliRunner().invoke(app, ["verify", str(folder / "out/2026-10/r1"), "--ledger"], env=environment)
    assert result.exit_code == 1
    assert "sealed from other content than the ledger has for 2026-10 r1" in result.output.replace("\n", " ")


def test_a_sealed_folder_is_not_replaced_by_another_ledger_s_report(folder):
    before = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}
    another = another_ledger(folder, "other.sqlite")
    with open_ledger(f"sqlite:///{another}") as ledger, ledger.session() as session:
        with pytest.raises(AuditsError, match="sealed reports are never replaced") as caught:
            publish(session, latest_run(session, LAST).id, folder / "out")
        assert str(folder / "out/2026-10/r1") in caught.value.where
        assert "AUDITS_LEDGER_URL" in caught.value.fix
    assert {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} == before
    assert verify(folder / "out/2026-10/r1") == []


def test_another_ledger_adds_no_period_to_the_folder(folder):
    before = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}
    url = f"sqlite:///{folder / 'other.sqlite'}"
    with open_ledger(url) as ledger, ledger.recording() as session:
        record(session, audit_of(Month(EARLIER, datetime(2026, 10, 5, tzinfo=UTC))))
    with (
        open_ledger(url) as ledger,
        ledger.session() as session,
        pytest.raises(AuditsError, match="Revision 1 of 2026-10 was sealed by an audit that this ledger does not"),
    ):
        publish(session, 1, folder / "out")
    assert {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} == before


def test_an_audit_that_is_refused_begins_no_ledger(folder, duckdb_warehouse):
    settings = Settings(duckdb_warehouse, f"sqlite:///{folder / 'new.sqlite'}", folder / "out")
    now = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(AuditsError, match="was sealed by an audit that this ledger does not know"):
        audit(settings, EARLIER, now=now)
    with pytest.raises(AuditsError, match="has not been prepared"):
        evaluate(replace(settings, out=folder / "elsewhere"), EARLIER, now=now)
    assert not (folder / "new.sqlite").exists()


def test_a_revision_that_the_ledger_does_not_know_is_not_replaced(folder, ledger):
    sealed = folder / "out/2026-10"
    shutil.copytree(sealed / "r1", sealed / "r2")
    content = json.loads((sealed / "r2/manifest.json").read_text())
    (sealed / "r2/manifest.json").write_text(json.dumps({**content, "revision": 2}))
    with ledger.session() as session, pytest.raises(AuditsError, match="does not know"):
        publish(session, 2, folder / "out")


def test_the_same_seals_on_postgresql(postgres_url, recorded):
    audits = [audit_of(Month(EARLIER, datetime(2026, 10, 5, tzinfo=UTC))),
              audit_of(Month(LAST, datetime(2026, 11, 5, tzinfo=UTC)))]  # fmt: skip
    with open_ledger(postgres_url) as ledger:
        with ledger.recording() as session:
            theirs = [record(session, audit).chain_digest for audit in audits]
        assert told(ledger) == []
        with ledger.session() as session:
            session.execute(text("UPDATE findings SET severity = 'low' WHERE run_id = 1"))
        assert told(ledger)
    with open_ledger(f"sqlite:///{recorded / 'ledger.sqlite'}") as ledger, ledger.session() as session:
        assert list(session.scalars(text("SELECT chain_digest FROM runs ORDER BY id"))) == theirs
