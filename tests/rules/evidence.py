"""What a finding's rows prove: each figure that counts or adds up rows, counted again from the rows themselves.

The derivations follow the words under which a page shows a figure (``observed`` of the rule), not the rule's query.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from audits.rules.engine.base import Found

Row = Mapping[str, Any]
Rows = Sequence[Row]
Derivation = Callable[[Rows, Found], Mapping[str, Any]]
"""From the rows that a finding's evidence returns to the figures that they prove, by name."""

ON_SITE = ("residential", "mobile", "corporate")
REFUSED = ("refusal", "content_filter")
TOLERANCE = 1e-5  # figures are recorded in six digits


# ---------------------------------------------------------------- steps


def at_of(row: Row) -> datetime:
    """When a request, a bucket or an attempt began."""
    at: datetime = row["event_ts"] if "event_ts" in row else row["at"]
    return at.astimezone(UTC)


def day_of(row: Row) -> date:
    return at_of(row).date()


def answered(rows: Rows) -> list[Row]:
    return [row for row in rows if row["status_code"] < 400]


def a_day(rows: Rows, count: str | None = None) -> Counter[date]:
    """Rows by day, or the sum of a column of them."""
    found: Counter[date] = Counter()
    for row in rows:
        found[day_of(row)] += 1 if count is None else int(row[count])
    return found


def peak(counts: Mapping[Any, int]) -> int:
    return max(counts.values(), default=0)


def distinct(rows: Rows, column: str) -> set[Any]:
    return {row[column] for row in rows if row[column] is not None}


def named(days: Iterable[date]) -> str:
    return ", ".join(day.isoformat() for day in sorted(days))


def scoring(rows: Rows, column: str, found: Found) -> list[Row]:
    """The successful requests whose score reaches the printed limit, which is compared in six digits."""
    least = found.limits["score_min"]
    if least is None:
        return []
    return [row for row in answered(rows) if row[column] is not None and round(row[column], 6) >= least]


def singles(rows: Rows) -> list[Row]:
    sessions = Counter((row["account_id"], row["session_id"]) for row in rows)
    return [
        row for row in rows if row["session_id"] is not None and sessions[row["account_id"], row["session_id"]] == 1
    ]


def customers_of(rows: Rows) -> int | None:
    """The customers that the rows name; None where they name none."""
    return len({row["customer_id"] for row in rows if "customer_id" in row}) or None


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return all(alike(a, b) for a, b in zip(one, other, strict=True))
    if one is None or other is None or isinstance(one, str):
        return bool(one == other)
    return math.isclose(float(one), float(other), rel_tol=TOLERANCE, abs_tol=TOLERANCE)


# ---------------------------------------------------------------- one derivation a rule


