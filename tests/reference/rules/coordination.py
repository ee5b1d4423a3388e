"""R10 fan-out, R12 synchronised accounts, R13 pivot: what linked accounts do at the same time."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from tests.reference.answers import Answer, not_evaluated, together, violating
from tests.reference.facts import Facts, day_of
from tests.reference.groups import about_group, judged_levels, requests_at, up_to
from tests.reference.usage import at_least, fill, is_ok, last_limits, share, strictest
from tests.reference.validity import Row

REFUSALS = (429, 403)
BASELINE = timedelta(days=28)

# ---------------------------------------------------------------- R10


def r10(facts: Facts, group: str) -> Answer:
    """The group goes faster than its largest member may while nearly each stays below, or hands over at refusals."""

    def breach(level: str, limits: dict, events: list[Row]) -> Answer | None:
        def law_of(at: datetime) -> dict:
            return facts.limits("R10", level, day_of(at)) or limits

        fast, handed = _fast_minutes(facts, events, law_of), hand_overs(events, law_of)
        if not fast and not handed:
            return None
        return violating(
            "high", level=level, minutes_over=len(fast) or None, peak_requests_a_minute=max(fast, default=None),
            handovers=handed,
        )  # fmt: skip

    def at_worst(_level: str, limits: dict, events: list[Row]) -> Answer | None:
        """Requests of which the minute is not known may raise minutes over the limit, or follow a refusal."""
        timed = [event for event in events if not event.get("in_bucket")]
        untimed = len(events) - len(timed)
        minutes = Counter(event["event_ts"].replace(second=0, microsecond=0) for event in timed)
        faster = int(limits["rate_factor_min"] * limits["requests_a_minute"]) + 1
        busiest = [n for _, n in minutes.most_common(limits["minutes_min"])]
        busiest += [0] * (limits["minutes_min"] - len(busiest))
        fast = sum(max(0, faster - n) for n in busiest) <= untimed
        refused = sum(event["status_code"] in REFUSALS for event in timed)
        handed = len(_handed_over(timed, lambda _at: limits))
        perhaps = handed + min(untimed, refused - handed) >= limits["handovers_min"]
        return violating("high") if untimed and (fast or perhaps) else None

    return about_group(facts, "R10", group, breach, at_worst=at_worst)


def _fast_minutes(facts: Facts, events: list[Row], law_of: Callable[[datetime], dict]) -> list[int]:
    """The requests of each minute over its day's limit of which nearly all members in use stay below their own.

    Nothing where there are fewer of them than the law in force in any of them asks for.
    """
    minutes: dict[datetime, Counter[str]] = defaultdict(Counter)
    for event in events:
        minutes[event["event_ts"].replace(second=0, microsecond=0)][event["account_id"]] += 1
    fast, needed = [], []
    for at, used in minutes.items():
        law = law_of(at)
        own = {a: facts.limits("R10", facts.tier_at(a, at), day_of(at)) or law for a in used}
        below = sum(n <= law["member_use_max"] * own[a]["requests_a_minute"] for a, n in used.items())
        faster = used.total() > law["rate_factor_min"] * law["requests_a_minute"]
        if faster and below >= law["members_share_min"] * len(used):
            fast.append(used.total())
            needed.append(law["minutes_min"])
    return fast if fast and len(fast) >= min(needed) else []


def hand_overs(events: list[Row], law_of: Callable[[datetime], dict]) -> int | None:
    """How many hand-overs there are; None where there are fewer than the law in force at any of them asks for.

    Whether chance explains them says something of who runs the accounts, and nothing of the limit.
    """
    needed = [law["handovers_min"] for law in _handed_over(events, law_of)]
    return len(needed) if needed and len(needed) >= min(needed) else None


def _handed_over(events: list[Row], law_of: Callable[[datetime], dict]) -> list[dict]:
    """The law at each refusal after which the next request of the group is another account's, in time and successful.

    A request that fails for another reason is passed over.
    """
    telling = [event for event in events if is_ok(event) or event["status_code"] in REFUSALS]
    found = []
    for event, after in itertools.pairwise(telling):
        law = law_of(event["event_ts"])
        in_time = after["event_ts"] - event["event_ts"] <= timedelta(seconds=law["handover_seconds"])
        other = after["account_id"] != event["account_id"] and is_ok(after)
        if event["status_code"] in REFUSALS and other and in_time:
            found.append(law)
    return found


# ---------------------------------------------------------------- R12

PLAINLY_TOGETHER, PLAINLY_APART = 0.95, 0.5
"""Least and most correlation between which the reference has no opinion."""


def r12(facts: Facts, group: str) -> Answer:
    """Five accounts or more whose hours go up and down together, after the tier's own movement is removed.

    The catalogue does not say how the tier's profile is removed, or what chance alone would do. Both verdicts are right
    between what is plainly synchronised and what plainly is not, and where the tier's other accounts come and go in the
    members' hours. Members with too few requests to be compared leave the group open where they could complete it.
    """

    def breach(level: str, _limits: dict, events: list[Row]) -> Answer | None:
        limits = strictest(facts, "R12", level)
        compared = _compared(events, limits)
        hours = {_hour(event) for event in events if event["account_id"] in compared}
        if len(compared) < limits["accounts_min"] or len(hours) < limits["hours_min"]:
            return None
        if min(_correlations(facts, group, level, compared)) < PLAINLY_TOGETHER:
            return None
        if _as_the_tier(facts, group, level, hours) > PLAINLY_APART:
            return None
        return violating("high", level=level, accounts=len(compared), compared=len(compared), hours=len(hours))

    answer = about_group(facts, "R12", group, breach, smallest=_least_accounts(facts, group))
    if answer.verdict == "violating":
        return answer
    perhaps: set[str] = set()
    for level in judged_levels(facts, "R12", group):
        limits, events = strictest(facts, "R12", level), requests_at(facts, group, level)
        used, compared = {event["account_id"] for event in events}, _compared(events, limits)
        if len(used) < limits["accounts_min"] or len({_hour(event) for event in events}) < limits["hours_min"]:
            continue
        if len(compared) < len(used):
            perhaps.add("not_evaluated")
        if len(compared) >= limits["accounts_min"]:
            apart = max(_correlations(facts, group, level, compared)) <= PLAINLY_APART
            perhaps |= set() if apart else {"violating", "compliant", "not_evaluated"}
        elif len(used - set(compared)) >= limits["accounts_min"] and answer.verdict == "compliant":
            few = [event for event in events if event["account_id"] not in compared]
            if len({_hour(event) for event in few}) >= limits["hours_min"]:
                return not_evaluated("too few requests to compare hours")
    return replace(answer, or_else=(*answer.or_else, *sorted(perhaps)))


def _compared(events: list[Row], limits: dict) -> list[str]:
    n = Counter(event["account_id"] for event in events)
    return sorted(account for account in n if n[account] >= limits["requests_min"])


def _correlations(facts: Facts, group: str, level: str, accounts: list[str]) -> list[float]:
    """Of each pair of these accounts; two are there at least."""
    profiles = _beside_the_tier(facts, group, level, accounts)
    return [statistics.correlation(profiles[a], profiles[b]) for a, b in itertools.combinations(accounts, 2)]


def _as_the_tier(facts: Facts, group: str, level: str, hours: set[datetime]) -> float:
    """How far accounts outside the group come and go in these hours, from the first to the last: a correlation."""
    first, last = min(hours), max(hours)
    around = [first + timedelta(hours=n) for n in range((last - first) // timedelta(hours=1) + 1)]
    others: Counter[datetime] = Counter()
    for account in facts.accounts_seen:
        if facts.group_of.get(account) != group:
            others.update({_hour(e) for tier in up_to(facts, level) for e in facts.events_of(account, tier)})
    active, used = [float(others[hour]) for hour in around], [float(hour in hours) for hour in around]
    return statistics.correlation(active, used) if len(set(active)) > 1 and len(set(used)) > 1 else 0.0


def _least_accounts(facts: Facts, group: str) -> int:
    levels = judged_levels(facts, "R12", group)
    return min((int(strictest(facts, "R12", level)["accounts_min"]) for level in levels), default=2)


def _hour(event: Row) -> datetime:
    at: datetime = event["event_ts"]
    return at.replace(minute=0, second=0, microsecond=0)


def _beside_the_tier(facts: Facts, group: str, level: str, accounts: list[str]) -> dict[str, list[float]]:
    """For each account the share of its requests in each hour of the period, less that of the tier's other accounts."""
    hours = [facts.start + timedelta(hours=n) for n in range(24 * len(list(facts.period.days)))]

    def rates(account: str) -> list[float]:
        used = Counter(_hour(e) for tier in up_to(facts, level) for e in facts.events_of(account, tier))
        return [used[hour] / (used.total() or 1) for hour in hours]

    others = [rates(account) for account in facts.accounts_seen if facts.group_of.get(account) != group]
    usual = [statistics.mean(column) for column in zip(*others, strict=True)] if others else [0.0] * len(hours)
    return {a: [mine - tier for mine, tier in zip(rates(a), usual, strict=True)] for a in accounts}


