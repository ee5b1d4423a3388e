"""What benign requests look like: each kind of work as a record, and which tiers do it.

The figures are invented but kept plausible: hour-long conversations, agents with long contexts and short
answers, batches at night. Every account that takes up a record gets its own noise on each of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One kind of work; shares are probabilities per request, lengths are tokens (median, sigma of ln)."""

    name: str
    operation: str = "chat"
    rhythm: str = "office"
    weekend: float = 0.3  # volume of a Saturday or Sunday against a weekday
    active: float = 0.9  # share of days with any use
    noise: float = 0.4  # sigma of ln of a day's volume
    burst: float = 0.01  # share of days with several times the usual volume
    turns: float = 3.0  # mean requests in a session; 1: no sessions
    gap_s: float = 45.0  # mean seconds between two turns
    input: tuple[float, float] = (900.0, 0.9)
    output: tuple[float, float] = (320.0, 0.8)
    context: float = 0.5  # share of earlier turns carried in the input
    cached: float = 0.3
    reasoning: float = 0.25
    systems: int = 1  # system prompts in use; 0: none sent
    templates: int = 6  # 0: every prompt has a template of its own
    template_skew: float = 1.6  # 1: evenly used
    near: int = 2  # 64 / 2**near bits of the simhash vary within a template
    repeat: float = 0.02  # share of inputs that were asked before
    topics: int = 10
    topic_skew: float = 1.8
    langs: int = 2
    lang_skew: float = 4.0
    end_users: int = 0
    places: tuple[tuple[str, int, int], ...] = (("hosting", 2, 1),)  # kind, addresses in use, days of one (1: fixed)
    agents: int = 1
    cot: float = 0.004
    rubric: float = 0.003
    benchmark: float = 0.002
    rate_limited: float = 0.004
    failing: float = 0.008
    refusal: float = 0.004
    flagged: float = 0.001
    logprobs: float = 0.0
    logit_bias: float = 0.0
    capped: float = 0.5  # share with max_output_tokens
    choices: int = 1
    models: tuple[tuple[str, float], ...] = (("aster-3", 5), ("aster-3-mini", 4), ("aster-2-mini", 1.5), ("aster-2", 1))
    alias: float = 0.06  # share of accounts that ask for the alias
    replay: float = 0.0  # share of requests that replay a reasoning signature


HOME = (("residential", 1, 14), ("residential", 1, 14), ("mobile", 2, 5))
PERSONAL = (("residential", 1, 14), ("residential", 1, 14), ("mobile", 2, 5), ("corporate", 1, 1))
OFFICE = (("corporate", 2, 1), ("residential", 1, 20), ("mobile", 1, 6))
CLOUD = (("hosting", 3, 1),)

