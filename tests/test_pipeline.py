"""One audited month, end to end, through the service's own door, on small hand-made warehouses of both kinds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import psycopg
import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import select

from audits import pipeline
from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.models import CellGroup, EvaluationRow, Run
from audits.ledger.read import findings_of
from audits.periods import Period
from audits.policy import load_book
from audits.settings import Settings
from reports import verify
from tests.rows import REFERENCE, account, at, event, events, put, together

OCTOBER = Period.parse("2026-10")
NOW = datetime(2026, 11, 10, 6, tzinfo=UTC)
SCHEMA = json.loads((Path(__file__).parents[1] / "reports/formats/finding.schema.json").read_text("utf-8"))
HOSTILE = "<script>alert(1)</script>\n=cmd|' /C calc'!A0 \"quoted\" 'single' \U0001f480 \u202egnirts"


def small_world() -> dict[str, list[dict[str, object]]]:
    """A quiet account, one over R01's limit for its tier, and one with a hostile name and id."""
    hostile = "a'; DROP TABLE usage_events; --"
    return together(
        account("quiet"),
        account("loud", "free"),
        account(hostile, "free", customer=HOSTILE, customer_name=HOSTILE),
        REFERENCE,
        {"usage_events": [*events("quiet", "2026-10-05", 20), *events("quiet", "2026-10-06", 20, status_code=500)]},
        {"usage_events": events("loud", "2026-10-05", 501)},
        {"usage_events": events(hostile, "2026-10-05", 502)},
    )


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    put(url, small_world())
    return settings_for(url, tmp_path)


@pytest.fixture
def duckdb_settings(duckdb_warehouse: str, tmp_path: Path) -> Settings:
    put(duckdb_warehouse, small_world())
    return settings_for(duckdb_warehouse, tmp_path)


def settings_for(url: str, folder: Path) -> Settings:
    return Settings(warehouse_url=url, ledger_url=f"sqlite:///{folder / 'ledger.sqlite'}", out=folder / "out")


def audit(settings: Settings, period: Period = OCTOBER, **more) -> pipeline.Outcome:
    return pipeline.audit(settings, period, now=more.pop("now", NOW), **more)


def findings(settings: Settings, period: Period = OCTOBER) -> list[dict]:
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        return findings_of(session, period=period.id)


def run_of(settings: Settings, revision: int) -> Run:
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        run = session.scalar(select(Run).where(Run.revision == revision))
        session.expunge_all()
        return run


def test_every_finding_follows_the_schema_and_its_evidence_runs_on_the_bare_warehouse(settings):
    outcome = audit(settings)
    assert (outcome.revision, outcome.changed) == (1, True)
    found = findings(settings)
    assert {one["subject_id"] for one in found if one["rule_id"] == "R01"} == {
        "loud",
        "a'; DROP TABLE usage_events; --",
    }
    for one in found:
        Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(one)
    volume = next(one for one in found if one["rule_id"] == "R01" and one["subject_id"] == "loud")
    assert volume["observed"]["peak_requests_a_day"] == 501
    assert volume["limits"]["requests_a_day"] == 500
    assert len(rows_of(settings.warehouse_url, volume["evidence_sql"])) == 501
    hostile = next(one for one in found if one["rule_id"] == "R01" and one["subject_id"] != "loud")
    assert len(rows_of(settings.warehouse_url, hostile["evidence_sql"])) == 502


def rows_of(url: str, sql: str) -> list:
    """The rows of a query, run the way an auditor would: a plain connection, no help of ours."""
    if url.startswith("duckdb"):
        with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
            return connection.execute(sql).fetchall()
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_every_cell_is_accounted_for(settings):
    audit(settings)
    with open_ledger(settings.ledger_url) as books, books.session() as session:
        rows = session.scalars(select(EvaluationRow)).all()
        assert rows
        for row in rows:
            verdicts = (row.compliant, row.violating, row.not_applicable, row.not_evaluated, row.errored)
            assert row.planned == sum(verdicts)
            groups = session.scalars(
                select(CellGroup).where(CellGroup.rule_id == row.rule_id, CellGroup.tier == row.tier)
            ).all()
            assert sum(len(group.customers) for group in groups) == row.planned - row.compliant
            assert all(group.reason or group.verdict == "violating" for group in groups)
            assert row.errored == 0, row.error


def test_auditing_again_changes_nothing(settings):
    first = audit(settings)
    before = {path: path.read_bytes() for path in sorted(settings.out.rglob("*")) if path.is_file()}
    again = audit(settings, now=datetime(2026, 11, 20, tzinfo=UTC))
    assert (again.revision, again.changed) == (1, False)
    assert {path: path.read_bytes() for path in sorted(settings.out.rglob("*")) if path.is_file()} == before
    assert verify(first.folder) == []