def r01(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are requests and buckets of the days and weeks over a limit."""
    proved: dict[str, Any] = {}
    if found.observed["peak_day"]:
        over = [row for row in rows if day_of(row).isoformat() in found.observed["on_days"].split(", ")]
        days = a_day(over, "n_ok")
        proved |= {"peak_requests_a_day": peak(days), "days_over": len(days), "on_days": named(days)}
        proved["peak_day"] = min(day for day, n in days.items() if n == peak(days)).isoformat()
    if found.observed["week_ends"]:
        last = date.fromisoformat(found.observed["week_ends"])
        week = [row for row in rows if last - timedelta(days=6) <= day_of(row) <= last]
        proved["peak_output_tokens_a_week"] = sum(row["output_tokens"] for row in week)
    return proved


def busiest_days(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the successful requests of the days over the limits."""
    days = a_day(answered(rows))
    return {"peak_requests_a_day": peak(days), "days_over": len(days), "days": len(days), "on_days": named(days)}


def r02(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the successful requests of the baseline, too, which ends before the first of the days over."""
    begun = min(date.fromisoformat(day) for day in found.observed["on_days"].split(", "))
    return busiest_days([row for row in rows if day_of(row) >= begun], found)


def days_together(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are requests and buckets of several accounts on the days over a limit, and the first of each account."""
    over = [row for row in rows if day_of(row).isoformat() in found.observed["on_days"].split(", ")]
    days = a_day(over, "n_ok")
    busiest = {day for day, n in days.items() if n == peak(days)}
    members: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for row in over:
        members[day_of(row)][row["account_id"]] += row["n_ok"]
    return {
        "peak_requests_a_day": peak(days), "days_over": len(days), "on_days": named(days),
        "peak_requests_of_one_account": peak(members[min(busiest)]), "accounts": len(distinct(rows, "account_id")),
    }  # fmt: skip


def r03(rows: Rows, found: Found) -> Mapping[str, Any]:
    inputs = sum(row["input_tokens"] for row in rows)
    return {
        "requests": len(answered(rows)), "templates": len(distinct(answered(rows), "prompt_template_hash")) or None,
        "output_per_input_token": ratio(sum(row["output_tokens"] for row in rows), inputs),
    }  # fmt: skip


def r05(rows: Rows, found: Found) -> Mapping[str, Any]:
    uses = [row for row in rows if row["prompt_template_hash"] == found.observed["template"]]
    prompts = sum(row["prompt_template_hash"] is not None for row in rows)
    return {
        "uses": len(uses), "accounts": len(distinct(uses, "account_id")), "prompts": prompts,
        "share": ratio(len(uses), prompts), "customers": customers_of(uses),
    }  # fmt: skip


def r06(rows: Rows, found: Found) -> Mapping[str, Any]:
    inputs = [row["prompt_simhash"] for row in answered(rows) if row["prompt_simhash"] is not None]
    in_sessions = [row for row in answered(rows) if row["session_id"] is not None]
    return {
        "prompts": sum(row["topic_id"] is not None for row in answered(rows)),
        "unique_share": ratio(len(set(inputs)), len(inputs)),
        "single_turn_share": ratio(len(singles(in_sessions)), len(in_sessions)),
    }  # fmt: skip


def r07(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are requests that were scored, and replays; each is held against limits of its own."""
    scored = [row for row in answered(rows) if row["scored"] and row["cot_elicit_score"] is not None]
    asked = scoring(scored, "cot_elicit_score", found)
    replays = [row for row in answered(rows) if row["replayed"] and row["reasoning_visibility"] == "signature_replay"]
    return {"requests": len(asked), "share": ratio(len(asked), len(scored)), "replays": len(replays)}


def r08(rows: Rows, found: Found) -> Mapping[str, Any]:
    took = [row for row in answered(rows) if (row["top_logprobs"] or 0) > 0]
    if found.observed["week_ends"]:
        last = date.fromisoformat(found.observed["week_ends"])
        took = [row for row in took if last - timedelta(days=6) <= day_of(row) <= last]
    return {"requests": len(took), "on_days": named(a_day(took))}


def r09(rows: Rows, found: Found) -> Mapping[str, Any]:
    scored = sum(row["rubric_grade_score"] is not None for row in answered(rows))
    graded = scoring(rows, "rubric_grade_score", found)
    return {
        "requests": len(graded), "share": ratio(len(graded), scored),
        "median_output_tokens": statistics.median(row["output_tokens"] for row in graded),
    }  # fmt: skip


def r10(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the requests of the minutes over the limit, and refusals with the request that came next."""
    minutes = Counter(at_of(row).replace(second=0, microsecond=0) for row in rows if row["minute_over"])
    told = [row for row in rows if row["handover"]]
    within = timedelta(seconds=found.limits["handover_seconds"] or 0)
    handovers = sum(
        one["status_code"] in {403, 429} and after["status_code"] < 400
        and one["account_id"] != after["account_id"] and at_of(after) - at_of(one) <= within
        for one, after in itertools.pairwise(told)
        if (one["handover"], after["handover"]) == ("refused", "continued")
    )  # fmt: skip
    return {"minutes_over": len(minutes), "peak_requests_a_minute": peak(minutes), "handovers": handovers}


def r11(rows: Rows, found: Found) -> Mapping[str, Any]:
    hours = {at_of(row).replace(minute=0, second=0, microsecond=0) for row in rows}
    active = Counter(hour.date() for hour in hours)
    full = [day for day, n in active.items() if n >= found.limits["active_hours_min"]]
    by_hour = Counter(at_of(row).hour for row in rows)
    counts = sorted(by_hour[hour] for hour in range(24))
    return {
        "requests": len(rows), "full_days": len(full),
        "full_days_in_seven": max(sum(0 <= (last - day).days < 7 for day in full) for last in full),
        "night_day_ratio": ratio(sum(counts[:8]), sum(counts[16:])),
        "hourly_variation": statistics.pstdev(counts) / statistics.mean(counts),
    }  # fmt: skip


def r12(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are all requests of the members that have enough of them to be compared."""
    each = Counter(row["account_id"] for row in rows)
    following = [row for row in rows if row["follows"]]
    others = {row["account_id"] for row in rows if not row["follows"]}
    return {
        "accounts": len(distinct(following, "account_id")),
        "compared": sum(n >= found.limits["requests_min"] for n in each.values()),
        "not_following": ", ".join(sorted(others)) or None,
        "hours": len({at_of(row).replace(minute=0, second=0, microsecond=0) for row in following}),
    }  # fmt: skip


def r13(rows: Rows, found: Found) -> Mapping[str, Any]:
    released = datetime.fromisoformat(found.observed["released_at"])
    before = [row for row in answered(rows) if at_of(row) < released]
    after = [row for row in answered(rows) if at_of(row) >= released]
    new = [row for row in after if row["model_requested"] == found.observed["model"]]
    old = [row for row in before if found.observed["predecessor"] in (row["model_requested"], row["model_served"])]
    firsts: dict[str, datetime] = {}
    for row in sorted(new, key=at_of):
        firsts.setdefault(row["account_id"], at_of(row))
    spread = timedelta(hours=found.limits["spread_hours_max"])
    return {
        "requests": len(after), "requests_before": len(before), "share": ratio(len(new), len(after)),
        "share_of_predecessor_before": ratio(len(old), len(before)),
        "accounts": max(sum(at <= other <= at + spread for other in firsts.values()) for at in firsts.values()),
    }  # fmt: skip


def r14(rows: Rows, found: Found) -> Mapping[str, Any]:
    known = [row for row in answered(rows) if row["ip_country"] is not None]
    inside = [row for row in known if row["territory"] not in (None, "supported")]
    return {
        "requests": len(inside), "share": ratio(len(inside), len(known)),
        "direct_requests": sum(row["ip_type"] in ON_SITE for row in inside),
        "untyped_requests": sum(row["ip_type"] is None for row in inside) or None,
        "countries": ", ".join(sorted(distinct(inside, "ip_country"))),
    }  # fmt: skip


def r15(rows: Rows, found: Found) -> Mapping[str, Any]:
    owners = [(row["parent_country"], row["parent_ownership_pct"]) for row in rows]
    told_so = found.observed["parent_country"], found.observed["ownership_percent"]
    country, percent = next((one for one in owners if alike(one, told_so)), (None, None))
    return {"parent_country": country, "ownership_percent": percent}


def r16(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the requests between which a journey lies; the one that is told is among them."""
    start, _, end = found.observed["route"].removeprefix("from ").partition(" to ")
    ordered = sorted(rows, key=at_of)
    took = [
        math.ceil((at_of(after) - at_of(before)).total_seconds() / 60)
        for number, before in enumerate(ordered)
        for after in ordered[number + 1 :]
        if (before["ip_country"], after["ip_country"]) == (start, end)
    ]
    return {
        "countries": ", ".join(sorted(distinct(rows, "ip_country"))),
        "minutes": found.observed["minutes"] if found.observed["minutes"] in took else None,
    }  # fmt: skip


def r17(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the requests of the days over; the peaks are those of a day that was held against the printed limits."""
    seen: defaultdict[tuple[str, date], set[Any]] = defaultdict(set)
    for row in rows:
        for column in ("client_net_hash", "ip_asn", "user_agent_family"):
            if row[column] is not None:
                seen[column, day_of(row)].add(row[column])
    days = a_day(rows)
    proved: dict[str, Any] = {"days_over": len(days), "on_days": named(days)}
    for name, column in (("networks", "client_net_hash"), ("asns", "ip_asn"), ("agents", "user_agent_family")):
        told_so, counts = found.observed[f"peak_{name}_a_day"], [len(seen[column, day]) for day in days]
        proved[f"peak_{name}_a_day"] = told_so if told_so in counts else max(counts)
    return proved


def r18(rows: Rows, found: Found) -> Mapping[str, Any]:
    sessions: defaultdict[date, set[str]] = defaultdict(set)
    for row in rows:
        if row["session_id"] is not None:
            sessions[day_of(row)].add(row["session_id"])
    return {
        "signs": len(found.observed["which"].split(", ")), "languages": len(distinct(rows, "lang")),
        "sessions_a_day": max(map(len, sessions.values()), default=0),
        "system_prompts": len(distinct(rows, "system_prompt_hash")),
        "first_day": min(map(day_of, rows)).isoformat(), "last_day": max(map(day_of, rows)).isoformat(),
    }  # fmt: skip


def requests(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the successful requests that are counted."""
    return {"requests": len(answered(rows))}


def r22(rows: Rows, found: Found) -> Mapping[str, Any]:
    if found.discriminator == "flagged":
        looked_at = [row for row in rows if row["moderation_flagged"] is not None]
        flagged = sum(row["moderation_flagged"] for row in looked_at)
        return {"requests": len(looked_at), "share": ratio(flagged, len(looked_at))}
    refused = sum(row["finish_reason"] in REFUSED for row in rows)
    return {
        "requests": len(rows), "share": ratio(refused, len(rows)), "variants": len(distinct(rows, "prompt_simhash")),
    }  # fmt: skip


def r23(rows: Rows, found: Found) -> Mapping[str, Any]:
    longest = found.observed["longest_retention_days"]
    return {
        "requests_kept_too_long": sum(bool(row["content_stored"]) for row in rows),
        "longest_retention_days": longest if longest in distinct(rows, "retention_days") else None,
    }  # fmt: skip


def r24(rows: Rows, found: Found) -> Mapping[str, Any]:
    failed = [row for row in rows if row["outcome"] != "ok"]
    keys: defaultdict[date, set[str]] = defaultdict(set)
    for row in failed:
        if row["outcome"] == "invalid_key" and row["api_key_hash"] is not None:
            keys[day_of(row)].add(row["api_key_hash"])
    return {
        "peak_invalid_keys_a_day": max(map(len, keys.values()), default=0), "peak_failures_a_day": peak(a_day(failed)),
        "days_over": len(a_day(failed)), "failures_before_entry": len(failed),
        "entered_at": max((at_of(row).isoformat() for row in rows if row["outcome"] == "ok"), default=None),
    }  # fmt: skip


def r25(rows: Rows, found: Found) -> Mapping[str, Any]:
    return {
        "tokens": sum(row["input_tokens"] + row["output_tokens"] for row in rows),
        "usd": float(sum(row["cost_usd"] or 0 for row in rows)),
    }  # fmt: skip


def r26(rows: Rows, found: Found) -> Mapping[str, Any]:
    kind = found.observed["kind"]
    if kind == "declines":
        declined = sum(row["event_type"] == "decline" for row in rows)
        return {"count": declined, "attempts": len(rows), "share": ratio(declined, len(rows))}
    if kind == "chargeback":
        return {"count": len(rows)}
    if kind == "country mismatch":
        countries = ", ".join(sorted(distinct(rows, "bin_country")))
        return {"count": len(distinct(rows, "instrument")), "countries": countries}
    count = customers_of(rows) if len(distinct(rows, "instrument")) == 1 else None
    at_home: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for network in (row["residential_networks"] or "").split(", "):
            at_home[network].add(row["customer_id"])
    most = max((len(customers) for network, customers in at_home.items() if network), default=0)
    whole = found.observed["level"] in {None, found.tier}  # of lower levels some who share it are left out
    share = {"household_share": most / count if most > 1 else 0.0} if count and whole else {}
    return {"count": count} | share


def r27(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are the successful requests of the days that are named, and the account's buckets."""
    days = a_day([row for row in rows if day_of(row).isoformat() in found.observed["on_days"].split(", ")], "n_ok")
    return {"peak_requests_a_day": peak(days), "days": len(days), "on_days": named(days)}


def r28(rows: Rows, found: Found) -> Mapping[str, Any]:
    if found.discriminator == "several answers":
        of_one = [row for row in singles(answered(rows)) if row["prompt_template_hash"] == found.observed["template"]]
        return {"requests": sum(row["n_choices"] >= found.limits["choices_min"] for row in of_one)}
    scored = sum(row["benchmark_score"] is not None for row in answered(rows))
    high = scoring(rows, "benchmark_score", found)
    return {"requests": len(high), "scored": scored, "share": ratio(len(high), scored)}


def r29(rows: Rows, found: Found) -> Mapping[str, Any]:
    """Rows are what screening said of each entry, of which the newest word counts, or the customer's records."""
    if found.discriminator in {"confirmed", "candidate"}:
        gravest = ("cleared", "candidate", "confirmed")
        newest: dict[Any, str] = {}
        for row in sorted(rows, key=lambda row: (row["as_of"], gravest.index(row["match_status"]))):
            newest[row["list_name"], row["entry_id"]] = row["match_status"]
        return {"matches": sum(status == found.discriminator for status in newest.values())}
    since, until = (datetime.fromisoformat(found.observed[name]) for name in ("since", "until"))
    if found.observed["state"] == "identity verified long ago":
        held = [row for row in rows if row["valid_from"] < until <= row["valid_to"]]
        verified = {row["kyc_verified_at"] for row in held if row["kyc_status"] == "verified"}
        return {"days": (until - since) / timedelta(days=1) if verified == {since} else None}
    proved = since
    for row in sorted(rows, key=lambda row: row["valid_from"]):
        if row["kyc_status"] != "verified" and row["valid_from"] <= proved:
            proved = max(proved, row["valid_to"])
    return {"days": (min(proved, until) - since) / timedelta(days=1)}


DERIVATIONS: Mapping[str, Derivation] = {
    "R01": r01, "R02": r02, "R03": r03, "R04": days_together, "R05": r05, "R06": r06, "R07": r07, "R08": r08,
    "R09": r09, "R10": r10, "R11": r11, "R12": r12, "R13": r13, "R14": r14, "R15": r15, "R16": r16, "R17": r17,
    "R18": r18, "R19": days_together, "R20": requests, "R21": requests, "R22": r22, "R23": r23, "R24": r24, "R25": r25,
    "R26": r26, "R27": r27, "R28": r28, "R29": r29,
}  # fmt: skip
