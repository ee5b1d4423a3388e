"""Where nothing was evaluated every page and command says so: nobody is in good standing, and no zero is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from audits.cli import app
from audits.ledger import open_ledger
from audits.ledger.record import Audit, record
from audits.ledger.summary import summarise
from audits.periods import Period
from reports import charts
from reports.build import build_tier_report
from reports.formats import html
from reports.index import build_index, build_run_page
from reports.model import TierReport
from tests.reports.conftest import runs_of
from tests.reports.world import Month, audit_of

AUGUST, SEPTEMBER, OCTOBER = (Period.parse(f"2026-{month:02}") for month in (8, 9, 10))
BLOCKED = "the data of every day of the period is blocked"


def audit(period: Period) -> Audit:
    at = datetime.combine(period.end_day + timedelta(days=2), datetime.min.time(), UTC)
    return audit_of(Month(period, at, tiers=("enterprise",)))


def unevaluated(period: Period) -> Audit:
    """The same audit with nothing evaluated, but a rule of no clause in force that did not apply to anybody."""
    whole = audit(period)
    customers = tuple(customer["customer_id"] for customer in whole.customers)
    none = dict.fromkeys(("compliant", "violating", "not_applicable", "not_evaluated", "errored"), 0)
    verdicts = [("not_applicable", "no clause in force on PAYMENT")] + [("not_evaluated", BLOCKED)] * 20
    tallies = [
        replace(tally, counts={**none, verdict: len(customers)}, groups={(verdict, reason): customers})
        for tally, (verdict, reason) in zip(whole.tallies, verdicts, strict=False)
    ]
    return replace(whole, tallies=tallies, findings=[], dossiers=[])


@pytest.fixture(scope="module")
def ledger_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}"
    with open_ledger(url) as ledger, ledger.session() as session:
        for one in (audit(AUGUST), unevaluated(SEPTEMBER), audit(OCTOBER)):
            record(session, one)
    return url


@pytest.fixture
def session(ledger_url: str) -> Iterator[Session]:
    with open_ledger(ledger_url) as ledger, ledger.session() as opened:
        yield opened


def report_of(session: Session, period: Period) -> TierReport:
    return build_tier_report(session, runs_of(session, period.id)[0], "enterprise")


def test_the_first_page_counts_nobody_as_in_good_standing(session: Session) -> None:
    report = report_of(session, SEPTEMBER)
    assert report.figures.customers > 0
    assert (report.good_standing, report.not_evaluated) == (0, report.figures.customers)
    page = html.tier_page(report)
    assert "Nothing was evaluated." in page
    assert "Nothing was found" not in page
    assert "no rule found anything" not in page
    assert "0 evaluated" in page
    assert "100 %" not in page.split('id="decisions"')[0]
    assert BLOCKED in page


def test_findings_that_nothing_was_evaluated_for_again_are_not_resolved(session: Session) -> None:
    since = report_of(session, SEPTEMBER).since_period
    assert since is not None
    assert {one.became for one in since.gone} == {"not_evaluated"}


def test_nothing_is_new_against_a_period_in_which_nothing_was_evaluated(session: Session) -> None:
    report = report_of(session, OCTOBER)
    assert report.findings
    assert {finding.change for finding in report.findings} == {""}
    assert report.since_period is not None
    assert report.since_period.good_standing == 0
    assert "Nothing was evaluated in <strong>September 2026</strong>" in html.tier_page(report)


def less_found(period: Period, verdict: str, evaluated: int) -> Audit:
    """The same audit without findings, and with all but some rules having another verdict than compliant."""
    whole = unevaluated(period)
    customers = tuple(customer["customer_id"] for customer in whole.customers)
    none = dict.fromkeys(("compliant", "violating", "not_applicable", "not_evaluated", "errored"), 0)
    tallies = [
        replace(tally, counts={**none, "compliant": len(customers)}, groups={})
        if number < evaluated
        else replace(tally, counts={**none, verdict: len(customers)}, groups={(verdict, BLOCKED): customers})
        for number, tally in enumerate(whole.tallies)
    ]
    return replace(whole, tallies=tallies)


@pytest.mark.parametrize(
    ("verdict", "evaluated", "said"),
    [
        (
            "not_evaluated",
            1,
            r"Nothing was found in September 2026; (\d+) of \1 customers could not be evaluated then\.",
        ),
        ("not_evaluated", 99, r"Nothing was found in September 2026\."),
        ("not_applicable", 0, r"Nothing was evaluated in September 2026: no rule applied to any customer\."),
    ],
)
def test_what_was_not_found_then_is_not_called_still_found(
    tmp_path: Path, verdict: str, evaluated: int, said: str
) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger, ledger.session() as session:
        for one in (less_found(SEPTEMBER, verdict, evaluated), audit(OCTOBER)):
            record(session, one)
        changes = html.tier_page(report_of(session, OCTOBER)).split('id="changes"')[1].split("</section>")[0]
    assert re.search(said, changes), changes
    assert "still found" not in changes


def test_a_trend_shows_a_gap_and_not_a_zero(session: Session) -> None:
    points = report_of(session, OCTOBER).trend
    assert [point.counts is None for point in points] == [False, True, False]
    assert "September 2026: nothing was evaluated" in charts.trend(points, "t")
    assert report_of(session, SEPTEMBER).trend[-1].gap == "nothing was evaluated"


def test_the_indexes_say_it_too(session: Session, tmp_path: Path) -> None:
    run = runs_of(session, SEPTEMBER.id)[0]
    index = html.index_page(build_index(session, tmp_path))
    page = html.run_page(build_run_page(session, run, tmp_path))
    september = index.split('id="p-2026-09"')[1].split("</tbody>")[0]
    for text in (september, page):
        assert "nothing was evaluated" in text
        assert ">0</td>" not in text.split("all findings")[1][:20]
    assert "nothing was evaluated" not in index.split('id="p-2026-10"')[1].split("</tbody>")[0]


def test_the_summary_of_a_run_counts_nothing_as_evaluated(session: Session) -> None:
    [tier] = summarise(session, runs_of(session, SEPTEMBER.id)[0].id)
    assert tier.checks.none_evaluated
    assert tier.checks.evaluated == 0
    [tier] = summarise(session, runs_of(session, OCTOBER.id)[0].id)
    assert not tier.checks.none_evaluated


def run(ledger_url: str, tmp_path: Path, *arguments: str) -> str:
    env = {"AUDITS_WAREHOUSE_URL": f"duckdb:///{tmp_path / 'none.duckdb'}", "AUDITS_LEDGER_URL": ledger_url}
    result = CliRunner().invoke(app, [*arguments], env={**env, "COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_an_empty_list_of_findings_is_not_left_to_speak_for_itself(ledger_url: str, tmp_path: Path) -> None:
    assert "Nothing was evaluated for tier enterprise in 2026-09" in run(
        ledger_url, tmp_path, "findings", "--period", "2026-09"
    )
    assert "Nothing was evaluated" not in run(ledger_url, tmp_path, "findings", "--period", "2026-10")


def test_standing_says_why_nothing_is_known(ledger_url: str, tmp_path: Path, session: Session) -> None:
    clear = next(one.customers for one in report_of(session, SEPTEMBER).reasons("not_evaluated"))[-1][0]
    said = run(ledger_url, tmp_path, "standing", clear, "--at", "2026-09-30")
    assert "NOT EVALUATED" in said
    assert BLOCKED in said
    assert "An audit in which the customer's usage can be evaluated" in said
