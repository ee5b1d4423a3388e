"""R01 extraction volume, R03 departure from peers, R04 group volume, R25 commitment: how much was used."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from tests.reference.answers import Answer, no, not_applicable, not_evaluated, violating
from tests.reference.counting import (
    UNCOUNTED,
    Use,
    between,
    input_tokens,
    is_uncounted,
    is_used,
    on_day,
    output_tokens,
    total,
)
from tests.reference.facts import UNASSIGNED, Facts, midnight
from tests.reference.groups import judged_levels, levels_of, members_at, missing_of, up_to
from tests.reference.usage import (
    WEEK_BEFORE,
    about_requests,
    is_ok,
    last_limits,
    not_asked,
    share,
    shown,
)
from tests.reference.validity import Row, instants_of_change

DOUBTFUL = "buckets may count what is known from elsewhere, or what belongs elsewhere"


def r01(facts: Facts, account: str, tier: str) -> Answer:
    """More successful requests on a day, or output tokens in seven days, than the limit that held then."""
    if early := not_asked(facts, "R01", account, tier):
        return early
    if not is_used(facts, account, {tier}) and not facts.missing_days("R01", account, tier):
        return not_applicable("no usage")
    over: dict[str, dict[date, int]] = {"requests_a_day": {}, "output_tokens_a_week": {}}
    missing = facts.missing_days("R01", account, tier, facts.start - WEEK_BEFORE)
    for day in facts.period.days:
        begun, ended = midnight(day) - WEEK_BEFORE, midnight(day) + timedelta(days=1)
        used = {
            "requests_a_day": on_day(facts, account, {tier}, day),
            "output_tokens_a_week": between(facts, account, {tier}, begun, ended, output_tokens),
        }
        limits = facts.limits("R01", tier, day) or dict.fromkeys(used, math.inf)
        for name, use in used.items():
            if use.least > limits[name]:
                over[name][day] = use.least
            elif use.most > limits[name]:
                missing.append(DOUBTFUL)
    if any(over.values()):
        peaks = {f"peak_{name}": max(values.values(), default=None) for name, values in over.items()}
        return violating("medium", **peaks, days_over=len(over["requests_a_day"]))
    return no(missing)


# ---------------------------------------------------------------- R03


SHAPES = {
    "output_per_input_token": "share_of_peers_below_in_output",
    "templates": "share_of_peers_below_in_templates",
}
"""The figures of a shape, each with the share of the peers that have less."""


def r03(facts: Facts, account: str, tier: str) -> Answer:
    """More requests than nearly all peers of the tier, and more output for an input token or more templates."""
    limits = last_limits(facts, "R03", tier) if facts.applies("R03", account, tier) else {}

    def breach(events: list[Row], extra_templates: int = 0) -> Answer | None:
        mine = _volume_and_shape(events, extra_templates)
        others = [_volume_and_shape(facts.events_of(a, tier)) for a in facts.accounts_seen if a != account]
        peers = [one for one in others if one["requests"]]
        below = {name: _below(peers, mine, name) or 0 for name in mine}
        few = not mine["requests"] or len(peers) + 1 < limits["peers_min"]
        told = {name: 1 + sum(one[name] is not None for one in peers) for name in SHAPES}
        odd = {n for n in SHAPES if told[n] >= limits["peers_min"] and below[n] > limits["shape_quantile"]}
        if few or below["requests"] <= limits["volume_quantile"] or not odd:
            return None
        figures = {name: mine[name] if name in odd else None for name in SHAPES}
        figures |= {share_of: below[name] if name in odd else None for name, share_of in SHAPES.items()}
        return violating(
            "low", requests=mine["requests"], share_of_peers_below=below["requests"], peers=len(peers) + 1, **figures
        )

    def at_worst(events: list[Row]) -> Answer | None:
        return breach(events, sum(is_ok(e) and e.get("prompt_template_hash") is None for e in events))

    answer = about_requests(facts, "R03", account, tier, breach, at_worst=at_worst)
    active = sum(any(map(is_ok, facts.events_of(a, tier))) for a in facts.accounts_seen) if limits else 0
    if answer.verdict == "compliant" and active < limits["peers_min"]:
        idle = not any(map(is_ok, facts.events_of(account, tier)))
        return replace(not_evaluated("too few peers"), or_else=("compliant",) if idle else ())
    return answer


def _volume_and_shape(events: list[Row], extra_templates: int = 0) -> dict[str, Any]:
    """Successful requests and their distinct templates, and the output for an input token, of all requests."""
    answered = [e for e in events if is_ok(e)]
    templates = {e["prompt_template_hash"] for e in answered if e.get("prompt_template_hash")}
    output, given = (sum(e[name] for e in events) for name in ("output_tokens", "input_tokens"))
    return {
        "requests": len(answered),
        "output_per_input_token": share(output, given),
        "templates": len(templates) + extra_templates or None,
    }


def _below(peers: list[dict[str, Any]], mine: dict[str, Any], name: str) -> float | None:
    """The share of the peers of which the figure is known that have less; all of none."""
    known = [one[name] for one in peers if one[name] is not None]
    if mine[name] is None:
        return None
    return sum(other < mine[name] for other in known) / len(known) if known else 1.0


# ---------------------------------------------------------------- R04


def r04(facts: Facts, group: str) -> Answer:
    """Five accounts in use or more that together pass the group's daily limit while nearly none passes R01's."""

    answers = [_of_level(facts, group, level) for level in judged_levels(facts, "R04", group)]
    if found := [one for one in answers if one.verdict == "violating"]:
        return found[-1]
    least = min(last_limits(facts, "R04", tier)["accounts_min"] for tier in facts.ranks)
    doubts = [one.reason for one in answers if one.verdict == "not_evaluated"]
    missing = missing_of(facts, "R04", group, facts.start)
    missing += [UNCOUNTED for one in facts.groups[group] if is_uncounted(facts, one, {*facts.ranks})]
    if not levels_of(facts, group):
        return not_evaluated("no tier on record")
    if not doubts and not missing and not any(is_used(facts, one, {*facts.ranks}) for one in facts.groups[group]):
        return not_applicable("no usage")
    answer = no([*doubts, *missing], could_matter=len(facts.groups[group]) >= least)
    accused = any("violating" in one.or_else for one in answers)
    return replace(answer, or_else=(*answer.or_else, "violating")) if accused else answer


def _of_level(facts: Facts, group: str, level: str) -> Answer:
    """What members up to a tier level did together on each day, at least and at most."""
    tiers = up_to(facts, level)
    used = [account for account in members_at(facts, group, level) if is_used(facts, account, tiers)]
    over: dict[date, list[int]] = {}
    doubtful: tuple[str, ...] | None = None
    for day in facts.period.days:
        law = facts.limits("R04", level, day)
        if not law or len(used) < law["accounts_min"]:
            continue
        uses = {account: on_day(facts, account, tiers, day) for account in used}
        together = total(uses.values())

        def under(bound: str, day: date = day, uses: dict[str, Use] = uses, law: dict[str, Any] = law) -> bool:
            """Whether so many of those in use stay within R01's limits, all of them at least or at most."""
            mine = [account for account, use in uses.items() if getattr(use, bound)]
            below = sum(_is_under(facts, account, level, day, bound) for account in mine)
            return bool(below >= law["members_under_share"] * len(mine))

        if together.least > law["requests_a_day"] and under("least") and under("most"):
            over[day] = [use.least for use in uses.values()]
        elif together.most > law["requests_a_day"] and (under("least") or under("most")):
            doubtful = ("violating",) if together.least > law["requests_a_day"] else doubtful or ()
    if over:
        return violating(
            "high", accounts=len(used), level=level, peak_requests_a_day=max(map(sum, over.values())),
            peak_requests_of_one_account=max(max(one) for one in over.values()), days_over=len(over),
            on_days=shown(over),
        )  # fmt: skip
    return Answer("compliant") if doubtful is None else Answer("not_evaluated", DOUBTFUL, doubtful)