def test_the_same_inputs_give_the_same_bytes_elsewhere(duckdb_settings, tmp_path):
    audit(duckdb_settings)
    other = replace(duckdb_settings, ledger_url=f"sqlite:///{tmp_path / 'other.sqlite'}", out=tmp_path / "elsewhere")
    audit(other)
    here, there = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        for out in (duckdb_settings.out, other.out)
    )
    assert here
    assert here == there


def test_both_engines_come_to_the_same(duckdb_warehouse, postgres_url, tmp_path):
    runs = []
    for url in (duckdb_warehouse, postgres_url):
        put(url, small_world())
        settings = settings_for(url, tmp_path / url.partition(":")[0])
        settings.out.parent.mkdir()
        audit(settings)
        runs.append(run_of(settings, 1))
    assert runs[0].inputs == runs[1].inputs
    assert runs[0].results_digest == runs[1].results_digest


def test_late_rows_make_the_next_revision_and_it_says_why(settings):
    audit(settings)
    put(settings.warehouse_url, {"usage_events": events("quiet", "2026-10-08", 9, ingested_ts=at("2026-11-11"))})
    outcome = audit(settings)
    assert (outcome.revision, outcome.changed) == (2, True)
    assert run_of(settings, 2).causes[0] == "the usage data changed on 2026-10-08"
    assert {one["revision"] for one in findings(settings)} == {2}


def test_a_finding_keeps_its_identity_and_first_sighting_over_revisions(settings):
    audit(settings)
    first = {one["finding_id"]: one["first_seen"] for one in findings(settings)}
    put(settings.warehouse_url, {"usage_events": events("loud", "2026-10-09", 600, ingested_ts=at("2026-11-11"))})
    audit(settings, now=datetime(2026, 11, 12, tzinfo=UTC))
    second = {one["finding_id"]: one["first_seen"] for one in findings(settings)}
    assert first
    assert first.items() <= second.items()


def test_a_new_customer_of_a_later_month_does_not_restate_an_earlier_one(settings):
    audit(settings)
    later = account("later")
    later["accounts"][0]["opened_at"] = later["customers"][0]["valid_from"] = at("2026-11-03")
    later["account_tiers"][0]["valid_from"] = later["api_keys"][0]["created_at"] = at("2026-11-03")
    put(settings.warehouse_url, later)
    assert audit(settings).changed is False


def test_a_changed_limit_makes_the_next_revision_under_the_new_policy(duckdb_settings, tmp_path):
    audit(duckdb_settings)
    book = load_book(None)
    folder = tmp_path / "book"
    from audits.policy import init_book  # noqa: PLC0415

    init_book(folder)
    limits = folder / "limits" / "R01.yaml"
    limits.write_text(limits.read_text("utf-8").replace("free: 500,", "free: 501,"), "utf-8")
    outcome = audit(replace(duckdb_settings, policy=folder))
    assert outcome.revision == 2
    run = run_of(duckdb_settings, 2)
    assert run.causes == ["the policy book changed: R01 free requests_a_day 500 -> 501 from 2020-01-01"]
    assert run.policy_version != book.digest
    assert [o["subject_id"] for o in findings(duckdb_settings) if o["rule_id"] == "R01"] == [
        "a'; DROP TABLE usage_events; --"
    ]


@pytest.mark.parametrize(
    ("period", "says"), [("2026-11", "is not closed yet"), ("2027-03", "lies in the future"), ("2026-Q4", "not closed")]
)
def test_a_period_that_is_not_closed_is_refused_with_the_day_from_which_it_may_be_audited(
    duckdb_settings, period, says
):
    with pytest.raises(AuditsError, match=says) as caught:
        audit(duckdb_settings, Period.parse(period))
    assert "on, or an earlier one such as" in caught.value.fix
    assert not duckdb_settings.out.exists()


def test_a_period_is_not_closed_before_the_policy_book_begins_either(duckdb_settings):
    with pytest.raises(AuditsError, match="lies in the future") as caught:
        audit(duckdb_settings, now=datetime(2001, 5, 1, tzinfo=UTC))
    assert caught.value.fix == "Audit it from 2026-11-04 on."


def test_a_month_may_be_audited_from_the_end_of_its_grace_and_not_a_moment_earlier(duckdb_settings):
    closes = datetime(2026, 11, 4, tzinfo=UTC)
    with pytest.raises(AuditsError, match="not closed"):
        audit(duckdb_settings, now=closes.replace(day=3, hour=23, minute=59, second=59, microsecond=999_999))
    assert audit(duckdb_settings, now=closes).revision == 1


def test_an_unknown_tier_is_refused_with_the_nearest_one(duckdb_settings):
    with pytest.raises(AuditsError) as caught:
        audit(duckdb_settings, tiers=["biuld"])
    assert "Did you mean build?" in caught.value.fix


