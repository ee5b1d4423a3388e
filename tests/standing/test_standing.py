"""A customer's standing: what weighs, since when, until when, and what is said about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from audits.errors import AuditsError
from audits.ledger import open_ledger
from audits.ledger.models import Decision
from audits.ledger.record import Audit, CellTally, Finding, finding_id, record
from audits.periods import Period
from audits.standing import Standing, standing_of
from tests.reports.book import RULES, VERSIONS, small_book

PEOPLE = {
    "c-1": ("Northwind Ltd", ["a-1", "a-1b"]),
    "c-2": ("Harbour GmbH", ["a-2"]),
    "c-3": ("Northwind Ltd", ["a-3"]),
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger, ledger.session() as opened:
        yield opened


def found(
    period: str, rule: str = "R01", severity: str = "medium", customers: Sequence[str] = ("c-1",), **more: object
) -> Finding:
    alone = len(customers) == 1
    kind, subject = ("account", PEOPLE[customers[0]][1][0]) if alone else ("group", "G-1")
    fields = {
        "finding_id": finding_id(rule, kind, subject, period), "rule_id": rule, "rule_version": VERSIONS[rule],
        "subject_type": kind, "subject_id": subject, "account_ids": (subject,), "customer_ids": tuple(customers),
        "tier": "build", "severity": severity, "published": True, "clauses": (), "summary": f"{rule} in {period}",
        "observed": {}, "limits": {}, "evidence_sql": "SELECT 1", "chart": {},
    }  # fmt: skip
    return Finding(**{**fields, **more})  # type: ignore[arg-type]


def audited(
    session: Session, period: str, *findings: Finding, doubtful: Sequence[str] = (), tiers: Sequence[str] = ("build",),
    late: bool = False, unanswered: Sequence[str] = (),
) -> None:  # fmt: skip
    """Record an audit of a period; in it R01 could not be evaluated for the doubtful customers, R02 could."""
    when, book = Period.parse(period), small_book()
    counts = dict.fromkeys(("compliant", "violating", "not_applicable", "not_evaluated", "errored"), 0)
    doubts = {("not_evaluated", "one hour missing"): doubtful}
    others = {("not_evaluated", "one hour missing"): unanswered} if unanswered else {}
    record(
        session,
        Audit(
            period=when,
            tiers=tuple(tiers),
            audited_at=when.end + timedelta(days=5 if late else 3),
            policy_version=book.digest,
            policy=book.snapshot(),
            rules={rule.id: (VERSIONS[rule.id], rule.model_dump(mode="json")) for rule in RULES},
            watermark=None,
            made_from={"data": {when.first_day.isoformat(): f"{late}"}},
            status="complete",
            notes=(),
            figures={tier: {} for tier in tiers},
            customers=[
                {
                    "tier": tier,
                    "customer_id": customer,
                    "name": name,
                    "account_manager": "am3@example.com",
                    "accounts": accounts,
                    "figures": {},
                }
                for tier in tiers
                for customer, (name, accounts) in PEOPLE.items()
            ],
            quality=[],
            tallies=[
                CellTally("build", "R01", VERSIONS["R01"], "active", counts, doubts),
                CellTally("build", "R02", VERSIONS["R02"], "active", counts, others),
            ],
            findings=findings,
        ),
    )


def decide(
    session: Session, finding: Finding, word: str, at: datetime, until: date | None = None, number: int = 1
) -> None:
    session.execute(
        insert(Decision).values(
            number=number, finding_id=finding.finding_id, decided_as=word, why="w", who="mira", decided_at=at,
            until=until, previous_digest="", digest="",
        )
    )  # fmt: skip


def standing(session: Session, who: str = "c-1", at: str = "2026-11-24") -> Standing:
    answer = standing_of(session, who, date.fromisoformat(at))
    assert answer is not None
    return answer


def states(answer: Standing) -> list[tuple[str, str]]:
    return [(change.since.isoformat(), change.state) for change in answer.history]


def test_without_a_finding_a_customer_is_in_good_standing(session: Session) -> None:
    audited(session, "2026-10")
    answer = standing(session)
    assert (answer.state, answer.reasons, answer.would_change) == ("good", (), "")
    assert (answer.since, answer.audited_to) == (date(2026, 10, 1), date(2026, 10, 31))
    assert (answer.name, answer.account_manager, answer.tiers) == ("Northwind Ltd", "am3@example.com", ("build",))


@pytest.mark.parametrize(
    ("severity", "state"),
    [("low", "good"), ("medium", "watch"), ("high", "restricted"), ("critical", "suspended-recommended")],
)
def test_the_gravest_finding_decides(session: Session, severity: str, state: str) -> None:
    audited(session, "2026-10", found("2026-10", severity=severity), found("2026-10", "R02", "low"))
    answer = standing(session)
    assert answer.state == state
    assert [reason.severity for reason in answer.reasons] == ([] if state == "good" else [severity])


@pytest.mark.parametrize("severity", ["medium", "high", "critical"])
def test_a_commercial_fact_marks_nobody(session: Session, severity: str) -> None:
    audited(session, "2026-10", found("2026-10", "R25", severity), found("2026-10", severity="medium"))
    assert [reason.rule_id for reason in standing(session).reasons] == ["R01"]
    audited(session, "2026-10", found("2026-10", "R25", severity), late=True)
    assert (standing(session).state, standing(session).reasons) == ("good", ())


def test_reasons_come_gravest_first_with_what_may_be_said(session: Session) -> None:
    audited(session, "2026-10", found("2026-10"), found("2026-10", "R14", "high"))
    answer = standing(session)
    assert [(reason.rule_id, reason.leads_to) for reason in answer.reasons] == [("R14", "restricted"), ("R01", "watch")]
    assert answer.reasons[1].may_say == "We saw an unusual rise in use. Was this planned?"
    assert "14 quiet days after 31 Oct 2026" in answer.would_change


def test_quiet_days_end_a_standing_only_where_an_audit_saw_them(session: Session) -> None:
    audited(session, "2026-09", found("2026-09"))
    assert standing(session, at="2026-11-24").state == "watch", "nobody has looked at October yet"
    audited(session, "2026-10")
    answer = standing(session, at="2026-11-24")
    assert states(answer) == [("2026-09-01", "watch"), ("2026-10-15", "good")]
    assert standing(session, at="2026-10-14").state == "watch"
    assert standing(session, at="2026-10-15").state == "good"


def test_days_that_could_not_be_judged_are_not_quiet(session: Session) -> None:
    audited(session, "2026-09", found("2026-09"))
    audited(session, "2026-10", doubtful=("c-1",))
    assert standing(session).state == "watch"
    audited(session, "2026-10", late=True)
    assert standing(session).state == "good"


def test_doubt_about_another_customer_or_rule_does_not_matter(session: Session) -> None:
    audited(session, "2026-09", found("2026-09"), found("2026-09", "R02", customers=("c-2",)))
    audited(session, "2026-10", doubtful=("c-2",))
    assert standing(session, "c-1").state == "good"
    assert standing(session, "c-2").state == "good", "the doubt is about R01, the finding about R02"


def test_weeks_add_up_to_the_quiet_days_and_a_gap_breaks_them(session: Session) -> None:
    audited(session, "2026-W41", found("2026-W41"))
    audited(session, "2026-W42")
    audited(session, "2026-W44")
    assert standing(session).state == "watch"
    audited(session, "2026-W43")
    assert standing(session).state == "good"


def test_a_finding_again_in_the_next_period_keeps_the_standing(session: Session) -> None:
    audited(session, "2026-08", found("2026-08"))
    audited(session, "2026-09", found("2026-09", severity="high"))
    audited(session, "2026-10", found("2026-10"))
    answer = standing(session)
    assert states(answer) == [("2026-08-01", "watch"), ("2026-09-01", "restricted"), ("2026-10-15", "watch")]
    assert answer.since == date(2026, 10, 15)


@pytest.mark.parametrize("word", ["false_positive", "remediated"])
def test_a_decision_takes_the_weight_away_from_its_day_on(session: Session, word: str) -> None:
    finding = found("2026-10")
    audited(session, "2026-10", finding)
    decide(session, finding, word, datetime(2026, 11, 10, 9, tzinfo=UTC))
    assert standing(session, at="2026-11-09").state == "watch"
    assert states(standing(session)) == [("2026-10-01", "watch"), ("2026-11-10", "good")]


@pytest.mark.parametrize("word", ["acknowledged", "confirmed"])
def test_to_acknowledge_or_confirm_leaves_the_weight(session: Session, word: str) -> None:
    finding = found("2026-10")
    audited(session, "2026-10", finding)
    decide(session, finding, word, datetime(2026, 11, 10, 9, tzinfo=UTC))
    answer = standing(session)
    assert (answer.state, answer.reasons[0].status) == ("watch", word)


def test_an_exception_holds_to_its_last_day(session: Session) -> None:
    finding = found("2026-10")
    audited(session, "2026-10", finding)
    decide(session, finding, "excepted", datetime(2026, 11, 10, tzinfo=UTC), until=date(2026, 11, 20))
    assert states(standing(session)) == [("2026-10-01", "watch"), ("2026-11-10", "good"), ("2026-11-21", "watch")]


def test_a_decision_taken_back_counts_again(session: Session) -> None:
    finding = found("2026-10")
    audited(session, "2026-10", finding)
    decide(session, finding, "false_positive", datetime(2026, 11, 10, tzinfo=UTC))
    decide(session, finding, "confirmed", datetime(2026, 11, 12, tzinfo=UTC), number=2)
    assert [state for _, state in states(standing(session))] == ["watch", "good", "watch"]


def test_a_later_revision_that_no_longer_has_the_finding_clears_it(session: Session) -> None:
    audited(session, "2026-10", found("2026-10"))
    audited(session, "2026-10", late=True)
    answer = standing(session)
    assert states(answer) == [("2026-10-01", "good")]


def test_a_later_revision_of_another_tier_clears_nothing(session: Session) -> None:
    audited(session, "2026-10", found("2026-10"))
    audited(session, "2026-10", tiers=("free",), late=True)
    assert standing(session).state == "watch"


def test_what_was_not_published_does_not_weigh(session: Session) -> None:
    audited(session, "2026-10", found("2026-10", published=False))
    assert standing(session).state == "good"


def test_a_group_weighs_on_each_of_its_customers_and_names_none(session: Session) -> None:
    group = found("2026-10", "R04", "high", ("c-1", "c-2"), summary="2 accounts act as one.")
    audited(session, "2026-10", group)
    answer = standing(session, "a-2")
    assert (answer.customer_id, answer.state, answer.reasons[0].linked) == ("c-2", "restricted", True)
    said = json.dumps(answer.as_json())
    assert "Northwind" not in said
    assert "c-1" not in said
    assert "fraud" not in said.lower()


def test_a_customer_is_found_by_id_account_or_name(session: Session) -> None:
    audited(session, "2026-10")
    assert standing(session, "a-1b").customer_id == "c-1"
    assert standing(session, "harbour gmbh").customer_id == "c-2"
    for nobody in ("a-1%", "nobody"):
        with pytest.raises(AuditsError, match="There is no customer"):
            standing(session, nobody)


def test_a_name_of_several_customers_asks_for_an_id(session: Session) -> None:
    audited(session, "2026-10")
    with pytest.raises(AuditsError, match="2 customers have 'Northwind Ltd' in their name") as raised:
        standing(session, "Northwind Ltd")
    assert raised.value.fix.splitlines()[1:] == ["c-1  Northwind Ltd", "c-3  Northwind Ltd"]


def test_before_the_first_audited_day_nothing_is_said(session: Session) -> None:
    audited(session, "2026-10", found("2026-10"))
    assert standing_of(session, "c-1", date(2026, 9, 30)) is None
    assert standing(session, at="2026-10-01").state == "watch"


def test_an_empty_ledger_knows_nobody(session: Session) -> None:
    assert standing_of(session, "c-1", date(2026, 10, 1)) is None


def test_the_json_has_its_shape(session: Session) -> None:
    audited(session, "2026-10", found("2026-10"))
    data = standing(session).as_json()
    assert {"customer_id", "name", "standing", "as_of", "tiers", "reasons", "history"} <= data.keys()
    assert (data["standing"], data["as_of"], data["since"]) == ("watch", "2026-11-24", "2026-10-01")
    assert {"finding_id", "rule_id", "severity", "summary", "period", "status"} <= data["reasons"][0].keys()
    assert data["history"] == [{"since": "2026-10-01", "state": "watch"}]


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_url: str) -> None:
    with open_ledger(postgres_url) as ledger, ledger.session() as session:
        audited(session, "2026-09", found("2026-09"))
        audited(session, "2026-10", found("2026-10", "R14", "high"), doubtful=("c-1",))
        answer = standing(session, "a-1b")
        assert states(answer) == [("2026-09-01", "watch"), ("2026-10-01", "restricted")]
        assert [reason.rule_id for reason in answer.reasons] == ["R14", "R01"]


def test_a_part_of_a_name_is_enough_where_one_customer_has_it(session: Session) -> None:
    audited(session, "2026-10")
    assert standing(session, "harb").customer_id == "c-2"
    with pytest.raises(AuditsError, match="There is no customer '%'"):
        standing(session, "%")  # a wildcard is an ordinary letter


def test_a_customer_about_whom_no_rule_has_an_answer_is_not_in_good_standing(session: Session) -> None:
    audited(session, "2026-09")
    audited(session, "2026-10", doubtful=("c-1",), unanswered=("c-1",))
    audited(session, "2026-11")
    assert standing(session, "c-1", "2026-10-15").state == "not_evaluated"
    assert standing(session, "c-2", "2026-10-15").state == "good"
    states = [change.state for change in standing(session, "c-1", "2026-12-20").history]
    assert states == ["good", "not_evaluated", "good"]


def evaluated_in_part(session: Session, unanswered: Sequence[str]) -> Standing:
    """The standing of c-1 where these of three rules had no answer."""
    audit = audit_with_rules("2026-10", unanswered)
    record(session, audit)
    return standing(session, at="2026-10-20")


def audit_with_rules(period: str, unanswered: Sequence[str]) -> Audit:
    when, book = Period.parse(period), small_book()
    counts = dict.fromkeys(("compliant", "violating", "not_applicable", "not_evaluated", "errored"), 0)
    rules = ("R01", "R02", "R04")
    why = {("not_evaluated", "only bucketed usage is recorded"): ("c-1",)}
    return Audit(
        period=when, tiers=("build",), audited_at=when.end + timedelta(days=3), policy_version=book.digest,
        policy=book.snapshot(), rules={rule.id: (VERSIONS[rule.id], rule.model_dump(mode="json")) for rule in RULES},
        watermark=None, made_from={}, status="complete", notes=(), figures={"build": {}}, quality=[], findings=[],
        customers=[{"tier": "build", "customer_id": "c-1", "name": "Northwind Ltd", "account_manager": "",
                    "accounts": ["a-1"], "figures": {}}],
        tallies=[CellTally("build", rule, VERSIONS[rule], "active", counts, why if rule in unanswered else {})
                 for rule in rules],
    )  # fmt: skip


def test_good_says_how_much_was_evaluated_and_what_was_not(session: Session) -> None:
    answer = evaluated_in_part(session, ["R04"])
    data = answer.as_json()
    assert data["standing"] == "good"
    assert data["checks"] == {
        "periods": ["2026-10"], "planned": 3, "evaluated": 2, "not_applicable": 0, "not_evaluated": 1,
    }  # fmt: skip
    assert data["not_evaluated"] == [{"reason": "only bucketed usage is recorded", "rules": ["R04"]}]


def test_a_customer_most_of_whose_checks_were_not_evaluated_is_not_in_good_standing(session: Session) -> None:
    answer = evaluated_in_part(session, ["R01", "R04"])
    assert answer.state == "not_evaluated"
    assert (answer.evaluated.evaluated, answer.evaluated.not_evaluated) == (1, 2)
