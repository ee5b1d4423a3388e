"""What accounts of a generated world do: values just below, at and above limits, at the edges of the period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from audits.periods import Period
from audits.policy import Book
from tests.reference.actors import Actor, dawn, noon

Draw = Callable[[Any], Any]


class Setting:
    """The period that is audited, and the limits that are to be met."""

    def __init__(self, period: Period, book: Book) -> None:
        self.period, self.book = period, book
        self.released = noon(period.first_day + timedelta(days=2)) - timedelta(hours=2)  # of the newest frontier model

    def limit(self, rule: str, name: str, tier: str, otherwise: float = 5) -> Any:
        rows = [r for r in self.book.limits(rule, self.period.last_day, self.period.last_day) if r.tier == tier]
        return rows[0].values[name] if rows else otherwise

    def day(self, draw: Draw) -> date:
        return draw(st.sampled_from(list(self.period.days)))


def around(draw: Draw, limit: float) -> int:
    return max(1, int(limit) + draw(st.integers(-1, 1)))


def volume(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A day's requests around the limit, with some failures, in the day's first or last seconds or at noon."""
    day, n = setting.day(draw), around(draw, setting.limit("R01", "requests_a_day", actor.tier))
    start = draw(st.sampled_from([dawn(day), noon(day), dawn(day) + timedelta(hours=24) - timedelta(seconds=n)]))
    actor.requests(n, start, every=1, prompt_template_hash=lambda i: f"t-{actor.account}-{i}")
    if draw(st.booleans()):
        actor.requests(2, noon(day) + timedelta(hours=1), status_code=500)


