"""What was planted is there: campaigns at their volume, look-alikes, breaches and faults, each one in the labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audits.errors import AuditsError
from audits.proving.world import DEMO, Breach, Campaign, LookAlike, WorldSpec, build_world
from audits.proving.world.breaches import KINDS as BREACHES
from audits.proving.world.campaigns import KINDS as CAMPAIGNS
from audits.proving.world.conditions import CONDITIONS
from audits.proving.world.lookalikes import PARTIES
from tests.proving.world.conftest import SPEC, Built, built


def planted(world: Built, what: str, kind: str) -> dict[str, Any]:
    (one,) = [entry for entry in world.labels[what] if entry["kind"] == kind]
    return one


def test_every_account_has_a_label_and_every_label_an_account(world: Built) -> None:
    assert set(world.labels["accounts"]) == {account for (account,) in world.rows("SELECT account_id FROM accounts")}
    kinds = {label["kind"] for label in world.labels["accounts"].values()}
    assert kinds == {"benign", "campaign", "look-alike", "breach"}
    assert sum(world.summary.accounts.values()) == len(world.labels["accounts"])


@pytest.mark.parametrize(("what", "kinds"), [("campaigns", CAMPAIGNS), ("lookalikes", PARTIES), ("breaches", BREACHES)])
def test_every_kind_can_be_asked_for_and_is_listed(world: Built, what: str, kinds: dict[str, Any]) -> None:
    assert [entry["kind"] for entry in world.labels[what]] == list(kinds)


@pytest.mark.parametrize("kind", sorted(CAMPAIGNS))
def test_a_campaign_has_the_accounts_and_the_volume_it_was_given(world: Built, kind: str) -> None:
    campaign = planted(world, "campaigns", kind)
    assert len(campaign["accounts"]) == 8
    days = campaign["last_day"] - campaign["first_day"]
    at_work = 8 / campaign["pools"]  # of two pools one is at work
    made = world.value("SELECT count(*) FROM usage_events WHERE account_id IN (SELECT unnest(?))", campaign["accounts"])
    assert made == pytest.approx(at_work * days * campaign["per_day"], rel=0.4)
    members = [a for a, label in world.labels["accounts"].items() if label["id"] == campaign["id"]]
    assert sorted(members) == sorted(campaign["accounts"])


def test_no_account_passes_the_cap_and_the_group_has_its_volume(tmp_path: Path) -> None:
    campaign = Campaign(kind="extraction", accounts=30, per_day=90, cap=150, first_day=5, days=10)
    world = built(WorldSpec(seed=2, days=16, customers=10, release_day=9, campaigns=(campaign,)), tmp_path / "w.duckdb")
    group = world.labels["campaigns"][0]["accounts"]
    days = world.rows(
        "SELECT sum(n), max(n) FROM (SELECT event_ts::DATE AS d, account_id, count(*) AS n FROM usage_events "
        "WHERE account_id IN (SELECT unnest(?)) GROUP BY ALL) GROUP BY d",
        group,
    )
    assert max(most for _, most in days) <= 150
    assert sum(total for total, _ in days) == pytest.approx(30 * 90 * 10, rel=0.15)
    assert len(days) <= 12


@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
def test_extraction_has_its_share_of_a_mixed_campaign(tmp_path: Path, share: float) -> None:
    campaign = Campaign(kind="mixed", accounts=25, per_day=80, share=share, first_day=3, days=22)
    world = built(WorldSpec(seed=8, days=28, customers=5, release_day=15, campaigns=(campaign,)), tmp_path / "w.duckdb")
    group = world.labels["campaigns"][0]["accounts"]
    common, total = world.rows(
        "SELECT max(n), sum(n) FROM (SELECT prompt_template_hash, count(*) AS n FROM usage_events "
        "WHERE account_id IN (SELECT unnest(?)) GROUP BY 1)",
        group,
    )[0]
    assert common / total == pytest.approx(share, rel=0.35)
    assert total == pytest.approx(25 * 80 * 22, rel=0.35)


def test_a_second_pool_takes_over_when_the_first_is_banned(world: Built) -> None:
    campaign = planted(world, "campaigns", "failover")
    pools = {role: [a for a in campaign["accounts"] if world.labels["accounts"][a]["role"] == role]
             for role in ("pool-1", "pool-2")}  # fmt: skip
    banned, last = world.rows(
        "SELECT min(banned_at), max(event_ts) FROM accounts LEFT JOIN usage_events USING (account_id) "
        "WHERE account_id IN (SELECT unnest(?))", pools["pool-1"],
    )[0]  # fmt: skip
    first = world.value(
        "SELECT min(event_ts) FROM usage_events WHERE account_id IN (SELECT unnest(?))", pools["pool-2"]
    )
    assert banned is not None
    assert abs((first - banned).total_seconds()) < 86_400
    assert (last - first).total_seconds() < 86_400


def test_a_pivot_moves_within_hours_of_the_release(world: Built) -> None:
    campaign = planted(world, "campaigns", "pivot")
    release = world.value("SELECT released_at FROM models WHERE model = 'aster-4'")
    share = """SELECT avg((model_served = 'aster-4')::INT) FROM usage_events WHERE account_id IN (SELECT unnest(?))
        AND event_ts >= ?::TIMESTAMPTZ + to_hours({}) AND event_ts < ?::TIMESTAMPTZ + to_hours({})"""
    assert world.value(share.format(-48, 0), campaign["accounts"], release, release) == 0
    assert world.value(share.format(6, 48), campaign["accounts"], release, release) > 0.4


@pytest.mark.parametrize(
    ("kind", "measure", "least"),
    [
        ("elicitation", "avg((cot_elicit_score >= 0.8)::INT)", 0.25),
        ("probing", "avg((finish_reason = 'refusal')::INT)", 0.15),
        ("logprobs", "avg((top_logprobs > 0 AND logit_bias_n > 0 AND output_tokens <= 4)::INT)", 0.6),
        ("reward", "avg((rubric_grade_score >= 0.8)::INT)", 0.4),
        ("benchmark", "avg((benchmark_score >= 0.8 AND n_choices > 1)::INT)", 0.3),
        ("relay", "count(DISTINCT lang)", 12),
        ("paraphrased", "count(DISTINCT prompt_template_hash) / count(*)", 0.9),
    ],
)
def test_a_campaigns_own_signal_is_in_its_rows(world: Built, kind: str, measure: str, least: float) -> None:
    campaign = planted(world, "campaigns", kind)
    found = world.value(
        f"SELECT {measure} FROM usage_events WHERE account_id IN (SELECT unnest(?))", campaign["accounts"]
    )
    assert found >= least


@pytest.mark.parametrize(
    ("kind", "measure", "least"),
    [
        (
            "R01",
            "(SELECT max(n) FROM (SELECT count(*) AS n FROM e WHERE status_code = 200 GROUP BY event_ts::DATE))",
            501,
        ),
        ("R02", "(SELECT max(n) / median(n) FROM (SELECT count(*) AS n FROM e GROUP BY event_ts::DATE))", 5),
        ("R07", "(SELECT avg((cot_elicit_score >= 0.8)::INT) FROM e WHERE event_ts >= DATE '2026-10-10')", 0.25),
        (
            "R07-replay",  # in sessions that begin with a replay: what others replay can be their own
            """(SELECT sum(replays) FROM (
                SELECT count(*) FILTER (reasoning_visibility = 'signature_replay') AS replays FROM e
                WHERE status_code = 200 AND session_id IS NOT NULL GROUP BY session_id
                HAVING arg_min(reasoning_visibility, event_ts) = 'signature_replay'))""",
            20,
        ),
        ("R08", "(SELECT count(*) FROM e WHERE top_logprobs > 0)", 100),
        ("R14", "(SELECT count(*) FROM e WHERE ip_country IN ('CN', 'RU', 'BY') AND ip_type <> 'vpn')", 20),
        (
            "R17",
            "(SELECT max(n) FROM (SELECT count(DISTINCT client_net_hash) AS n FROM e GROUP BY event_ts::DATE))",
            10,
        ),
        ("R20", "(SELECT count(*) FROM e WHERE operation = 'batch' AND status_code = 200)", 10),
        ("R20-reasoning", "(SELECT count(*) FROM e WHERE reasoning_visibility = 'full')", 10),
        ("R21", "(SELECT count(*) FROM e JOIN models m ON m.model = e.model_served WHERE event_ts < released_at)", 1),
        ("R22", "(SELECT avg(moderation_flagged::INT) FROM e WHERE event_ts >= DATE '2026-10-10')", 0.02),
        ("R23", "(SELECT max(retention_days) FROM e)", 90),
        ("R23-zero", "(SELECT count(*) FROM e WHERE content_stored)", 1),
        ("R28", "(SELECT avg((benchmark_score >= 0.8)::INT) FROM e WHERE event_ts >= DATE '2026-10-10')", 0.3),
    ],
)
def test_a_breach_is_in_its_accounts_rows(world: Built, kind: str, measure: str, least: float) -> None:
    account = planted(world, "breaches", kind)["account"]
    found = world.value(f"WITH e AS (FROM usage_events WHERE account_id = ?) SELECT {measure}", account)
    assert found >= least


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        (
            "R15",
            "FROM customers WHERE customer_id = $c AND parent_ownership_pct > 50",
        ),
        ("R26", "FROM payment_events WHERE account_id = $a AND event_type = 'chargeback'"),
        ("R29", "FROM sanctions WHERE customer_id = $c AND match_status = 'confirmed'"),
        ("R29-candidate", "FROM sanctions WHERE customer_id = $c AND match_status = 'candidate'"),
        ("R29-unverified", "FROM customers WHERE customer_id = $c AND kyc_status = 'pending'"),
        ("R29-old", "FROM customers WHERE customer_id = $c AND kyc_verified_at < TIMESTAMPTZ '2025-11-01'"),
    ],
)
def test_a_breach_on_record_is_recorded(world: Built, kind: str, question: str) -> None:
    breach = planted(world, "breaches", kind)
    named = {name: breach[column] for name, column in (("a", "account"), ("c", "customer")) if f"${name}" in question}
    assert world.con.execute(f"SELECT count(*) {question}", named).fetchall()[0][0] > 0


@pytest.mark.parametrize(("kind", "low", "high"), [("R25", 1.5, 1.8), ("R25-medium", 1.2, 1.5), ("R25-low", 1.0, 1.2)])
def test_a_commitment_is_passed_by_its_factor_in_the_last_full_month(
    world: Built, kind: str, low: float, high: float
) -> None:
    used = world.value(
        """SELECT sum(b.input_tokens + b.output_tokens) / max(commit_tokens) FROM billed_usage b
        JOIN accounts USING (account_id) JOIN contracts USING (customer_id)
        WHERE customer_id = ? AND usage_day >= DATE '2026-10-01' AND usage_day < DATE '2026-11-01'""",
        planted(world, "breaches", kind)["customer"],
    )
    assert low < used < high


def test_probing_of_keys_comes_from_one_network(world: Built) -> None:
    most = world.value("""
        SELECT max(n) FROM (SELECT count(DISTINCT api_key_hash) AS n FROM auth_events WHERE outcome = 'invalid_key'
            GROUP BY client_net_hash, event_ts::DATE)
    """)
    assert most >= 50


def fault(world: Built, name: str) -> dict[str, Any]:
    (one,) = [entry for entry in world.labels["faults"] if entry["fault"] == name]
    return one


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("duplicate-events", "event_id IN (SELECT event_id FROM usage_events GROUP BY 1 HAVING count(*) = 2)"),
        ("negative-tokens", "output_tokens < 0"),
        ("cached-above-input", "cached_input_tokens > input_tokens"),
        ("orphan-keys", "api_key_hash NOT IN (SELECT api_key_hash FROM api_keys)"),
        ("unknown-model", "model_served NOT IN (SELECT model FROM models)"),
        ("late-rows", "ingested_ts - event_ts > INTERVAL 24 HOUR"),
        ("future-events", "event_ts > ingested_ts + INTERVAL 1 HOUR"),
    ],
)
def test_a_fault_is_in_exactly_the_rows_that_the_labels_name(world: Built, name: str, sign: str) -> None:
    ids = {event for (event,) in world.rows(f"SELECT event_id FROM usage_events WHERE {sign}")}
    assert ids == set(fault(world, name)["event_ids"])
    assert ids


def test_an_hour_of_one_source_is_missing(world: Built) -> None:
    lost = fault(world, "missing-hour")
    found = world.value(
        "SELECT count(*) FROM usage_events WHERE source_system = ? AND event_ts >= ?::TIMESTAMPTZ "
        "AND event_ts < ?::TIMESTAMPTZ + INTERVAL 1 HOUR",
        lost["source_system"], lost["hour"], lost["hour"],
    )  # fmt: skip
    assert found == 0


@pytest.mark.parametrize(
    ("condition", "question"),
    [
        ("no-signup", "SELECT count(signup_device_hash) + count(signup_net_hash) = 0 FROM accounts"),
        ("half-null", "SELECT avg((api_key_hash IS NULL)::INT) BETWEEN 0.4 AND 0.7 FROM usage_events"),
        ("one-instrument", "SELECT max(n) > 5 FROM (SELECT count(*) n FROM account_payments GROUP BY instrument_hash)"),
        ("one-address", "SELECT count(DISTINCT client_ip_hash) = 1 FROM usage_events"),
        ("missing-dimensions", "SELECT count(*) > 0 FROM usage_events ANTI JOIN accounts USING (account_id)"),
        ("no-features", "SELECT count(prompt_template_hash) + count(topic_id) = 0 FROM usage_events"),
    ],
)  # fmt: skip
def test_a_condition_holds_for_the_whole_world(tmp_path: Path, condition: str, question: str) -> None:
    assert condition in CONDITIONS
    spec = WorldSpec(seed=6, days=20, customers=60, release_day=12, conditions=(condition,))
    assert built(spec, tmp_path / "w.duckdb").value(question)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"campaigns": (Campaign(kind="theft"),)}, "theft"),
        ({"lookalikes": (LookAlike(kind="twins"),)}, "twins"),
        ({"breaches": (Breach(rule="R99"),)}, "R99"),
        ({"faults": ("rust",)}, "rust"),
        ({"conditions": ("rain",)}, "rain"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with pytest.raises(AuditsError, match=named) as refused:
        build_world(replace(WorldSpec(days=10, customers=10), **change), tmp_path / "w.duckdb")
    assert "use one of" in refused.value.fix


def test_an_empty_world_is_refused() -> None:
    with pytest.raises(AuditsError, match="at least one customer"):
        WorldSpec(customers=0)


def test_the_demo_asks_for_what_a_reader_should_see() -> None:
    assert DEMO.customers >= 300
    assert DEMO.days == 90
    assert DEMO.end.date().isoformat() == "2026-11-01"
    assert len(DEMO.campaigns) == 2
    assert len({entry.kind for entry in DEMO.lookalikes}) == 6
    assert {"R01", "R02", "R14", "R17", "R20", "R23", "R25", "R29"} <= {entry.rule for entry in DEMO.breaches}
    assert SPEC.faults == DEMO.faults