def _is_under(facts: Facts, account: str, level: str, day: date, bound: str) -> bool:
    """Whether a member stays within R01's limit of a day under every tier that it has on it."""
    laws = {tier: facts.limits("R01", tier, day) for tier in up_to(facts, level)}
    return not any(
        law is not None and getattr(on_day(facts, account, {tier}, day), bound) > law["requests_a_day"]
        for tier, law in laws.items()
    )


# ---------------------------------------------------------------- R25


def r25(facts: Facts, customer: str, accounts: list[str]) -> Answer:
    """The customer's tokens of a calendar month against its commitment, in the period in which the month ends."""
    if facts.period.kind != "month":
        return not_applicable("no month ends in the period")
    if not facts.rows["contracts"]:
        return not_evaluated("no contracts on record")
    committed = [row for row in facts.contracts_in_period(customer) if row.get("commit_tokens")]
    if not committed:
        return not_applicable("no commitment")
    limits = next(iter(filter(None, (facts.limits("R25", tier, facts.period.last_day) for tier in facts.ranks))))
    held = [(at, facts.contract_at(customer, at)) for at in _changes(facts, customer)]
    told = [at for at, contract in held if contract and contract.get("commit_tokens")]
    use, reasons = Use(), []
    for account in accounts:
        tiers = {*facts.ranks, *facts.tiers_in_period(account), UNASSIGNED}
        reasons += [reason for tier in tiers for reason in facts.missing_days("R25", account, tier)]
        for start, end in _stretches(told, [at for at, _ in held], facts):
            use += total(between(facts, account, tiers, start, end, kind) for kind in (input_tokens, output_tokens))
    used = any(is_used(facts, account, {*facts.ranks, UNASSIGNED}) for account in accounts)
    if not used and not reasons:
        return not_applicable("no usage")
    commitment = committed[-1]["commit_tokens"]
    for severity in ("high", "medium", "low"):
        if use.least / commitment > limits[f"{severity}_over_factor"]:
            factor = use.least / commitment
            return violating(severity, factor=factor, tokens=use.least, month=facts.period.first_day.isoformat())
    if use.most / commitment > limits["low_over_factor"]:
        reasons.append(DOUBTFUL)
    return no(reasons) if use.most or reasons else replace(no([]), or_else=("not_applicable",))


def _changes(facts: Facts, customer: str) -> list[datetime]:
    rows = [row for row in facts.rows["contracts"] if row["customer_id"] == customer]
    return instants_of_change(rows, facts.start, facts.end)


def _stretches(told: list[datetime], changes: list[datetime], facts: Facts) -> Iterable[tuple[datetime, datetime]]:
    """The stretches of the period from one of these instants to the next other change, put together where they meet."""
    start = None
    for at, end in itertools.pairwise([*changes, facts.end]):
        if at in told:
            start = start or at
            if end == facts.end or end not in told:
                yield start, end
                start = None
