"""R06: prompts that walk evenly over all topics, hardly ever twice and hardly ever in conversation.

Whether inputs repeat and sessions have one turn is read from single requests, of subjects only whose topics are spread.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, Integer, Select, Subquery, and_, cast, func, select, true

from audits.rollups.account_topic_day import account_topic_day
from audits.rules.base import Found
from audits.rules.levels import counted, subject_levels
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("prompts_min", "topic_entropy_min", "unique_share_min", "single_turn_share_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough prompts, spread over the topics, unique, and single-turn.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level, then of
    its stretches, the one with most is reported.
    """
    f = _covering(scope).c
    most = func.row_number().over(
        partition_by=(f.subject_type, f.subject_id, f.tier),
        order_by=(f.level_rank.desc(), f.prompts.desc(), *(f[f"limit_{name}"] for name in LIMITS)),
    )
    found = select(*f, most.label("place")).where(f.prompts >= f.limit_prompts_min).subquery("found").c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        found.level.label("observed_level"),
        found.prompts.label("observed_prompts"),
        found.entropy.label("observed_topic_entropy"),
        found.unique_share.label("observed_unique_share"),
        found.single_share.label("observed_single_turn_share"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts that cover the topics in too few prompts to tell it from chance."""
    f = _covering(scope).c
    least = func.min(cast(f.limit_prompts_min, Integer))
    reason = func.concat("sample too small: fewer than ", least, " prompts").label("reason")
    few = and_(f.subject_type == "account", f.prompts < f.limit_prompts_min)
    return select(f.subject_id.label("account_id"), reason).where(few).group_by(f.subject_id)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests with a topic, with their similarity digest and session."""
    e = usage_events.c
    asked = and_(e.status_code < 400, e.topic_id.is_not(None), counted(scope, found))
    return scope.events_of(found.account_ids, asked).add_columns(e.topic_id, e.prompt_simhash, e.session_id)


def _covering(scope: Scope) -> Subquery:
    """Figures of the subjects, by tier and stretch, that are at their limits in all but the number of prompts."""
    spread, e = _spread(scope), usage_events.c
    columns = (e.prompt_simhash, e.session_id)
    answered = (e.status_code < 400, e.topic_id.is_not(None))
    r = scope.requests(scope.members_of(spread), *columns, where=answered)
    of_one = func.count().over(partition_by=(r.c.account_id, r.c.session_id)) == 1
    a = subject_levels(scope, select(r, of_one.label("alone")).cte("asked")).c
    same = and_(*(one == other for one, other in zip(_stretch(a), _stretch(spread.c), strict=True)))
    prompts, sessions = func.count(), func.count(a.session_id)
    f = (
        select(
            *_stretch(a),
            spread.c.entropy,
            prompts.label("prompts"),
            func.count(a.prompt_simhash).label("compared"),
            sessions.label("sessions"),
            ratio(func.count(a.prompt_simhash.distinct()), func.count(a.prompt_simhash)).label("unique_share"),
            ratio(sessions.filter(a.alone), sessions).label("single_share"),
        )
        .where(same)
        .group_by(*_stretch(a), spread.c.entropy)
        .subquery("figures")
    )
    least = scope.book.settings(scope.period.last_day).evaluable_share * f.c.prompts
    return (
        select(f)
        .where(
            f.c.compared >= least,
            f.c.sessions >= least,
            f.c.unique_share >= f.c.limit_unique_share_min,
            f.c.single_share >= f.c.limit_single_turn_share_min,
        )
        .subquery("covering")
    )


def _spread(scope: Scope) -> CTE:
    """Subjects, by tier and stretch, whose prompts are spread over the topics evenly enough.

    The entropy of an account is compared with the largest that all topics in use allow: ln of their number.
    """
    t = account_topic_day.c
    topics = (
        select(func.ln(cast(func.nullif(func.count(t.topic_id.distinct()), 0), Float(53))).label("largest"))
        .where(t.day.between(scope.period.first_day, scope.period.last_day))
        .subquery("topics")
    )
    u = subject_levels(scope, account_topic_day).c
    by_topic = (
        select(*_stretch(u), cast(func.sum(u.n_requests), Float(53)).label("n"))
        .where(u.topic_id.is_not(None))
        .group_by(*_stretch(u), u.topic_id)
        .subquery("by_topic")
    ).c
    whole = func.sum(by_topic.n)
    # ln(N) - sum(n ln n) / N is the entropy without a second pass over the shares.
    entropy = func.ln(whole) - func.sum(by_topic.n * func.ln(by_topic.n)) / whole
    h = select(*_stretch(by_topic), entropy.label("h")).group_by(*_stretch(by_topic)).subquery("entropies")
    share: ColumnElement[float] = ratio(h.c.h, topics.c.largest)
    return (
        select(*_stretch(h.c), share.label("entropy"))
        .select_from(h.join(topics, true()))  # adequacy: equivalent, because there is always one row of topics
        .where(share >= h.c.limit_topic_entropy_min)
        .cte("spread")
    )


def _stretch(rows: Any) -> list[Any]:
    return [
        rows.subject_type, rows.subject_id, rows.tier, rows.level, rows.level_rank,
        *(rows[f"limit_{name}"] for name in LIMITS),
    ]  # fmt: skip
