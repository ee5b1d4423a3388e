"""The stated cause of a revision is what differs, and nothing that does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from audits.ledger import open_ledger
from audits.ledger.record import Audit, record, unchanged_run
from tests.reports.world import LAST, Month, audit_of

DAY = LAST.last_day.isoformat()


def group(*accounts: str, evidence: str = "e") -> dict[str, Any]:
    return {"accounts": sorted(accounts), "evidence": evidence}


PARTS: dict[str, dict[str, Any]] = {
    "data": {DAY: "d1", "2026-10-02": "d1"},
    "arrived": {DAY: "n1"},
    "quality": {f"{DAY} native": "good"},
    "dimensions": {"accounts": "1:1", "account_tiers": "1:1"},
    "linkage": {"groups": {"G-1": group("a", "b"), "G-2": group("c", "d"), "G-3": group("e", "f", "g", "h")},
                "report": "r"},
    "policy": {"from": "2026-09-01", "to": DAY, "law": "l", "exceptions": "x"},
    "rules": {"R01": "1+aa", "R02": "3+bb"},
    "code": {"rules engine": "c", "policy": "c"},
    "tiers": {"free": ""},
}  # fmt: skip


def audit(**parts: dict[str, Any]) -> Audit:
    month = Month(LAST, datetime(2026, 11, 5, tzinfo=UTC), tiers=("free",))
    return replace(audit_of(month), made_from={**PARTS, **parts})


@pytest.fixture
def session(tmp_path):
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger, ledger.session() as session:
        record(session, audit())
        yield session


def linkage(**groups: dict[str, Any]) -> dict[str, Any]:
    return {"linkage": {**PARTS["linkage"], "groups": groups}}


ONE, TWO, THREE = PARTS["linkage"]["groups"].values()
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a day": ({"data": {**PARTS["data"], DAY: "d2"}}, f"the usage data changed on {DAY}"),
    "days": ({"data": {DAY: "d2", "2026-10-02": "d2"}},
             f"the usage data changed on 2 days from 2026-10-02 to {DAY}"),
    "quality": ({"quality": {f"{DAY} native": "bad"}}, f"the verdict on the quality of the data changed on {DAY}"),
    "dimensions": ({"dimensions": {"accounts": "2:1", "account_tiers": "2:1"}},
                   "reference data changed: account tiers, accounts"),
    "joined": (linkage(**{"G-1": group("a", "b", "c", "d"), "G-3": THREE}),
               "linked groups changed: 2 groups instead of 3, 1 gone, 1 joined from several"),
    "split": (linkage(**{"G-1": ONE, "G-2": TWO, "G-3": group("e", "f"), "G-4": group("g", "h")}),
              "linked groups changed: 4 groups instead of 3, 1 new, 1 split"),
    "members": (linkage(**{"G-1": group("a", "b", "z"), "G-2": TWO, "G-3": THREE}),
                "linked groups changed: 1 with other members"),
    "evidence": (linkage(**{"G-1": group("a", "b", evidence="f"), "G-2": TWO, "G-3": THREE}),
                 "linked groups changed: 1 with other evidence"),
    "rules": ({"rules": {"R01": "2+cc", "R02": "3+dd", "R03": "1+aa"}},
              "rules changed: R01 version 1 -> 2; R02 within version 3; R03 is new"),
    "a rule less": ({"rules": {"R01": "1+aa"}}, "rules changed: R02 is not evaluated any more"),
    "code": ({"code": {"rules engine": "d", "policy": "c"}}, "the service's own code changed: rules engine"),
    "policy": ({"policy": {**PARTS["policy"], "law": "m"}}, "the policy book changed"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_makes_one_revision_with_its_cause(session, name):
    parts, cause = CHANGES[name]
    changed = audit(**parts)
    assert unchanged_run(session, LAST, ["free"], changed.made_from) is None
    run = record(session, changed)
    assert (run.revision, run.causes) == (2, [cause])
    assert record(session, changed) is run
    assert unchanged_run(session, LAST, ["free"], changed.made_from) is run


def test_rows_that_only_arrived_again_are_evaluated_and_make_no_revision(session):
    again = audit(arrived={DAY: "n2"})
    assert unchanged_run(session, LAST, ["free"], again.made_from) is None
    assert record(session, again).revision == 1


def test_a_result_that_differs_though_no_figure_by_day_does_is_a_revision(session):
    again = audit(arrived={DAY: "n2"})
    run = record(session, replace(again, findings=again.findings[1:]))
    assert (run.revision, run.causes) == (2, [f"requests that a rule reads one by one differ on {DAY}"])


def test_fewer_tiers_of_the_same_are_no_change_and_more_are(session):
    assert unchanged_run(session, LAST, [], {**PARTS, "tiers": {}}) is not None
    more = audit(tiers={"free": "", "build": ""})
    assert unchanged_run(session, LAST, ["free", "build"], more.made_from) is None
    assert record(session, replace(more, tiers=("free", "build"))).causes == ["other tiers were asked for: build"]
