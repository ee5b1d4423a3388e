"""R06: prompts that walk evenly over all topics, hardly ever twice and hardly ever in conversation.

Whether inputs repeat and sessions have one turn is read from single requests, of subjects only whose topics are spread
or would be with those that are not recorded.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Float, Select, and_, cast, func, or_, select

from audits.rollups.account_topic_day import account_topic_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import counted, same_stretch, stretch, subject_levels
from audits.rules.engine.parties import uses_by_party
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import usage_events

LIMITS = ("prompts_min", "topic_entropy_min", "unique_share_min", "single_turn_share_min")
UNKNOWN = "not recorded: topic_id, prompt_simhash or session_id"


def violations(scope: Scope) -> Select[Any]:
    """Accounts and groups with enough prompts, spread over the topics, unique, and single-turn.

    Where a limit changes inside the period, each stretch is held against its own; of a group's highest level, then of
    its stretches, the one with most is reported.
    """
    f = _figures(scope).c
    most = func.row_number().over(
        partition_by=(f.subject_type, f.subject_id, f.tier),
        order_by=(f.level_rank.desc(), f.prompts.desc(), *(f[f"limit_{name}"] for name in LIMITS)),
    )
    sample = and_(f.compared >= f.limit_prompts_min, f.sessions >= f.limit_prompts_min)
    covers = _covers(f, f.prompts, f.entropy, f.unique_share, f.single_share)
    found = select(*f, most.label("place")).where(sample, covers).subquery("found").c
    return select(
        found.subject_type,
        found.subject_id,
        found.tier,
        found.level.label("observed_level"),
        found.prompts.label("observed_prompts"),
        found.topics.label("observed_topics"),
        found.entropy.label("observed_topic_entropy"),
        found.unique_share.label("observed_unique_share"),
        found.single_share.label("observed_single_turn_share"),
        *(found[f"limit_{name}"] for name in LIMITS),
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts, alone or as a group, that would cover the topics if what is not recorded were spread as well as can be.

    Then every request without a topic is a prompt, every input that is not recorded is another one, and every session
    has one turn.
    """

    def might(f: Any, _missing: Any) -> ColumnElement[bool]:
        repeated, together = func.coalesce(f.compared - f.distinct, 0), func.coalesce(f.sessions - f.alone, 0)
        unique, single = ratio(f.whole - repeated, f.whole), ratio(f.whole - together, f.whole)
        return _covers(f, f.whole, f.entropy_most, unique, single)

    return undecided(_figures(scope), might, UNKNOWN)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests with a topic, with their similarity digest and session."""
    e = usage_events.c
    asked = and_(e.status_code < 400, e.topic_id.is_not(None), counted(scope, found))
    return scope.events_of(found.account_ids, asked).add_columns(e.topic_id, e.prompt_simhash, e.session_id)


def _covers(f: Any, prompts: Any, entropy: Any, unique: Any, single: Any) -> ColumnElement[bool]:
    """Whether these figures reach all limits of a stretch."""
    return and_(
        prompts >= f.limit_prompts_min,
        entropy >= f.limit_topic_entropy_min,
        unique >= f.limit_unique_share_min,
        single >= f.limit_single_turn_share_min,
    )


@computed_once
def _figures(scope: Scope) -> Select[Any]:
    """Figures of the subjects, by tier and stretch, whose topics are or may be spread over enough prompts.

    Of the ``whole`` of its successful requests the ``prompts`` have a topic; of these, ``compared`` have their input
    recorded and ``sessions`` their session. ``missing`` counts what is not recorded.
    """
    spread, e, t = _spread(scope), usage_events.c, account_topic_day.c
    # Accounts without any recorded topic are not read.
    telling = select(t.account_id).where(t.topic_id.is_not(None))
    held = scope.members_of(spread).subquery("held").c
    among = select(held.account_id).where(held.account_id.in_(telling))
    r = scope.requests(among, e.topic_id, e.prompt_simhash, e.session_id, where=(e.status_code < 400,))
    of_session = func.count(r.c.topic_id).over(partition_by=(r.c.account_id, r.c.session_id))
    a = subject_levels(scope, select(r, (of_session == 1).label("alone")).cte("asked")).c
    key, asked = stretch(a, LIMITS), a.topic_id.is_not(None)
    prompts = func.count(a.topic_id)
    compared, sessions = func.count(a.prompt_simhash).filter(asked), func.count(a.session_id).filter(asked)
    distinct = func.count(a.prompt_simhash.distinct()).filter(asked)
    alone = func.count(a.session_id).filter(asked, a.alone)
    numbers = {
        "prompts": prompts, "compared": compared, "distinct": distinct, "sessions": sessions, "alone": alone,
    }  # fmt: skip
    read = (
        select(
            *key, *(number.label(name) for name, number in numbers.items()),
            ratio(distinct, compared).label("unique_share"), ratio(alone, sessions).label("single_share"),
        )
        .group_by(*key)
        .subquery("read")
    )  # fmt: skip
    c, known = read.c, func.coalesce(read.c.compared + read.c.sessions, 0)
    own = [c[name] for name in (*numbers, "unique_share", "single_share")]
    return select(spread, *own, (2 * spread.c.whole - known).label("missing")).select_from(
        spread.outerjoin(read, same_stretch(spread.c, c, LIMITS))
    )


def _spread(scope: Scope) -> CTE:
    """Subjects, by tier and stretch, whose topics are or may be spread evenly enough: ``entropy``, ``entropy_most``.

    The entropy is compared with the largest that the ``topics`` allow, those of the subject and those in use by others:
    ln of their number. At most it is that of the requests with those without a topic as one class, and these spread
    over all topics in turn; more topics than these would only make the largest larger.
    """
    u, used = subject_levels(scope, account_topic_day).c, _in_use(scope)
    n = cast(func.sum(u.n_ok), Float(53))
    by_topic = (
        select(*stretch(u, LIMITS), u.topic_id, n.label("n"))
        .group_by(*stretch(u, LIMITS), u.topic_id)
        .having(func.sum(u.n_ok) > 0)
        .subquery("by_topic")
    ).c
    key, known = stretch(by_topic, LIMITS), by_topic.topic_id.is_not(None)
    whole, recorded = func.sum(by_topic.n), func.sum(by_topic.n).filter(known)
    weighted = by_topic.n * func.ln(by_topic.n)
    # ln(N) - sum(n ln n) / N is the entropy without a second pass over the shares.
    sums = (
        select(
            *key,
            whole.label("whole"),
            func.count().filter(known, used.c.topic_id.is_(None)).label("of_nobody_else"),
            (1 - func.coalesce(recorded, 0) / whole).label("unknown_share"),
            (func.ln(recorded) - func.sum(weighted).filter(known) / recorded).label("h"),
            (func.ln(whole) - func.sum(weighted) / whole).label("h_of_classes"),
        )
        .select_from(by_topic.topic_id.table.outerjoin(used, used.c.topic_id == by_topic.topic_id))
        .group_by(*key)
    )
    s = sums.subquery("sums")
    topics = s.c.of_nobody_else + select(func.count()).select_from(used).scalar_subquery()
    entropy = ratio(s.c.h, _largest(func.nullif(topics, 0))).label("entropy")
    # Requests without a topic are spread over no fewer than two.
    most = (ratio(s.c.h_of_classes, _largest(func.greatest(topics, 2))) + s.c.unknown_share).label("entropy_most")
    might = and_(s.c.unknown_share > 0, most >= s.c.limit_topic_entropy_min)
    return (
        select(*stretch(s.c, LIMITS), s.c.whole, topics.label("topics"), entropy, most)
        .where(s.c.whole >= s.c.limit_prompts_min, or_(entropy >= s.c.limit_topic_entropy_min, might))
        .cte("spread")
    )


def _largest(topics: ColumnElement[Any]) -> ColumnElement[float]:
    """The largest entropy that so many topics allow."""
    return func.ln(cast(topics, Float(53)))


def _in_use(scope: Scope) -> CTE:
    """The topics that the population has: those that unrelated parties use, each of them so many times.

    What one party alone uses says nothing of the others, however much of it there is: it would make their use look
    narrow.
    """
    t = account_topic_day.c
    least = min((float(row.values["topic_uses_min"]) for row in scope.limits), default=0.0)  # type: ignore[arg-type]
    u = uses_by_party(scope, account_topic_day, t.topic_id, t.n_ok)
    several = func.count() > 1
    return select(u.used.label("topic_id")).where(u.uses >= least).group_by(u.used).having(several).cte("in_use")