# ---------------------------------------------------------------- R13


def r13(facts: Facts, group: str) -> Answer:
    """Linked accounts that move from a frontier model to its successor within a day of the release, hours apart.

    A predecessor that is not on record may be any other model.
    """

    def breach(level: str, _limits: dict, events: list[Row], *, guessed: bool = False) -> Answer | None:
        found = []
        for model in facts.models.values():
            limits = facts.limits("R13", level, day_of(model["released_at"]))
            if not limits or not model["frontier"]:
                continue
            if facts.start < model["released_at"] + timedelta(hours=limits["hours_max"]) <= facts.end:
                of = [model.get("predecessor")] if model.get("predecessor") or not guessed else sorted(_names(events))
                named = [model | {"predecessor": one} for one in of if one and one != model["model"]]
                found += [_pivots(level, limits, events, one) for one in named]
        return together(found)

    def worst(events: list[Row]) -> Iterable[list[Row]]:
        names = _names(events) | {m["predecessor"] for m in facts.models.values() if m.get("predecessor")}
        for name in sorted(names):
            yield fill(events, {"model_served": name})

    least = last_limits(facts, "R13", "free")["accounts_min"]
    return about_group(
        facts, "R13", group, breach, worst, lookback=BASELINE + timedelta(days=1), smallest=least,
        at_worst=partial(breach, guessed=True),
    )  # fmt: skip


