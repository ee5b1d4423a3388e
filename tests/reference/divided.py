"""What is divided: use around a tier change, shares over several days, keys and accounts of several owners."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference.actors import Actor, dawn, noon
from tests.reference.behaviours import Draw, Setting


def across_tiers(draw: Draw, actor: Actor, setting: Setting) -> None:
    """About the limits of a day or a week on each side of the middle of the period, at which tiers change."""
    held = [row["tier"] for row in actor.rows.tables["account_tiers"] if row["account_id"] == actor.account]
    change = dawn(list(setting.period.days)[3]) + timedelta(hours=13)
    apart = timedelta(hours=draw(st.sampled_from([2, 2, 20])))
    for number, tier in enumerate([actor.tier, (held or [actor.tier])[-1]]):
        n = int(setting.limit("R01", "requests_a_day", tier)) + draw(st.sampled_from([-1, 0, 0, 1]))
        output = int(setting.limit("R01", "output_tokens_a_week", tier)) // n
        start = change + (apart if number else -apart)
        template = draw(st.sampled_from(["of both", f"{actor.account}-{number}"]))
        actor.requests(
            n, start, every=1, output_tokens=draw(st.sampled_from([5, output])),
            prompt_template_hash=template, **_content(draw),
        )  # fmt: skip


def _content(draw: Draw) -> dict[str, Any]:
    return draw(st.sampled_from([{}, {"cot_elicit_score": 0.9}, {"rubric_grade_score": 0.9}, {"benchmark_score": 0.9}]))


def scattered_shares(draw: Draw, actor: Actor, setting: Setting) -> None:
    """What counts on one day and what dilutes it on another, around the limit of the share; either may be blocked."""
    rule, limit, columns = draw(
        st.sampled_from(
            [
                ("R07", "requests_min", {"cot_elicit_score": 0.9}),
                ("R09", "requests_min", {"rubric_grade_score": 0.9}),
                ("R28", "prompts_min", {"benchmark_score": 0.9}),
                ("R14", "requests_min", {"ip_country": "XX", "ip_type": "residential"}),
                ("R05", "requests_min", {"prompt_template_hash": f"fixed-{actor.account}"}),
            ]
        )
    )
    share = setting.limit(rule, "share_min", actor.tier, 0.25)
    n = int(setting.limit(rule, limit, actor.tier)) + draw(st.sampled_from([0, 1]))
    others = max(0, min(int(n / share) - n + draw(st.sampled_from([-1, 0, 1])), 200))
    first, second = draw(st.permutations(list(setting.period.days)[1:6]))[:2]
    actor.requests(n, noon(first), **({"prompt_template_hash": lambda i: f"n-{actor.account}-{i}"} | columns))
    actor.requests(others, noon(second), every=1, prompt_template_hash=lambda i: f"o-{actor.account}-{i}")


def other_keys(draw: Draw, actor: Actor, setting: Setting) -> None:
    """A key from many places that was revoked, is serverless for a time, or was registered by somebody else."""
    first = setting.period.first_day
    row = next(row for row in actor.rows.tables["api_keys"] if row["account_id"] == actor.account)
    middle = dawn(first + timedelta(days=1))
    serverless, revoked = draw(st.booleans()), draw(st.sampled_from([None, None, dawn(first), middle]))
    row |= {"serverless": serverless, "revoked_at": revoked}
    if draw(st.booleans()):
        again = {"created_at": middle, "revoked_at": None, "serverless": draw(st.booleans())}
        owner = draw(st.sampled_from([actor.account, f"former-{actor.account}"]))
        actor.rows.add("api_keys", **(row | again | {"account_id": owner}))
    n = int(setting.limit("R17", "networks_min", actor.tier))
    for back in range(draw(st.sampled_from([3, 4]))):
        actor.requests(
            n, noon(first + timedelta(days=back)), client_net_hash=lambda i: f"net-{actor.account}-{i}",
            ip_asn=lambda i: 100 + i, user_agent_family=lambda i: f"agent-{i}",
            prompt_template_hash=lambda i: f"t-{actor.account}-{i}",
        )  # fmt: skip


DIVIDED = (across_tiers, across_tiers, scattered_shares, scattered_shares, other_keys)
