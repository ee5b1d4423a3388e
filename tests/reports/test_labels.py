"""Labels say what happened: a finding has the title, clauses and words of its own kind, not of another of its rule."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audits.ledger.findings import clauses_in_force
from audits.ledger.models import FindingRow
from audits.ledger.read import Recorded, Status
from audits.periods import Period
from audits.policy import load_book
from audits.rules.engine.base import RuleSpec
from audits.rules.engine.loading import load_rules
from reports.model import Finding
from reports.wording import Past, Words, finding_of

OCTOBER = Period.parse("2026-10")
SPECS = {rule_id: rule.spec for rule_id, rule in load_rules().items()}
KINDS = [(rule_id, kind) for rule_id, spec in SPECS.items() for kind in spec.kinds]


def told(rule_id: str, kind: str | None) -> Finding:
    """A finding of a kind as its reader meets it."""
    row = FindingRow(
        finding_id="F-1", rule_id=rule_id, rule_version="1", subject_type="customer", subject_id="c-1",
        account_ids=["a-1"], customer_ids=["c-1"], tier="build", severity="medium", published=True, clauses=[],
        summary="-", observed={}, limits={}, evidence_sql="SELECT 1", chart={}, kind=kind,
        first_seen=datetime(2026, 11, 3, tzinfo=UTC),
    )  # fmt: skip
    words = Words({rule_id: SPECS[rule_id].model_dump(mode="json")}, None, {"c-1": "Northwind Ltd"})
    return finding_of(Recorded(row, Status(), ()), words, Past())


def test_an_unverified_identity_is_not_a_party_on_a_sanctions_list() -> None:
    finding = told("R29", "identity")
    assert finding.families == ("KYC",)
    assert not [words for words in (finding.title, *finding.benign, finding.next_step) if "sanction" in words.lower()]
    assert "match" not in finding.next_step
    assert told("R29", "confirmed").families == ("SANCTIONS",)
    book = load_book()
    cited = clauses_in_force(book, SPECS["R29"].families_of("identity"), OCTOBER)
    assert cited
    assert {clause.family for one in cited if (clause := book.clause(one))} == {"KYC"}


def test_what_may_be_said_is_true_of_the_very_finding() -> None:
    assert "did not go through" in told("R26", "declines").may_say
    for kind in ("shared instrument", "chargeback", "country mismatch"):
        assert "did not go through" not in told("R26", kind).may_say
    assert "flagged" not in told("R22", "probing").may_say
    assert "after a pause" in told("R27", "dormant").may_say
    assert "pause" not in told("R27", "no ramp").may_say
    assert "outside its published dates" not in told("R21", "substituted").may_say


@pytest.mark.parametrize(("rule_id", "kind"), KINDS)
def test_a_kind_keeps_what_it_does_not_say_itself(rule_id: str, kind: str) -> None:
    finding, spec = told(rule_id, kind), SPECS[rule_id]
    own = spec.kinds[kind]
    assert finding.title == (own.title or spec.title)
    assert finding.may_say == (own.may_say or spec.may_say)
    assert finding.families == spec.families_of(kind)
    assert finding.benign == (own.benign or spec.benign)


@pytest.mark.parametrize("rule_id", sorted({rule_id for rule_id, _ in KINDS}))
def test_a_finding_recorded_without_a_kind_has_the_rule_s_own_words(rule_id: str) -> None:
    assert told(rule_id, None).title == SPECS[rule_id].title


def test_a_kind_cannot_touch_a_family_that_its_rule_does_not_have() -> None:
    content = SPECS["R29"].model_dump(mode="json")
    content["kinds"]["identity"]["families"] = ["RESALE"]
    with pytest.raises(ValueError, match="identity names the clause family RESALE"):
        RuleSpec.model_validate(content)
