"""Campaigns and harmless parties that have the same in common, at several sizes, through the whole audit."""

from __future__ import annotations

from datetime import date

import pytest

from audits.proving.evaluation import audit_world
from audits.proving.evaluation.score import FOUND_FROM, covers
from audits.proving.world import Campaign, LookAlike, WorldSpec
from audits.proving.worlds import NamedWorld

FREE = (("free", 1.0),)


def _behind(front: str, accounts: int, per_day: float, **facts: object) -> Campaign:
    """Four days of a campaign whose free accounts have one payer, network or organisation in common."""
    plain = {"cards": 0, "devices": 0, "hands_over": False, "addresses": "residential", "tiers": FREE, "days": 4}
    given = {"first_day": 50, "front": front, "kind": "extraction", "accounts": accounts, "per_day": per_day}
    return Campaign(**(given | plain | facts))  # type: ignore[arg-type]


SPEC = WorldSpec(
    seed=78,
    start=date(2026, 8, 18),
    days=75,
    customers=80,
    volume=0.0005,
    release_day=40,
    hostile_names=False,
    campaigns=(
        _behind("payer", 16, 420, clock="day"),  # near the limits
        _behind("payer", 60, 110, clock="all", first_day=55),  # never sleeps
        _behind("network", 30, 230, first_day=60),
        _behind("organisation", 40, 170, clock="day", first_day=63),
        _behind("payer", 24, 60, elicit=0.6, clock="day", first_day=57),  # hidden reasoning
    ),
    lookalikes=(
        LookAlike(kind="hackathon", accounts=60, per_day=110),
        LookAlike(kind="hackathon", accounts=40, per_day=160),
        LookAlike(kind="agency-card", accounts=24, per_day=30),
        LookAlike(kind="university-class", accounts=36, per_day=60),
        LookAlike(kind="company-nat", accounts=24, per_day=60),
        LookAlike(kind="household"),
        LookAlike(kind="household"),
    ),
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    world = NamedWorld("explained", "tuning", "", SPEC)
    return audit_world(world, tmp_path_factory.mktemp("worlds") / "explained", lambda _said: None, cuts=())


def test_every_campaign_in_the_open_is_high_as_one_group(outcome):
    truth, audited = outcome
    missed = [c.id for c in truth.campaigns if not any(covers(h, c) and h.reaches(FOUND_FROM) for h in audited.hits)]
    assert not missed


def test_no_harmless_party_is_high(outcome):
    truth, audited = outcome
    guilty = frozenset().union(*(c.members for c in truth.campaigns))
    high = [h for h in audited.hits if h.reaches("high") and not h.accounts & guilty]
    kinds = {p.kind for h in high for p in truth.parties if p.accounts & h.accounts}
    assert not kinds, [(h.rule, h.subject_type, len(h.accounts)) for h in high]


def test_a_party_that_uses_as_much_as_a_campaign_is_told_of(outcome):
    """The events are over the limit of a group, so that what spares them is how their members behave."""
    truth, audited = outcome
    events = [p.accounts for p in truth.parties if p.kind == "hackathon"]
    assert any(
        h.rule == "R04" and h.severity == "medium" and h.accounts & accounts
        for accounts in events
        for h in audited.hits
    )