def _names(events: list[Row]) -> set[str]:
    return {name for e in events for name in (e.get("model_requested"), e.get("model_served")) if name}


def _pivots(level: str, limits: dict, events: list[Row], model: Row) -> Answer | None:
    released, hours = model["released_at"], timedelta(hours=limits["hours_max"])
    first_day = released.replace(hour=0, minute=0, second=0, microsecond=0) - BASELINE
    answered = [e for e in events if is_ok(e)]
    after = [e for e in answered if released <= e["event_ts"] <= released + hours]
    before = [e for e in answered if first_day <= e["event_ts"] < released]
    new = [e for e in after if e["model_requested"] == model["model"]]
    old = [e for e in before if model["predecessor"] in {e["model_requested"], e.get("model_served")}]
    firsts: dict[str, datetime] = {}
    for event in new:
        firsts.setdefault(event["account_id"], event["event_ts"])
    spread = timedelta(hours=limits["spread_hours_max"])
    close = max((sum(at <= other <= at + spread for other in firsts.values()) for at in firsts.values()), default=0)
    moved = at_least(limits["share_min"], len(new), len(after))
    if close < limits["accounts_min"] or not moved or not at_least(limits["before_share_min"], len(old), len(before)):
        return None
    return violating(
        "medium", level=level, model=model["model"], predecessor=model["predecessor"], accounts=close,
        share=share(len(new), len(after)),
        requests=len(after), share_of_predecessor_before=share(len(old), len(before)), requests_before=len(before),
    )  # fmt: skip
