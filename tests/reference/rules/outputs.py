"""R08 log-probabilities, R09 grading, R28 benchmarks: what answers are good for."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tests.reference.answers import Answer, together, violating
from tests.reference.facts import Facts, day_of
from tests.reference.groups import about_group
from tests.reference.rules.content import common_templates, score, singles, with_one_template
from tests.reference.usage import (
    WEEK_BEFORE,
    about_requests,
    at_least,
    fill,
    filled,
    is_ok,
    last_limits,
    sevens,
    share,
    within_days,
)
from tests.reference.validity import Row

# ---------------------------------------------------------------- R08

# The contract: a NULL in top_logprobs says that none were requested.


def _is_entitled(facts: Facts, event: Row) -> bool:
    day, tier = day_of(event["event_ts"]), facts.tier_at(event["account_id"], event["event_ts"])
    rows = facts.book.entitlements(day, day)
    named = {row.tier: row.allowed for row in rows if (row.kind, row.value) == ("capability", "logprobs")}
    return named.get(tier, True)


def _asked(events: list[Row]) -> list[Row]:
    return [e for e in events if is_ok(e) and (e.get("top_logprobs") or 0) > 0]


def _takes_without_entitlement(facts: Facts, level: str, limits: dict, events: list[Row]) -> Answer | None:
    """Of a group nothing is said here: each member that does so is found by itself."""
    outside = [e for e in _asked(events) if e["event_ts"] >= facts.start and not _is_entitled(facts, e)]
    return violating("high", level=level, requests=len(outside)) if len(outside) >= limits["unentitled_min"] else None


def _harvests(facts: Facts, level: str, limits: dict, events: list[Row]) -> Answer | None:
    """So many with entitlement in seven consecutive days that end in the period, half of them harvesting."""
    asked, weeks = _asked(events), []
    for first, last in sevens(facts):
        week = [e for e in within_days(asked, first, last) if _is_entitled(facts, e)]
        harvest = [e for e in week if (e.get("logit_bias_n") or 0) > 0]
        harvest = [e for e in harvest if e["output_tokens"] <= limits["short_output_tokens"]]
        if len(week) >= limits["requests_a_week"] and at_least(limits["harvest_share_min"], len(harvest), len(week)):
            weeks.append(len(week))
    return violating("high", level=level, requests=max(weeks)) if weeks else None


HARVESTS_AT_WORST = filled(logit_bias_n=1, top_logprobs=lambda event: int(event.get("in_bucket", False)))


def r08_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R08", tier) if facts.applies("R08", account, tier) else {}

    def breach(events: list[Row]) -> Answer | None:
        return together(limb(facts, tier, limits, events) for limb in (_takes_without_entitlement, _harvests))

    return about_requests(facts, "R08", account, tier, breach, HARVESTS_AT_WORST, lookback=WEEK_BEFORE)


def r08_group(facts: Facts, group: str) -> Answer:
    return about_group(
        facts, "R08", group, lambda level, limits, events: _harvests(facts, level, limits, events), HARVESTS_AT_WORST,
        lookback=WEEK_BEFORE,
    )  # fmt: skip


# ---------------------------------------------------------------- R09


def _grades(level: str, limits: dict, events: list[Row]) -> Answer | None:
    scored = [e for e in events if is_ok(e) and e.get("rubric_grade_score") is not None]
    graded = [e for e in scored if score(e, "rubric_grade_score") >= limits["score_min"]]
    if len(graded) < limits["requests_min"] or not at_least(limits["share_min"], len(graded), len(scored)):
        return None
    median = statistics.median(e["output_tokens"] for e in graded)
    if median > limits["median_output_tokens_max"]:
        return None
    return violating(
        "medium", level=level, requests=len(graded), share=share(len(graded), len(scored)), median_output_tokens=median
    )


def _grades_at_worst(events: list[Row]) -> Iterable[list[Row]]:
    """Of the requests without a score those with the shortest answers taken for grading: one, two, or all of them."""
    unknown = sorted((e for e in events if e.get("rubric_grade_score") is None), key=lambda e: e["output_tokens"])
    for n in range(1, len(unknown) + 1):
        graded = {e["event_id"] for e in unknown[:n]}
        yield fill(events, {"rubric_grade_score": lambda e, graded=graded: float(e["event_id"] in graded)})


def r09_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R09", tier) if facts.applies("R09", account, tier) else {}
    return about_requests(facts, "R09", account, tier, lambda events: _grades(tier, limits, events), _grades_at_worst)


def r09_group(facts: Facts, group: str) -> Answer:
    return about_group(facts, "R09", group, _grades, _grades_at_worst)


# ---------------------------------------------------------------- R28


def _harvests_items(facts: Facts, level: str, limits: dict, events: list[Row]) -> Answer | None:
    answered = [e for e in events if is_ok(e)]
    scored = [e for e in answered if e.get("benchmark_score") is not None]
    high = [e for e in scored if score(e, "benchmark_score") >= limits["score_min"]]
    answers: list[Answer | None] = []
    if len(scored) >= limits["prompts_min"] and at_least(limits["share_min"], len(high), len(scored)):
        answers.append(
            violating("medium", level=level, requests=len(high), share=share(len(high), len(scored)), template=None)
        )
    common = common_templates(facts, limits)
    items = Counter(
        e["prompt_template_hash"] for e in singles(answered)
        if e.get("prompt_template_hash") and (e.get("n_choices") or 0) >= limits["choices_min"]
    )  # fmt: skip
    of_own = {template: n for template, n in items.items() if template not in common}
    if max(of_own.values(), default=0) >= limits["items_min"]:
        answers.append(violating("medium", level=level, requests=max(of_own.values()), share=None))
    return together(answers)


def _items_at_worst(facts: Facts, limits: dict, events: list[Row]) -> Iterable[list[Row]]:
    others: dict[str, Any] = {"benchmark_score": 1.0, "session_id": lambda e: f"own {e['event_id']}"}
    return with_one_template(facts, limits, events, n_choices=limits["choices_min"], **others)


def r28_account(facts: Facts, account: str, tier: str) -> Answer:
    limits = last_limits(facts, "R28", tier) if facts.applies("R28", account, tier) else {}
    answer = about_requests(
        facts, "R28", account, tier, lambda events: _harvests_items(facts, tier, limits, events),
        lambda events: _items_at_worst(facts, limits, events),
    )  # fmt: skip
    return _or_too_few(limits, facts.events_of(account, tier), answer)


def _or_too_few(limits: dict, events: list[Row], answer: Answer) -> Answer:
    """Of items on a large share of very few prompts: that they are compliant, or that the sample is too small."""
    if answer.verdict != "compliant":
        return answer
    scored = [e for e in events if is_ok(e) and e.get("benchmark_score") is not None]
    high = sum(score(e, "benchmark_score") >= limits["score_min"] for e in scored)
    few = len(scored) < limits["prompts_min"] and at_least(limits["share_min"], high, len(scored))
    return replace(answer, or_else=("not_evaluated",)) if few else answer


def r28_group(facts: Facts, group: str) -> Answer:
    limits_of_any = last_limits(facts, "R28", "free")
    answer = about_group(
        facts, "R28", group, lambda level, limits, events: _harvests_items(facts, level, limits, events),
        lambda events: _items_at_worst(facts, limits_of_any, events),
    )  # fmt: skip
    events = [event for account in facts.groups[group] for event in facts.events_by_account[account]]
    return _or_too_few(limits_of_any, [e for e in events if facts.start <= e["event_ts"] < facts.end], answer)