def test_usage_without_a_tier_or_under_one_that_the_book_does_not_know_is_named_and_never_compliant(duckdb_settings):
    odd = account("odd", "platinum")
    stray = events("nobody", "2026-10-07", 3)
    put(duckdb_settings.warehouse_url, together(odd, {"usage_events": [*events("odd", "2026-10-07", 3), *stray]}))
    outcome = audit(duckdb_settings)
    assert any("platinum" in note for note in outcome.notes)
    missing = "1 account was used without a tier on record (1 missing from the table accounts)"
    assert any(note.startswith(missing) for note in outcome.notes)
    with open_ledger(duckdb_settings.ledger_url) as books, books.session() as session:
        strange = session.scalars(select(EvaluationRow).where(EvaluationRow.tier.in_(("platinum", "unassigned")))).all()
        assert {row.tier for row in strange} == {"platinum", "unassigned"}
        assert sum(row.compliant for row in strange) == 0


def test_events_on_the_edges_of_the_period_count_once_and_those_beyond_do_not(settings):
    edge = [
        *(event(f"first-{n}", "quiet", "2026-10-01") for n in range(3)),
        *(event(f"last-{n}", "quiet", datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)) for n in range(4)),
        event("before", "quiet", datetime(2026, 9, 30, 23, 59, 59, 999_999, tzinfo=UTC)),
        event("after", "quiet", "2026-11-01"),
    ]
    put(settings.warehouse_url, {"usage_events": edge})
    audit(settings)
    from audits.ledger.models import AuditedCustomer  # noqa: PLC0415

    with open_ledger(settings.ledger_url) as books, books.session() as session:
        quiet = session.scalar(select(AuditedCustomer).where(AuditedCustomer.customer_id == "c-quiet"))
        assert quiet.figures["requests"] == 40 + 3 + 4


def test_hostile_names_reach_no_page_as_markup_and_no_cell_as_a_formula(duckdb_settings):
    outcome = audit(duckdb_settings)
    pages = list(outcome.folder.rglob("*.html")) + list(duckdb_settings.out.glob("*.html"))
    assert pages
    for page in pages:
        assert "<script>alert" not in page.read_text("utf-8")
    for sheet in outcome.folder.rglob("*.csv"):
        assert not any(
            cell.startswith(("=", "+", "@")) for cell in sheet.read_text("utf-8").replace('"', "").split(",")
        )


def test_a_quarter_and_a_week_are_audited_like_a_month(duckdb_settings):
    assert audit(duckdb_settings, Period.parse("2026-W41")).revision == 1
    later = datetime(2027, 1, 10, tzinfo=UTC)
    assert audit(duckdb_settings, Period.parse("2026-Q4"), now=later).revision == 1
    assert {one["period"] for one in findings(duckdb_settings, Period.parse("2026-W41"))} == {"2026-W41"}


def test_the_source_is_left_untouched(duckdb_settings):
    file = Path(duckdb_settings.warehouse_url.removeprefix("duckdb:///"))
    before = file.read_bytes()
    audit(duckdb_settings)
    assert file.read_bytes() == before


def test_a_plan_says_what_a_back_fill_would_do_and_does_nothing(duckdb_settings):
    [august, *_] = pipeline.planned_work(
        duckdb_settings, [Period.parse(p) for p in ("2026-08", "2026-09", "2026-10")], now=NOW
    )
    assert august.period.first_day == date(2026, 8, 1)
    assert "not audited yet" in august.what
    assert not duckdb_settings.out.exists()


def test_a_month_audited_after_the_next_one_gives_that_one_a_revision(duckdb_settings):
    assert pipeline.compared_with(duckdb_settings, OCTOBER.previous) is None
    audit(duckdb_settings)
    audit(duckdb_settings, OCTOBER.previous)
    assert pipeline.compared_with(duckdb_settings, OCTOBER.previous) == OCTOBER
    again = audit(duckdb_settings)
    assert (again.revision, again.changed) == (2, True)
    with open_ledger(duckdb_settings.ledger_url) as books, books.session() as session:
        run = session.scalar(select(Run).where(Run.period == OCTOBER.id, Run.revision == 2))
        assert run.causes == ["the month before was audited, with which it is compared"]
    assert audit(duckdb_settings).changed is False
    audit(duckdb_settings, OCTOBER.previous)
    assert audit(duckdb_settings).changed is False


def test_a_delivered_report_does_not_change_when_a_much_earlier_month_is_audited_after_it(duckdb_settings):
    folder = audit(duckdb_settings).folder
    sealed = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    audit(duckdb_settings, OCTOBER.previous.previous)
    assert audit(duckdb_settings).changed is False
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == sealed
