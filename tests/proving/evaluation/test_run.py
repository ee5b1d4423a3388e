"""One small world through the real pipeline, from its making to its scores."""

from __future__ import annotations

from datetime import date

import pytest

from audits.periods import Period
from audits.proving.evaluation import audit_world
from audits.proving.evaluation.run import Prefix
from audits.proving.evaluation.score import score_campaign, score_groups, score_rule
from audits.proving.world import Breach, Campaign, LookAlike, WorldSpec
from audits.proving.worlds import NamedWorld

SPEC = WorldSpec(
    seed=77,
    start=date(2026, 8, 18),
    days=75,
    customers=60,
    volume=0.0005,
    release_day=55,
    hostile_names=False,
    campaigns=(
        Campaign(kind="extraction", accounts=16, per_day=700, first_day=48, days=12, tiers=(("build", 1.0),)),
        Campaign(kind="quiet", accounts=6, per_day=5, first_day=50, days=10, cards=0, devices=0),
    ),
    lookalikes=(LookAlike(kind="ci-fleet", per_day=20),),
    breaches=(Breach(rule="R15"), Breach(rule="R24")),
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    told: list[str] = []
    world = NamedWorld("tiny", "tuning", "", SPEC)
    truth, audited = audit_world(world, tmp_path_factory.mktemp("worlds") / "tiny", told.append, cuts=(3, 10))
    return truth, audited, told


def test_the_truth_is_that_of_the_month(outcome):
    truth, _, _ = outcome
    strong, weak = truth.campaigns
    assert (len(strong.at_work), strong.first_day) == (16, 5)
    assert 9_000 < strong.requests_a_day < 13_000
    assert weak.requests_a_day < 60
    assert truth.harmless.isdisjoint(strong.members | weak.members)
    assert set(truth.customer_of) >= truth.harmless


def test_the_strong_campaign_is_found_early_and_the_weak_one_is_not(outcome):
    truth, audited, _ = outcome
    strong, weak = (score_campaign(c, audited) for c in truth.campaigns)
    assert strong.found is not None
    assert "R04" in strong.rules
    assert strong.found_on == 10  # it begins on the fifth day
    assert (weak.found, weak.found_on) == (None, None)
    assert score_groups(truth, audited).recall > 0.8


def test_single_breaches_are_found_by_their_rules(outcome):
    truth, audited, _ = outcome
    assert [score_rule(r, truth, audited).breaches.hits for r in ("R15", "R24")] == [1, 1]


def test_progress_names_the_world_and_the_stage(outcome):
    assert outcome[2][0] == "tiny: making the world"
    assert "tiny: linking accounts" in outcome[2]


def test_a_prefix_is_the_period_cut_short():
    prefix = Prefix(date(2026, 10, 1), "month", 3)
    assert (prefix.id, prefix.last_day, len(prefix.days)) == ("2026-10/3", date(2026, 10, 3), 3)
    assert prefix.start == Period.parse("2026-10").start
