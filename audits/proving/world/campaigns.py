"""The kinds of campaign: what each asks for, how it hides, and which rules' signals it plants."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from audits.proving.world.spec import Campaign, unknown
from audits.proving.world.workloads import WORKLOADS, Workload


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of campaign asks for, the rules whose signal it plants, and the defaults of :class:`Campaign`."""

    work: Workload
    rules: tuple[str, ...]
    defaults: Campaign


HARVEST = Workload(
    name="harvest", rhythm="flat", weekend=1.0, active=1.0, noise=0.12, burst=0.0, turns=1.0, input=(420, 0.45),
    output=(290, 0.5), cached=0.15, reasoning=0.5, systems=1, templates=1, template_skew=1.0, near=2, repeat=0.003,
    topics=180, topic_skew=1.1, langs=2, lang_skew=5, rubric=0.01, benchmark=0.12, rate_limited=0.02, failing=0.01,
    refusal=0.01, flagged=0.001, capped=1.0,
)  # fmt: skip
ELICIT = replace(
    HARVEST, name="elicit", turns=1.6, input=(380, 0.6), output=(520, 0.6), topics=80, benchmark=0.05, replay=0.03,
    rhythm="waking", weekend=0.8, active=0.9, noise=0.5,
)  # fmt: skip
RELAY = replace(
    WORKLOADS["saas"], name="relay", rhythm="global", weekend=0.9, noise=0.4, active=0.95, turns=4, langs=14,
    lang_skew=1.5, topics=200, topic_skew=1.2, systems=24, templates=160, end_users=0, agents=5, cot=0.02,
)  # fmt: skip
PROBE = replace(
    HARVEST, name="probe", noise=0.5, refusal=0.35, flagged=0.14, topics=12, topic_skew=1.6, benchmark=0.01, near=2,
    output=(160, 0.9), repeat=0.02,
)  # fmt: skip
SEARCH = replace(PROBE, name="search", refusal=0.55, flagged=0.08, topics=40, near=1)
LOGPROBS = replace(
    HARVEST, name="logprobs", output=(2, 0.3), logprobs=0.98, logit_bias=0.9, reasoning=0.0, topics=40, repeat=0.3,
)  # fmt: skip
REWARD = replace(
    HARVEST, name="reward", input=(1400, 0.5), output=(14, 0.5), rubric=0.75, reasoning=0.1, topics=140,
)  # fmt: skip
ITEMS = replace(HARVEST, name="items", benchmark=0.8, near=3, choices=4, topics=120)

BASE = Campaign(
    kind="extraction", per_day=260.0, share=1.0, first_day=40, days=30, prompts="fixed", cards=8, devices=6,
    addresses="hosting", signup="burst", sync=0.8, pivot=False, elicit=0.08, unsupported=0.0, pools=1, hands_over=True,
    tiers=(("build", 0.8), ("free", 0.2)),
)  # fmt: skip

KINDS = {
    "extraction": Kind(HARVEST, ("R04", "R05", "R06", "R12", "R19"), BASE),
    "pivot": Kind(HARVEST, ("R04", "R05", "R12", "R13"), replace(BASE, pivot=True)),
    "paraphrased": Kind(
        HARVEST, ("R04", "R06", "R12"), replace(BASE, prompts="paraphrased", addresses="mixed", cards=5, devices=4)
    ),
    # cards and devices in small batches, homes as exits, a month of sign-ups: only behaviour joins the batches
    "quiet": Kind(
        replace(HARVEST, rhythm="waking", noise=0.4, active=0.9, near=1),
        ("R04", "R06"),
        replace(BASE, prompts="paraphrased", addresses="residential", signup="slow", cards=4, devices=3, sync=0.6,
                per_day=120.0, tiers=(("build", 0.6), ("free", 0.4))),
    ),
    "mixed": Kind(
        HARVEST, ("R04", "R05", "R06"),
        replace(BASE, share=0.25, per_day=300.0, addresses="mixed", sync=0.5, tiers=(("build", 1.0),)),
    ),
    "elicitation": Kind(
        ELICIT, ("R07", "R14", "R19"),
        replace(BASE, per_day=12.0, first_day=20, days=60, prompts="five-fold", cards=4, devices=4, addresses="vpn",
                signup="slow", sync=0.3, elicit=0.6, unsupported=0.2, tiers=(("free", 1.0),)),
    ),
    "failover": Kind(
        HARVEST, ("R04", "R05", "R12", "R19"), replace(BASE, pools=2, days=40, per_day=200.0, addresses="mixed")
    ),
    "relay": Kind(
        RELAY, ("R04", "R18"),
        replace(BASE, per_day=25.0, days=45, prompts="own", signup="slow", cards=5, devices=10, sync=0.1, elicit=0.02,
                tiers=(("free", 0.5), ("build", 0.5))),
    ),
    "probing": Kind(
        PROBE, ("R22",),
        replace(BASE, per_day=40.0, prompts="five-fold", addresses="vpn", cards=3, devices=3, sync=0.2, elicit=0.1,
                tiers=(("free", 0.7), ("build", 0.3))),
    ),
    # one skeleton in ever new variants until a wording is let through: most are refused
    "technique-search": Kind(
        SEARCH, ("R22",),
        replace(BASE, per_day=60.0, prompts="fixed", addresses="residential", cards=3, devices=3, sync=0.2, elicit=0.1,
                signup="slow", tiers=(("free", 0.6), ("build", 0.4))),
    ),
    "logprobs": Kind(
        LOGPROBS, ("R04", "R08"), replace(BASE, per_day=400.0, tiers=(("build", 1.0),), elicit=0.0)
    ),
    "reward": Kind(
        REWARD, ("R04", "R09"),
        replace(BASE, per_day=300.0, prompts="five-fold", tiers=(("build", 1.0),), elicit=0.0),
    ),
    "benchmark": Kind(ITEMS, ("R04", "R28"), replace(BASE, prompts="five-fold", elicit=0.0)),
}  # fmt: skip


def resolved(campaign: Campaign) -> Campaign:
    """The campaign with what was left open filled in from its kind."""
    if campaign.kind not in KINDS:
        raise unknown("kind of campaign", campaign.kind, KINDS)
    given = {f.name: getattr(campaign, f.name) for f in fields(campaign)}
    return replace(KINDS[campaign.kind].defaults, **{name: v for name, v in given.items() if v is not None})
