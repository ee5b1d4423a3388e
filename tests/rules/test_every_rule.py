"""Every shipped rule can be asked on both engines, about nothing at all and about a month with some of everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audits.policy import load_book
from audits.rules.cases import DuckStage, PostgresStage, read_cases
from audits.rules.cases.run import scene
from audits.rules.engine.loading import load_rule, rule_folders
from audits.rules.engine.scope import Scope

CASES = """
cases:
  - name: nothing at all
    kind: empty
    accounts: {}
  - name: some of everything
    kind: nulls
    accounts:
      a1: {tiers: [{tier: free, from: 2026-01-01}, {tier: build, from: 2026-10-15T13:00}]}
      a2: {tier: scale, customer: c1, zero_retention: true}
      a3: {tier: enterprise, opened_at: 2026-10-02, banned_at: 2026-10-20}
      a4: {tier: free, signup_device_hash: device-a1}
    customers:
      c3: {country: IR, parent_country: CN, parent_ownership_pct: 60, kyc_status: none, kyc_verified_at: }
    groups: {g1: [a1, a2, a4], g2: [a3]}
    rows:
      usage_events:
        - {account_id: a1..a4, at: 2026-09-05T10:00, days: 20, times: 3, every: 7h}
        - {account_id: a1, at: 2026-10-03T10:00, times: 30, every: 1h, ip_country: [US, CN, RU], ip_type: [vpn, mobile]}
        - {account_id: a2, at: 2026-10-04T10:00, times: 9, content_stored: true, retention_days: [90, null, 0]}
        - {account_id: a3, at: 2026-10-05T10:00, times: 9, top_logprobs: 5, logit_bias_n: 3, cot_elicit_score: 0.9}
        - {account_id: a4, at: 2026-10-06T10:00, times: 9, status_code: [429, 200], benchmark_score: 0.9, n_choices: 4}
        - {account_id: a4, at: 2026-10-07T10:00, times: 9, moderation_flagged: true, finish_reason: refusal}
        - {account_id: a3, at: 2026-10-08T10:00, rubric_grade_score: 0.9, reasoning_visibility: signature_replay}
        - {account_id: a1..a4, at: 2026-10-09T00:00, times: 9, model_requested: model-2, operation: [chat, finetune]}
      usage_buckets: [{account_id: a2, at: 2026-10-20, days: 3, n_requests: [5, null]}]
      auth_events:
        - {account_id: a1, at: 2026-10-05T10:00, times: 30, every: 1s, outcome: [invalid_key, expired_key, ok]}
        - {account_id: , at: 2026-10-05T11:00, times: 30, api_key_hash: "bad-{n}", outcome: invalid_key}
      account_payments: [{account_id: a1..a4, instrument_hash: card, valid_from: 2026-01-01}]
      payment_events: [{account_id: a1, at: 2026-10-05, times: 6, event_type: [decline, charge, chargeback]}]
      contracts: [{customer_id: c1, commit_tokens: 100, commit_usd: 1, at: 2026-01-01}]
      models:
        - {model: model-1, frontier: true, retired_at: 2026-10-08}
        - {model: model-2, frontier: true, predecessor: model-1, released_at: 2026-10-08T20:00}
      sanctions: [{customer_id: c3, match_status: confirmed, at: 2026-10-02}]
      territories: [{country: CN, status: unsupported, at: 2020-01-01}]
      billed_usage: [{account_id: a1, at: 2026-10-05}]
"""


@pytest.mark.parametrize("number", [0, 1], ids=["nothing", "something"])
@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_rule_can_be_asked(
    folder: Path, number: int, duck_stage: DuckStage, postgres_stage: PostgresStage, tmp_path: Path
) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(CASES)
    case, rule = read_cases(file)[number], load_rule(folder)
    asked = []
    for stage in (duck_stage, postgres_stage):
        with scene(rule, case, stage, load_book()) as played:
            asked.append([played.ask(rule), played.ask(rule, lowered(played.scope))])
    for embedded, served in zip(*asked, strict=True):
        assert embedded.error == served.error == ""
        assert (embedded.found, embedded.cells) == (served.found, served.cells)


def lowered(scope: Scope) -> Scope:
    """The scope with limits so low that the few rows above pass many of them."""
    low = {
        "count": 1,
        "share": 0.01,
        "score": 0.5,
        "tenth": 0.5,
        "factor": 0.1,
        "days": 1,
        "hours": 1,
        "usd": 1,
        "percent": 1,
    }
    kinds = {name: parameter.type for name, parameter in scope.spec.parameters.items()}
    rows = (
        replace(row, values={name: low.get(kinds[name], value) for name, value in row.values.items()})
        for row in scope.limits
    )
    return replace(scope, limits=tuple(rows))
