"""What a tier's report says, as data."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger.models import CellGroup, Decision, FindingRow
from audits.ledger.record import record
from audits.rules.engine.verdicts import VERDICTS
from reports.build import build_tier_report
from reports.model import TierReport
from tests.reports.conftest import runs_of
from tests.reports.world import FIRST, GROUP, LAST, Month, audit_of


@pytest.fixture
def report(session: Session) -> TierReport:
    return build_tier_report(session, runs_of(session)[-1], "build")


def test_every_check_is_in_exactly_one_column(report: TierReport) -> None:
    for checks in (report.checks, *(rule.checks for rule in report.coverage)):
        assert checks.planned == sum(getattr(checks, verdict) for verdict in VERDICTS)
        assert checks.planned == checks.evaluated + checks.not_applicable + checks.not_evaluated + checks.errored
    assert report.checks.planned == 120 * len(report.coverage)


def test_every_check_that_is_neither_compliant_nor_violating_has_a_reason(report: TierReport) -> None:
    for rule in report.coverage:
        for verdict in ("not_applicable", "not_evaluated", "errored"):
            explained = sum(len(group.customers) for group in rule.reasons if group.verdict == verdict)
            assert explained == getattr(rule.checks, verdict)


def test_what_nobody_decided_is_open(report: TierReport) -> None:
    assert [one.severity for one in report.open] == ["high"] * 3 + ["medium"] * 11 + ["low"]
    still_open = {one.id for one in report.open}
    decided = sorted(one.status.word for one in report.findings if one.id not in still_open)
    assert decided == ["acknowledged", "excepted", "excepted", "false_positive"]


def test_a_decision_is_needed_once_for_each_subject_gravest_first(report: TierReport) -> None:
    first = report.decisions[0]
    assert (first.kind, first.id) == ("group", GROUP)
    severities = [subject.waiting[0].severity for subject in report.decisions]
    assert severities == sorted(severities, key=["critical", "high", "medium", "low"].index)
    assert sorted(one.id for subject in report.decisions for one in subject.waiting) == sorted(
        one.id for one in report.open
    )
    assert len({(subject.kind, subject.id) for subject in report.decisions}) == len(report.decisions)


def test_all_that_was_found_of_a_customer_stands_together(report: TierReport) -> None:
    northwind = next(subject for subject in report.customers if subject.name == "Northwind Ltd")
    assert [(one.rule_id, one.severity) for one in northwind.findings] == [("R02", "medium"), ("R25", "low")]
    assert [one.rule_id for one in northwind.open] == ["R25"], "the other one was acknowledged"


def test_all_that_was_found_of_a_group_stands_together(session: Session) -> None:
    run = runs_of(session)[-1]
    row = session.query(FindingRow).filter_by(run_id=run.id, subject_id=GROUP).one()
    copy = {column.name: getattr(row, column.name) for column in FindingRow.__table__.columns}
    session.execute(insert(FindingRow).values({**copy, "finding_id": "F-2", "rule_id": "R01", "severity": "medium"}))
    group = build_tier_report(session, run, "build").shared[0]
    assert (group.id, [one.rule_id for one in group.findings]) == (GROUP, ["R04", "R01"])


def test_groups_come_first_then_customers_gravest_first(report: TierReport) -> None:
    assert [one.kind for one in report.shared] == ["group", "network"]
    ranks = [customer.findings[0].severity for customer in report.customers]
    assert ranks == sorted(ranks, key=["high", "medium", "low"].index)


def test_customers_in_good_standing_are_those_without_a_finding_that_weighs(report: TierReport) -> None:
    weighing = {
        customer
        for one in report.findings
        if one.severity != "low" and one.status.word in {"open", "acknowledged", "confirmed"}
        for customer, _ in one.customers
    }
    assert report.good_standing == 120 - len(weighing)


def test_a_finding_reported_under_another_tier_still_counts_against_good_standing(session: Session) -> None:
    run = runs_of(session)[-1]
    clear = build_tier_report(session, run, "free")
    member = next(one for one in _free_customers(session) if one not in _named(clear))
    group = session.query(FindingRow).filter_by(run_id=run.id, subject_id=GROUP).one()
    group.customer_ids = [*group.customer_ids, member]
    session.flush()
    report = build_tier_report(session, run, "free")
    assert (report.good_standing, report.elsewhere) == (clear.good_standing - 1, clear.elsewhere + 1)


def test_changes_since_the_period_before(report: TierReport) -> None:
    since = report.since_period
    assert since is not None
    assert (since.period.id, since.revision, since.customers) == ("2026-09", 1, 120)
    changes = {(one.rule_id, one.subject_id): one.change for one in report.findings}
    assert changes["R04", GROUP] == "same"
    assert changes["R01", "a-0204-0"] == "returned"
    assert changes["R20", "a-0197-0"] == "worse"
    assert changes["R14", "a-0181-0"] == "new"
    assert sum(since.counts.values()) == len(report.findings)


def test_an_earlier_finding_is_resolved_only_if_it_could_be_evaluated_again(report: TierReport) -> None:
    assert report.since_period is not None
    became = {one.rule_id + " " + one.subject: (one.became, one.reason) for one in report.since_period.gone}
    assert became["R01 Willow Labs Ltd"] == ("resolved", "")
    fate, reason = became["R02 Atlas Health SA"]
    assert fate == "not_evaluated"
    assert "one hour missing" in reason


def test_an_earlier_finding_of_a_rule_that_is_held_back_is_not_resolved(session: Session) -> None:
    first, last = runs_of(session, LAST.previous.id)[0], runs_of(session)[-1]
    row = session.query(FindingRow).filter_by(run_id=first.id, rule_id="R01", subject_id="a-0200-0").one()
    row.rule_id = "R05"
    session.flush()
    report = build_tier_report(session, last, "build")
    assert report.since_period is not None
    fate = next(one for one in report.since_period.gone if one.rule_id == "R05")
    assert fate.became == "not_evaluated"
    assert "circuit breaker" in fate.reason


def test_changes_since_the_revision_before_name_their_causes(report: TierReport) -> None:
    redo = report.since_revision
    assert redo is not None
    assert redo.revision == 1
    assert any("usage data" in cause for cause in redo.causes)
    assert any("policy" in cause for cause in redo.causes)
    assert len(redo.added) == 3
    assert [(one.rule_id, one.became) for one in redo.withdrawn] == [("R02", "resolved")]


def test_the_first_audit_has_nothing_to_compare_with(session: Session) -> None:
    report = build_tier_report(session, runs_of(session, FIRST.id)[0], "build")
    assert (report.since_period, report.since_revision) == (None, None)
    assert len(report.trend) == 1
    assert {one.change for one in report.findings} <= {""}


def test_the_trend_has_a_gap_where_a_period_was_not_audited(report: TierReport) -> None:
    assert [point.period.id for point in report.trend][:3] == ["2025-10", "2025-11", "2025-12"]
    assert len(report.trend) == 13
    assert [point.period.id for point in report.trend if point.counts is None] == ["2026-03"]
    assert sum((report.trend[-1].counts or {}).values()) == len(report.findings)


def test_a_poor_day_is_named_with_the_checks_that_it_cost(report: TierReport) -> None:
    poor = [one for one in report.quality if one.verdict != "good"]
    assert [(one.day, one.verdict) for one in poor] == [(date(2026, 10, 14), "degraded")]
    assert poor[0].reasons == ("litellm: one hour missing (03:00 UTC)",)
    assert poor[0].checks == 15


def test_a_day_without_any_record_is_not_good(session: Session) -> None:
    month = audit_of(Month(LAST, datetime(2026, 11, 20, tzinfo=UTC)))
    month.quality[:] = [row for row in month.quality if row["day"] != date(2026, 10, 3)]
    report = build_tier_report(session, record(session, month), "build")
    assert [one.verdict for one in report.quality if one.day == date(2026, 10, 3)] == ["none"]


def test_exceptions_of_the_book_and_of_decisions_are_listed_and_hide_nothing(report: TierReport) -> None:
    assert [(one.rules, one.owner, one.until, one.whole) for one in report.exceptions] == [
        (("R02",), "kim@example.com", date(2026, 10, 19), False),
        (("R01",), "jo@example.com", date(2026, 11, 30), True),
        (("R20",), "mira@example.com", date(2026, 12, 31), True),
    ]
    statuses = {(one.rule_id, one.subject_id): one.status.word for one in report.findings}
    assert statuses["R01", "a-0180-0"] == "excepted"
    assert statuses["R02", "a-0185-0"] == "open", "an exception for a part of the period does not cover the finding"
    assert statuses["R20", "a-0197-0"] == "excepted"


def test_findings_held_back_are_counted_and_not_shown(report: TierReport) -> None:
    stopped = next(rule for rule in report.coverage if rule.rule_id == "R05")
    assert (stopped.status, stopped.held_back) == ("stopped", 40)
    assert all(one.rule_id != "R05" for one in report.findings)


def test_clauses_come_with_their_text_from_the_book_of_the_run(report: TierReport) -> None:
    group = report.shared[0].findings[0]
    assert {clause.family for clause in group.clauses} == {"COMPETE", "ACCOUNTS"}
    assert all(clause.text and clause.effective_from for clause in group.clauses)


def test_a_book_that_cannot_be_read_any_more_costs_only_its_texts(session: Session) -> None:
    run = runs_of(session)[-1]
    session.connection().exec_driver_sql('UPDATE policy_versions SET content = \'{"another": "layout"}\'')
    session.expire_all()
    report = build_tier_report(session, run, "build")
    assert report.shared[0].findings[0].clauses[0].id == "house-compete"
    assert report.shared[0].findings[0].clauses[0].text == ""
    assert report.heading.tier_title == "build"


def test_observed_figures_stand_beside_their_limits(report: TierReport) -> None:
    measures = {one.meaning: (one.observed, one.limit) for one in report.shared[0].findings[0].measures}
    assert measures["Successful requests of the group on the busiest day"][1] == "10,000"
    assert measures["Accounts in the group"] == ("59", "5")
    assert measures["Share of members below their own limit"] == ("100 %", "80 %")


def test_limits_are_those_of_the_tier_and_the_edition_in_force(report: TierReport, session: Session) -> None:
    limits = {limit.name: limit.value for rule in report.coverage for limit in rule.limits if rule.rule_id == "R02"}
    assert limits == {"factor_min": "4×", "days_min": "2"}
    before = build_tier_report(session, runs_of(session)[0], "build")
    limits = {limit.name: limit.value for rule in before.coverage for limit in rule.limits if rule.rule_id == "R02"}
    assert limits["factor_min"] == "5×"


def test_a_replaced_revision_stays_as_it_was_and_the_newest_shows_new_decisions(session: Session) -> None:
    first, last = runs_of(session)
    frozen, before = build_tier_report(session, first, "build"), build_tier_report(session, last, "build")
    group = before.shared[0].findings[0]
    session.execute(
        insert(Decision).values(
            number=9, finding_id=group.id, decided_as="confirmed", why="Verified.", who="mira@example.com",
            decided_at=datetime(2026, 11, 20, tzinfo=UTC), until=None, previous_digest="", digest="sha256:9",
        )
    )  # fmt: skip
    after = build_tier_report(session, last, "build")
    assert after.shared[0].findings[0].status.word == "confirmed"
    assert after.heading.as_of == date(2026, 11, 20)
    assert build_tier_report(session, first, "build") == frozen


def test_a_later_audit_of_an_earlier_period_does_not_reach_what_was_recorded(session: Session) -> None:
    runs = runs_of(session)
    before = [build_tier_report(session, run, "build") for run in runs]
    record(session, audit_of(Month(LAST.previous, datetime(2026, 11, 21, tzinfo=UTC), late_rows=True)))
    assert [build_tier_report(session, run, "build") for run in runs] == before


def test_a_tier_that_a_revision_did_not_audit_is_refused(session: Session) -> None:
    run = record(session, audit_of(Month(LAST, datetime(2026, 11, 22, tzinfo=UTC), tiers=("build",))))
    with pytest.raises(AuditsError, match="did not audit the tier 'free'"):
        build_tier_report(session, run, "free")


def test_a_chart_that_makes_no_sense_is_left_out(session: Session) -> None:
    run = runs_of(session)[-1]
    session.execute(update(FindingRow).where(FindingRow.run_id == run.id).values(chart={"days": ["2026-10-01"]}))
    session.expire_all()
    assert all(one.chart is None for one in build_tier_report(session, run, "build").findings)


def test_a_customer_that_left_the_tier_is_not_resolved(session: Session) -> None:
    run = runs_of(session)[-1]
    before = session.query(FindingRow).filter_by(run_id=runs_of(session, "2026-09")[0].id, subject_id="a-0200-0").one()
    before.customer_ids = ["c-9999"]
    session.query(CellGroup).filter_by(run_id=run.id).delete()
    session.flush()
    report = build_tier_report(session, run, "build")
    assert report.since_period is not None
    assert [one.became for one in report.since_period.gone if one.reason].count("left") == 1


def _free_customers(session: Session) -> list[str]:
    return [customer["customer_id"] for customer in audit_of(Month(LAST, datetime(2026, 11, 4, tzinfo=UTC))).customers][
        :180
    ]


def _named(report: TierReport) -> set[str]:
    return {customer for one in report.findings for customer, _ in one.customers}