WORKLOADS = {
    w.name: w
    for w in (
        Workload(
            name="personal", rhythm="evening", weekend=1.1, active=0.35, noise=0.7, burst=0.03, turns=4, gap_s=70,
            input=(260, 1.1), output=(380, 0.8), systems=0, templates=30, template_skew=1.3, near=1, topics=40,
            topic_skew=1.3, places=PERSONAL, cot=0.01, flagged=0.003, refusal=0.008,
        ),
        Workload(
            name="student", rhythm="student", weekend=0.7, active=0.4, noise=0.8, burst=0.04, turns=5, gap_s=60,
            input=(400, 1.0), output=(450, 0.7), systems=0, templates=24, near=1, topics=24, places=HOME, cot=0.03,
            benchmark=0.02, refusal=0.006,
        ),
        Workload(
            name="coding", rhythm="waking", weekend=0.5, active=0.6, noise=0.7, burst=0.03, turns=9, gap_s=25,
            input=(3500, 1.1), output=(280, 1.0), context=0.8, cached=0.6, systems=2, templates=16, topics=8,
            topic_skew=2.2, places=OFFICE, agents=2, cot=0.006,
        ),
        Workload(
            name="hobby-bot", rhythm="evening", weekend=1.2, active=0.8, noise=0.6, burst=0.03, turns=3,
            input=(500, 0.8), output=(180, 0.7), systems=1, templates=4, template_skew=2.2, topics=12,
            places=(("hosting", 1, 1), ("residential", 1, 14)), end_users=20, flagged=0.006, refusal=0.02,
        ),
        Workload(
            name="prototype", rhythm="waking", weekend=0.5, active=0.45, noise=0.9, burst=0.05, turns=2.5,
            input=(700, 1.1), output=(300, 0.9), systems=3, templates=14, topics=10, places=OFFICE, agents=3,
            cot=0.008, rubric=0.01, benchmark=0.01, rate_limited=0.012, failing=0.03,
        ),
        Workload(
            name="support-bot", rhythm="waking", weekend=0.6, active=1.0, noise=0.25, turns=4, gap_s=50,
            input=(1800, 0.6), output=(160, 0.6), cached=0.6, systems=2, templates=5, template_skew=2.0, topics=10,
            topic_skew=2.2, langs=3, lang_skew=3, end_users=800, cot=0.001, flagged=0.0012,
        ),
        Workload(
            name="saas", rhythm="office", weekend=0.35, active=1.0, noise=0.3, burst=0.015, turns=2, gap_s=40,
            input=(1200, 0.8), output=(420, 0.8), cached=0.4, systems=6, templates=24, topics=30, topic_skew=1.5,
            langs=6, lang_skew=2.4, end_users=1500, places=(("hosting", 4, 1),),
        ),
        Workload(
            name="rag", rhythm="office", weekend=0.3, active=0.98, noise=0.35, turns=1.6, input=(3200, 0.5),
            output=(260, 0.6), cached=0.35, systems=1, templates=3, template_skew=1.8, topics=16, end_users=300,
        ),
        Workload(
            name="embedding", operation="embeddings", rhythm="office", weekend=0.5, active=0.9, noise=0.7, burst=0.03,
            turns=1, input=(480, 0.7), output=(0, 0), cached=0, reasoning=0, systems=0, templates=1, near=1,
            topics=20, models=(("lumen-embed-2", 3), ("lumen-embed-1", 1)), alias=0, capped=0,
        ),
        Workload(
            name="classify", rhythm="night", weekend=0.8, active=0.8, noise=0.6, burst=0.02, turns=1,
            input=(420, 0.5), output=(18, 0.7), systems=1, templates=2, template_skew=2.5, near=3, topics=14,
            reasoning=0.05, rubric=0.02, capped=0.9,
            models=(("aster-3-mini", 5), ("aster-2-mini", 3), ("aster-3", 1)),
        ),
        Workload(
            name="documents", operation="batch", rhythm="night", weekend=0.4, active=0.7, noise=0.7, burst=0.03,
            turns=1, input=(5200, 0.7), output=(700, 0.6), systems=1, templates=3, topics=12, near=2,
            reasoning=0.15,
        ),
        Workload(
            name="agents", rhythm="global", weekend=0.6, active=0.95, noise=0.5, burst=0.02, turns=14, gap_s=9,
            input=(6500, 0.8), output=(210, 0.9), context=0.9, cached=0.75, systems=3, templates=12, topics=10,
            agents=2, cot=0.005, rate_limited=0.01,
        ),
        Workload(
            name="coding-fleet", rhythm="office", weekend=0.15, active=0.95, noise=0.3, turns=10, gap_s=20,
            input=(4200, 0.9), output=(260, 0.9), context=0.85, cached=0.7, systems=2, templates=20, topics=9,
            end_users=150, agents=3, places=(("corporate", 4, 1), ("residential", 4, 15)),
        ),
        Workload(
            name="assistant", rhythm="office", weekend=0.1, active=0.98, noise=0.25, turns=4, gap_s=80,
            input=(1100, 0.9), output=(380, 0.8), systems=2, templates=30, topics=40, topic_skew=1.5, langs=4,
            lang_skew=3, end_users=900, places=(("corporate", 3, 1),),
        ),
        Workload(
            name="translate", rhythm="office", weekend=0.4, active=0.9, noise=0.5, turns=1, input=(650, 0.7),
            output=(600, 0.7), systems=1, templates=2, template_skew=2, topics=24, langs=8, lang_skew=1.8,
        ),
        Workload(
            name="training", operation="finetune", rhythm="office", weekend=0.2, active=0.15, noise=0.8, turns=1,
            input=(9000, 0.8), output=(0, 0), cached=0, reasoning=0, systems=0, templates=1, topics=2, capped=0,
            models=(("aster-3-mini", 2), ("aster-2-mini", 1)),
        ),
        Workload(
            name="evals", rhythm="night", weekend=0.6, active=0.5, noise=0.6, turns=1, input=(700, 0.8),
            output=(150, 1.0), systems=2, templates=8, topics=20, benchmark=0.25, rubric=0.2, repeat=0.4, cot=0.02,
            logprobs=0.1, logit_bias=0.05,
        ),
    )
}  # fmt: skip

# who does what: the main work of an account, and what it may do beside it
BY_TIER: dict[str, tuple[tuple[str, float], ...]] = {
    "free": (("personal", 38), ("student", 20), ("coding", 20), ("hobby-bot", 10), ("prototype", 12)),
    "build": (
        ("coding", 18), ("prototype", 14), ("support-bot", 14), ("saas", 16), ("rag", 12), ("classify", 8),
        ("agents", 8), ("hobby-bot", 4), ("translate", 4), ("evals", 2),
    ),
    "scale": (
        ("saas", 22), ("support-bot", 18), ("rag", 16), ("agents", 14), ("classify", 8), ("documents", 8),
        ("translate", 6), ("coding-fleet", 8),
    ),
    "enterprise": (
        ("assistant", 24), ("coding-fleet", 20), ("documents", 14), ("support-bot", 14), ("rag", 14), ("agents", 8),
        ("saas", 6),
    ),
}  # fmt: skip
BESIDE: dict[str, tuple[tuple[str, float], ...]] = {
    "free": (("personal", 3), ("coding", 2), ("prototype", 1)),
    "build": (("embedding", 4), ("prototype", 3), ("evals", 2), ("coding", 2)),
    "scale": (("embedding", 5), ("evals", 2), ("documents", 2), ("prototype", 1)),
    "enterprise": (("embedding", 4), ("evals", 2), ("classify", 2), ("prototype", 1), ("training", 0.5)),
}
