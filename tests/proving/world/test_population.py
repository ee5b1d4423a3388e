"""Benign customers live like customers: by day and week, by tier, coming and going, and sharing things by chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audits.proving.world import WorldSpec
from audits.proving.world.catalogue import COUNTRIES
from tests.proving.world.conftest import Built, built

OFFSETS = ", ".join(f"('{c.code}', {c.offset})" for c in COUNTRIES.values())
LOCAL = f"""
    WITH zone(country, hours) AS (VALUES {OFFSETS}),
    local AS (
        SELECT e.account_id, event_ts + to_minutes((60 * hours)::BIGINT) AS moment
        FROM usage_events e JOIN accounts USING (account_id) JOIN customers c USING (customer_id)
        JOIN zone ON zone.country = c.country
        WHERE c.valid_to IS NULL
    )
"""


def typical_ratio(calm: Built, busy: str, quiet: str) -> float:
    """Of the median account with enough requests to tell: requests in its busy time over those in its quiet time."""
    ratio: float = calm.value(f"""{LOCAL}
        SELECT median(busy / (quiet + 1)) FROM (
            SELECT count(*) FILTER (WHERE {busy}) AS busy, count(*) FILTER (WHERE {quiet}) AS quiet
            FROM local GROUP BY account_id HAVING count(*) >= 100)
    """)
    return ratio


def test_people_work_by_day_in_their_own_time_zone(calm: Built) -> None:
    assert typical_ratio(calm, "hour(moment) BETWEEN 10 AND 16", "hour(moment) < 7") > 3


def test_weekends_are_quieter(calm: Built) -> None:
    assert typical_ratio(calm, "isodow(moment) IN (2, 3)", "isodow(moment) IN (6, 7)") > 1.4


def test_volumes_are_heavy_tailed(calm: Built) -> None:
    median, most = calm.rows(
        "SELECT median(n), max(n) FROM (SELECT count(*) AS n FROM usage_events GROUP BY account_id)"
    )[0]
    assert most > 15 * median


def test_accounts_come_go_and_change_tier_also_within_a_day(calm: Built) -> None:
    begin = calm.summary.begin
    assert calm.value("SELECT count(*) FROM accounts WHERE opened_at > ?", begin) > 10
    assert calm.value("SELECT count(*) FROM accounts WHERE closed_at > ?", begin) > 3
    assert calm.value("SELECT count(*) FROM account_tiers WHERE valid_to IS NOT NULL") > 3
    assert calm.value("SELECT count(*) FROM account_tiers WHERE valid_to <> date_trunc('day', valid_to)") > 0


def test_what_is_refused_is_tried_again(calm: Built) -> None:
    refused = calm.value("SELECT count(*) FROM usage_events WHERE status_code = 429")
    again = calm.value("""
        SELECT count(*) FROM usage_events r WHERE r.status_code = 429 AND EXISTS (
            FROM usage_events e WHERE e.account_id = r.account_id AND e.status_code = 200
                AND e.prompt_simhash = r.prompt_simhash AND e.event_ts > r.event_ts
                AND e.event_ts < r.event_ts + INTERVAL 5 MINUTE)
    """)
    assert refused > 20
    assert 0.4 * refused < again <= refused


@pytest.mark.parametrize(
    ("value", "table"),
    [
        ("instrument_hash", "account_payments JOIN accounts USING (account_id)"),
        ("signup_device_hash", "accounts"),
        ("prompt_template_hash", "usage_events JOIN accounts USING (account_id)"),
        ("system_prompt_hash", "usage_events JOIN accounts USING (account_id)"),
        ("client_net_hash", "usage_events JOIN accounts USING (account_id)"),
    ],
)
def test_strangers_share_things_by_chance(calm: Built, value: str, table: str) -> None:
    shared = calm.value(f"""
        SELECT count(*) FROM (SELECT {value} FROM {table} WHERE {value} IS NOT NULL GROUP BY 1
            HAVING count(DISTINCT customer_id) > 1)
    """)
    assert shared > 0


def test_nobody_ordinary_uses_what_the_tier_does_not_have(calm: Built) -> None:
    outside = calm.value("""
        SELECT count(*) FROM usage_events e JOIN account_tiers t ON t.account_id = e.account_id
            AND e.event_ts >= t.valid_from AND (t.valid_to IS NULL OR e.event_ts < t.valid_to)
        WHERE status_code = 200 AND (
            (tier <> 'enterprise' AND operation = 'finetune') OR (tier = 'free' AND operation = 'batch')
            OR (tier = 'free' AND top_logprobs > 0) OR (tier IN ('free', 'build') AND reasoning_visibility = 'full'))
    """)
    assert outside == 0


def test_the_labels_call_everybody_ordinary(calm: Built) -> None:
    assert set(calm.labels["accounts"]) == {account for (account,) in calm.rows("SELECT account_id FROM accounts")}
    assert {label["kind"] for label in calm.labels["accounts"].values()} == {"benign"}


def test_variation_makes_other_habits_of_the_same_kinds_of_work(tmp_path: Path) -> None:
    spec = WorldSpec(seed=21, days=14, customers=120, release_day=9)
    question = "SELECT count(*), avg(input_tokens), count(DISTINCT prompt_template_hash) FROM usage_events"
    as_recorded = built(spec, tmp_path / "one.duckdb").rows(question)[0]
    varied = built(replace(spec, variation=0.5), tmp_path / "other.duckdb").rows(question)[0]
    assert all(abs(a / b - 1) > 0.02 for a, b in zip(as_recorded, varied, strict=True))
