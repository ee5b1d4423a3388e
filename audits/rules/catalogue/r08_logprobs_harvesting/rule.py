"""R08: log-probabilities taken out in bulk, or under a tier that may not have them at all.

Output length and logit bias of the same request are nowhere but in single requests; they are read for subjects only
whose rollups show the volume.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    String,
    and_,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from audits.periods import utc_midnight
from audits.rollups.account_model_day import account_model_day
from audits.rules.engine.base import Found
from audits.rules.engine.bounds import undecided
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.levels import of_level, subject_levels
from audits.rules.engine.listed import listed, on_listed_days
from audits.rules.engine.scope import Scope
from audits.warehouse.dialects import day_number, ratio
from audits.warehouse.tables import usage_events

LIMITS = ("requests_a_week", "harvest_share_min", "short_output_tokens")
ASKED = and_(usage_events.c.status_code < 400, usage_events.c.top_logprobs > 0)


def violations(scope: Scope) -> Select[Any]:
    """Accounts of tiers without the entitlement; entitled accounts and groups in bulk, with bias and short output."""
    return select(union_all(_unentitled(scope), _harvest(scope)).subquery("cases"))


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with the volume, alone or as a group, of which too little logit bias is recorded to know."""
    return undecided(_weeks(scope), _harvests, "not recorded: logit_bias_n")


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests with log-probabilities: of the seven days, or of the days without entitlement."""
    e = usage_events.c
    if found.discriminator == "entitlement":
        which, since = on_listed_days(found), None
    else:
        last = date.fromisoformat(found.observed["week_ends"])
        since = last - timedelta(days=6)
        which = and_(
            e.event_ts >= literal(utc_midnight(since)), e.event_ts < literal(utc_midnight(last + timedelta(days=1)))
        )
    held = of_level(scope, found) if found.subject_type == "group" else scope.in_tier(found)
    return scope.events_of(found.account_ids, ASKED, which, held, since=since).add_columns(
        e.top_logprobs, e.logit_bias_n
    )


def _unentitled(scope: Scope) -> Select[Any]:
    """Where the limit changes inside the period, each stretch is held against its own; the worst one is reported."""
    u = scope.usage(account_model_day).c
    stretch = (u.account_id, u.tier, u.limit_unentitled_min)
    requests = func.sum(u.n_logprobs)
    s = (
        select(
            *stretch, requests.label("requests"), listed(u.day).label("days"),
            func.row_number().over(partition_by=(u.account_id, u.tier), order_by=(requests.desc(), listed(u.day)))
            .label("place"),
        )
        .where(u.n_logprobs > 0, _denied(scope, u.tier, u.day))
        .group_by(*stretch)
        .having(requests >= u.limit_unentitled_min)
        .subquery("stretches")
    ).c  # fmt: skip
    return select(
        literal("account").label("subject_type"),
        s.account_id.label("subject_id"),
        s.tier,
        literal("entitlement").label("discriminator"),
        literal(False).label("one_operator"),
        s.tier.label("observed_level"),
        cast(s.requests, Float(53)).label("observed_requests"),
        cast(null(), Float(53)).label("observed_share"),
        cast(null(), String).label("observed_week_ends"),
        s.days.label("observed_on_days"),
        s.limit_unentitled_min.label("limit_requests"),
        cast(null(), Float(53)).label("limit_harvest_share_min"),
        cast(null(), Float(53)).label("limit_short_output_tokens"),
    ).where(s.place == 1)


def _harvest(scope: Scope) -> Select[Any]:
    """Subjects with seven days that end in the period, over the limit of the last of them.

    The busiest is reported, of a group those of its highest level.
    """
    w = _weeks(scope).c
    busiest = func.row_number().over(
        partition_by=(w.subject_type, w.subject_id, w.tier), order_by=(w.level_rank.desc(), w.requests.desc(), w.day)
    )
    found = select(*w, busiest.label("place")).where(_harvests(w)).subquery("found").c
    return select(
        found.subject_type, found.subject_id, found.tier, literal("bulk"), literal(True), found.level,
        cast(found.requests, Float(53)),
        ratio(found.harvested, found.requests), cast(found.day, String), cast(null(), String),
        found.limit_requests_a_week, found.limit_harvest_share_min, found.limit_short_output_tokens,
    ).where(found.place == 1)  # fmt: skip


def _harvests(w: Any, more: Any = 0) -> ColumnElement[bool]:
    """Whether seven days have the volume, and with ``more`` a large enough part of it with bias and short output."""
    share = ratio(w.harvested + more, w.requests)
    return and_(w.requests >= w.limit_requests_a_week, share >= w.limit_harvest_share_min)


@computed_once
def _weeks(scope: Scope) -> Select[Any]:
    """Of candidates, each seven days that end in the period: all requests, those with bias and next to no text."""
    e = usage_events.c
    asked = scope.requests(_candidates(scope), e.output_tokens, e.logit_bias_n, where=(ASKED,))
    r = subject_levels(scope, asked, baseline=True).c
    short = r.output_tokens <= r.limit_short_output_tokens
    key = (
        r.subject_type, r.subject_id, r.tier, r.level, r.level_rank, r.day, *(r[f"limit_{name}"] for name in LIMITS)
    )  # fmt: skip
    d = (
        select(
            *key,
            func.count().label("requests"),
            func.count().filter(short, r.logit_bias_n > 0).label("harvested"),
            func.count().filter(short, r.logit_bias_n.is_(None)).label("missing"),
        )
        .where(~_denied(scope, r.level, r.day))
        .group_by(*key)
        .subquery("days")
    ).c

    def week(n: ColumnElement[Any]) -> ColumnElement[Any]:
        who = (d.subject_type, d.subject_id, d.tier, d.level)
        return func.sum(n).over(partition_by=who, order_by=day_number(d.day), range_=(-6, 0)).label(n.name)

    own = [d[column.name] for column in key]
    w = select(*own, *(week(n) for n in (d.requests, d.harvested, d.missing))).subquery("weeks")
    return select(w).where(w.c.day >= scope.period.first_day)


def _candidates(scope: Scope) -> Select[Any]:
    """The accounts of subjects with as many such requests, in the period and the six days before, as a week's limit."""
    m = subject_levels(scope, account_model_day, baseline=True).c
    busy = (
        select(m.subject_type, m.subject_id)
        .group_by(m.subject_type, m.subject_id, m.tier, m.level)
        .having(func.sum(m.n_logprobs) >= func.min(m.limit_requests_a_week))
        .subquery("busy")
    )
    return scope.members_of(busy)


def _denied(scope: Scope, tier: ColumnElement[str], day: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a tier may not have log-probabilities on a day."""
    denied: list[ColumnElement[bool]] = [
        and_(tier == row.tier, day >= literal(row.from_day), day < literal(row.to_day) if row.to_day else true())
        for row in scope.book.entitlements(scope.baseline_from, scope.period.last_day)
        if (row.kind, row.value, row.allowed) == ("capability", "logprobs", False)
    ]
    return or_(false(), *denied)
