"""R06: prompts that walk evenly over all topics, hardly ever twice and hardly ever in conversation.

Whether inputs repeat and sessions have one turn is read from single requests, of candidates only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, Subquery, and_, cast, func, literal, select, true, union_all

from audits.rollups.account_topic_day import account_topic_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("prompts_min", "topic_entropy_min", "unique_share_min", "single_turn_share_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough prompts, spread over the topics, unique, and single-turn."""
    c, e = _candidates(scope).c, usage_events.c
    of_one = func.count().over(partition_by=(c.subject_id, c.tier, e.account_id, e.session_id))
    asked = (
        select(*c, e.prompt_simhash, (of_one == 1).label("alone"))
        .where(e.account_id == c.account_id, scope.in_period(e.event_ts), e.status_code < 400)
        .where(e.prompt_simhash.is_not(None), e.session_id.is_not(None))
        .subquery("asked")
    ).c
    unique = ratio(func.count(asked.prompt_simhash.distinct()), func.count())
    single = ratio(func.count().filter(asked.alone), func.count())
    return (
        select(
            asked.subject_type, asked.subject_id, asked.tier,
            func.max(asked.n).label("observed_prompts"),
            func.max(asked.entropy).label("observed_topic_entropy"),
            unique.label("observed_unique_share"),
            single.label("observed_single_turn_share"),
            *(func.max(asked[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(asked.subject_type, asked.subject_id, asked.tier)
        .having(
            unique >= func.max(asked.limit_unique_share_min), single >= func.max(asked.limit_single_turn_share_min)
        )
    )  # fmt: skip


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests with topic, similarity digest and session."""
    e = usage_events.c
    return scope.events_of(found.account_ids, e.status_code < 400).add_columns(
        e.topic_id, e.prompt_simhash, e.session_id
    )


def _candidates(scope: Scope) -> Subquery:
    """Members of subjects with enough prompts and entropy: H = -sum p ln p over topics, over ln of their number."""
    t = account_topic_day.c
    topics = (
        select(
            func.greatest(func.ln(cast(func.greatest(func.count(t.topic_id.distinct()), 1), Float(53))), 1e-9).label(
                "ln_all"
            )
        )
        .where(t.day.between(scope.period.first_day, scope.period.last_day))
        .subquery("topics")
    )
    u, g, members = scope.usage(account_topic_day).c, scope.group_usage(account_topic_day).c, scope.groups().c
    parts = []
    for rows, kind, subject in ((u, "account", u.account_id), (g, "group", g.group_id)):
        by_topic = (
            select(
                subject.label("subject_id"), rows.tier, rows.topic_id,
                cast(func.sum(rows.n_requests), Float(53)).label("n"),
                *(func.max(rows[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
            )
            .where(rows.topic_id.is_not(None))
            .group_by(subject, rows.tier, rows.topic_id)
            .subquery(f"{kind}_topics")
        ).c  # fmt: skip
        whole = func.sum(by_topic.n)
        # ln(N) - sum(n ln n) / N is the entropy without a second pass over the shares.
        entropy = (func.ln(whole) - func.sum(by_topic.n * func.ln(by_topic.n)) / whole).label("h")
        spread = (
            select(
                by_topic.subject_id, by_topic.tier, whole.label("n"), entropy,
                *(func.max(by_topic[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
            )
            .group_by(by_topic.subject_id, by_topic.tier)
            .subquery(f"{kind}_spread")
        )  # fmt: skip
        s = spread.c
        wide = and_(s.n >= s.limit_prompts_min, s.h / topics.c.ln_all >= s.limit_topic_entropy_min)
        account = s.subject_id if kind == "account" else members.account_id
        part = select(
            literal(kind).label("subject_type"), account.label("account_id"), s.subject_id, s.tier, s.n,
            (s.h / topics.c.ln_all).label("entropy"), *(s[f"limit_{name}"] for name in LIMITS),
        ).where(wide)  # fmt: skip
        if kind == "account":
            parts.append(part.select_from(spread.join(topics, true())))
        else:
            held = members.group_id == s.subject_id
            parts.append(part.select_from(spread.join(topics, true()).join(members.group_id.table, held)))
    return union_all(*parts).subquery("candidates")