def tokens(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Output tokens around the week's limit, on two days that may lie seven days apart or across the period's start."""
    limit = setting.limit("R01", "output_tokens_a_week", actor.tier)
    last = setting.day(draw)
    first = last - timedelta(days=draw(st.sampled_from([1, 6, 7])))
    total = limit + draw(st.sampled_from([-1, 0, 1]))
    actor.requests(1, noon(first), output_tokens=total // 2)
    actor.requests(1, noon(last), output_tokens=total - total // 2)


def template(draw: Draw, actor: Actor, setting: Setting) -> None:
    """One template around its least number of uses, on 50 %, 60 % or 90 % of the requests."""
    n = around(draw, setting.limit("R05", "requests_min", actor.tier))
    others = draw(st.sampled_from([0, n * 2 // 3, n]))
    day = setting.day(draw)
    fixed = draw(st.sampled_from(["popular", f"fixed-{actor.account}", f"fixed-{actor.account}"]))
    actor.requests(n, noon(day), prompt_template_hash=fixed)
    actor.requests(others, dawn(day), prompt_template_hash=lambda i: f"other-{actor.account}-{i}")


def coverage(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Single questions that go evenly over all topics, or over one."""
    n = draw(st.sampled_from([4, 8, 16]))
    spread = draw(st.booleans())
    actor.requests(
        n, noon(setting.day(draw)), topic_id=lambda i: 1 + i % 4 if spread else 1,
        prompt_template_hash=lambda i: f"t-{actor.account}-{i}",
    )  # fmt: skip


def scores(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Scores just below, at and above 0.8 on a share of requests that may reach its limit."""
    rule, name, limit = draw(
        st.sampled_from(
            [
                ("R07", "cot_elicit_score", "requests_min"),
                ("R09", "rubric_grade_score", "requests_min"),
                ("R28", "benchmark_score", "prompts_min"),
            ]
        )
    )
    n = around(draw, setting.limit(rule, limit, actor.tier))
    value = draw(st.sampled_from([0.799, 0.7995, 0.8, 0.801, 0.95, 1.0]))
    others = draw(st.sampled_from([0, n, 2 * n, 3 * n]))
    day = setting.day(draw)
    varied = {"prompt_template_hash": lambda i: f"t-{actor.account}-{i}"}
    actor.requests(n, noon(day), **varied, **{name: value})
    actor.requests(others, dawn(day), prompt_template_hash=lambda i: f"u-{actor.account}-{i}")


def replays(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Replayed signatures: first in their session, after a harmless request, or made in the session itself."""
    n = around(draw, setting.limit("R07", "replays_min", actor.tier))
    before = draw(st.sampled_from([None, "none", "full"]))
    start = noon(setting.day(draw))
    for number in range(n):
        session, at = f"{actor.account}-replay{number}", start + timedelta(minutes=number)
        if before:
            actor.requests(1, at, session_id=session, reasoning_visibility=before, prompt_template_hash=f"{session}-a")
        again = at + timedelta(seconds=20)
        actor.requests(
            1, again, session_id=session, reasoning_visibility="signature_replay", prompt_template_hash=f"{session}-b"
        )


def logprobs(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Log-probabilities around the week's limit, all of them harvested or none, from six days before the period on."""
    n = around(draw, setting.limit("R08", "requests_a_week", actor.tier))
    biased = draw(st.booleans())
    day = setting.day(draw)
    early = day - timedelta(days=draw(st.sampled_from([0, 6, 7])))
    columns = {"top_logprobs": 5, "logit_bias_n": 3 if biased else 0, "output_tokens": 2 if biased else 50}
    actor.requests(n - n // 2, noon(day), prompt_template_hash=lambda i: f"l-{actor.account}-{i}", **columns)
    actor.requests(n // 2, noon(early), prompt_template_hash=lambda i: f"m-{actor.account}-{i}", **columns)


def territory(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Requests from countries whose status changes, directly or through hosting."""
    n = around(draw, setting.limit("R14", "requests_min", actor.tier))
    country = draw(st.sampled_from(["XX", "YY", "ZZ", "US"]))
    kind = draw(st.sampled_from(["corporate", "hosting", "vpn"]))
    day = setting.day(draw)
    varied = {"prompt_template_hash": lambda i: f"t-{actor.account}-{i}"}
    actor.requests(n, noon(day), ip_country=country, ip_type=kind, **varied)


def entitlement(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Successful or failed use of what some tiers do not include."""
    n = around(draw, setting.limit("R20", "requests_min", actor.tier))
    ways: list[dict[str, Any]] = [
        {"operation": "batch"}, {"operation": "finetune"}, {"reasoning_visibility": "full"},
        {"status_code": 403, "operation": "batch"},
    ]  # fmt: skip
    used = draw(st.sampled_from(ways))
    actor.requests(n, noon(setting.day(draw)), prompt_template_hash=lambda i: f"t-{actor.account}-{i}", **used)


def lifecycle(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A retired model, one not yet released, or answers of another family's."""
    columns = draw(
        st.sampled_from(
            [
                {"model_requested": "m-old", "model_served": "m-old"},
                {"model_requested": "m-next", "model_served": "m-next"},
                {"model_served": "n-1"},
            ]
        )
    )
    n = draw(st.integers(1, 4))
    actor.requests(n, noon(setting.day(draw)), prompt_template_hash=lambda i: f"t-{actor.account}-{i}", **columns)


def flagged(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Moderated requests, around the least number."""
    n, hits = draw(st.sampled_from([9, 10, 12])), draw(st.sampled_from([0, 3, 9]))
    actor.requests(
        n, noon(setting.day(draw)), moderation_flagged=lambda i: i < hits,
        prompt_template_hash=lambda i: f"t-{actor.account}-{i}",
    )  # fmt: skip


def retention(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Content kept for the days that the contract allows, or one more."""
    days = draw(st.sampled_from([10, 11, 30]))
    varied = {"prompt_template_hash": lambda i: f"t-{actor.account}-{i}"}
    actor.requests(2, noon(setting.day(draw)), content_stored=True, retention_days=days, **varied)


def key_sharing(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A key from many networks, providers and agents, on two or three days."""
    n = around(draw, setting.limit("R17", "networks_min", actor.tier))
    for back in range(draw(st.integers(2, 3))):
        day = setting.period.first_day + timedelta(days=back)
        actor.requests(
            n, noon(day), client_net_hash=lambda i: f"net-{actor.account}-{i}", ip_asn=lambda i: 100 + i,
            user_agent_family=lambda i: f"agent-{i}", prompt_template_hash=lambda i: f"t-{actor.account}-{i}",
        )  # fmt: skip


def travel(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A key that alternates between two far countries, within the hour or after two days."""
    n = around(draw, setting.limit("R16", "journeys_a_week_min", actor.tier)) + 1
    quick = draw(st.booleans())
    kind = draw(st.sampled_from(["residential", "corporate", "vpn"]))
    start = noon(setting.period.first_day)
    actor.requests(
        n if quick else 3, start, every=900 if quick else 2 * 86_400, ip_type=kind,
        ip_country=lambda i: ("US", "JP")[i % 2], client_net_hash=lambda i: f"net-{actor.account}-{i % 2}",
        prompt_template_hash=lambda i: f"t-{actor.account}-{i}",
    )  # fmt: skip


def resale(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Sessions with few ids of end users or none, several system prompts and languages, users abroad."""
    n = around(draw, setting.limit("R18", "sessions_a_day_min", actor.tier))
    named = draw(st.sampled_from([0, 0, 1, n, 20 * n]))  # requests with an end user's id, on the same day
    day, prompts, languages = setting.day(draw), draw(st.sampled_from([1, 8])), draw(st.sampled_from([1, 4]))
    columns = {
        "ip_country": draw(st.sampled_from(["US", "JP"])), "ip_type": draw(st.sampled_from(["vpn", "residential"])),
        "system_prompt_hash": lambda i: f"sys-{actor.account}-{i % prompts}",
        "lang": lambda i: ("en", "ja", "fr", "de")[i % languages], "topic_id": lambda i: 1 + i % languages,
        "prompt_template_hash": lambda i: f"t-{actor.account}-{i}",
    }  # fmt: skip
    actor.requests(n, noon(day), end_user_hash=None, **columns)
    actor.requests(min(named, 90), dawn(day), every=1, session_id=f"{actor.account}-one", **columns)


def items(draw: Draw, actor: Actor, setting: Setting) -> None:
    """One template around the least number of items, with one answer each or two, alone in their sessions or not."""
    n = around(draw, setting.limit("R28", "items_min", actor.tier))
    choices, alone = draw(st.sampled_from([1, 2, 2])), draw(st.sampled_from([True, True, False]))
    columns = {} if alone else {"session_id": lambda i: f"{actor.account}-pair{i // 2}"}
    fixed = draw(st.sampled_from(["popular", f"item-{actor.account}"]))
    actor.requests(n, noon(setting.day(draw)), n_choices=choices, prompt_template_hash=fixed, **columns)


def refused(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Wordings of one skeleton around their least number, refused in part."""
    n = around(draw, setting.limit("R22", "variants_min", actor.tier))
    hits = draw(st.sampled_from([0, 1, n // 2, n]))
    reason = draw(st.sampled_from(["refusal", "content_filter"]))
    actor.requests(
        n, noon(setting.day(draw)), prompt_template_hash=f"skeleton-{actor.account}",
        finish_reason=lambda i: reason if i < hits else "stop",
    )  # fmt: skip


def restless(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Requests in every hour of five or six days, or in all but one, evenly or fewer in the day's first hours."""
    days, first = draw(st.sampled_from([5, 6, 6])), setting.period.first_day
    gap, slow = draw(st.sampled_from([None, None, 3])), draw(st.sampled_from([0, 0, 8]))
    for back in range(days):
        day = first + timedelta(days=back)
        for hour in range(24):
            n = 1 if hour < slow else draw(st.sampled_from([1, 2])) if back == 0 else 1 + (slow > 0)
            if hour != gap or back:
                actor.requests(
                    n, dawn(day) + timedelta(hours=hour, minutes=5), prompt_template_hash=f"t-{actor.account}-{hour}"
                )


def dormant(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Nothing for thirty days or not quite, and then much on one day or two."""
    first = setting.period.first_day
    actor.requests(1, noon(first - timedelta(days=draw(st.sampled_from([29, 30, 31, 33])))))
    start, n = draw(st.integers(0, 2)), draw(st.sampled_from([9, 10, 20, 40]))
    for day in range(draw(st.sampled_from([1, 2, 2]))):
        at = noon(first + timedelta(days=start + day))
        actor.requests(n, at, every=1, prompt_template_hash=lambda i: f"t-{actor.account}-{i}")


def new(draw: Draw, actor: Actor, setting: Setting) -> None:
    """An account that was opened lately and is used near its limits on two days or three."""
    first = setting.period.first_day
    age = draw(st.sampled_from([0, 4, 5, 6]))
    row = next(row for row in actor.rows.tables["accounts"] if row["account_id"] == actor.account)
    row["opened_at"] = noon(first - timedelta(days=age))
    quota = setting.limit("R27", "quota_requests_a_day", actor.tier)
    n = int(0.8 * quota) + draw(st.integers(-1, 1))
    for day in range(draw(st.sampled_from([2, 3, 3]))):
        at = noon(first + timedelta(days=day))
        actor.requests(n, at, every=1, prompt_template_hash=lambda i: f"t-{actor.account}-{i}")


def signing_in(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Keys that do not exist or have expired, around their limits, and a key that then works."""
    start, kind = noon(setting.day(draw)), draw(st.sampled_from(["invalid", "failures", "guess", "one key"]))
    own = {"account_id": actor.account, "api_key_hash": f"key-{actor.account}"}
    if kind == "invalid":
        actor.attempts(around(draw, setting.limit("R24", "invalid_keys_a_day", actor.tier)), start, "invalid_key")
    elif kind == "failures":
        n = around(draw, setting.limit("R24", "failures_a_day", actor.tier))
        others = draw(st.sampled_from([0, 0, 1]))
        actor.attempts(n - others, start, draw(st.sampled_from(["expired_key", "revoked_key"])), **own)
        actor.attempts(others, start + timedelta(hours=1), draw(st.sampled_from(["expired_key", "invalid_key"])))
    else:
        n = around(draw, setting.limit("R24", "failures_before_success", actor.tier))
        keys = {"api_key_hash": lambda i: f"guess-{actor.account}-{i % (2 if kind == 'guess' else 1)}"}
        actor.attempts(n, start, draw(st.sampled_from(["invalid_key", "revoked_key"])), **keys)
        if draw(st.booleans()):  # a network that the account is known from
            actor.attempts(1, start - timedelta(days=draw(st.sampled_from([2, 20]))), "ok", **own)
        actor.attempts(1, start + timedelta(hours=draw(st.sampled_from([1, 23, 25]))), "ok", **own)


def quiet(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A request or two, or none."""
    n = draw(st.integers(0, 2))
    if n:
        actor.requests(n, noon(setting.day(draw)))


def grown(draw: Draw, actor: Actor, setting: Setting) -> None:
    """Four weeks at one request a day, and then twice a hundred times as many, or the same."""
    first = setting.period.first_day
    for back in range(draw(st.sampled_from([10, 28])), 0, -1):
        actor.requests(1, noon(first - timedelta(days=back)))
    n = draw(st.sampled_from([2, 40]))
    for day in range(2):
        actor.requests(n, noon(first + timedelta(days=day)), every=1)


BEHAVIOURS = (
    volume, tokens, template, coverage, scores, replays, logprobs, territory, entitlement, lifecycle, flagged, refused,
    items, retention, key_sharing, travel, resale, quiet, grown, restless, dormant, new, signing_in,
)  # fmt: skip
