"""R18: several signs at once that an account serves people who are not its own.

Resale and distillation are separate matters; a resale proxy serves mostly ordinary developers.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Float, Select, Subquery, and_, case, cast, func, literal, or_, select

from audits.rollups.account_client_day import account_client_day
from audits.rollups.account_day import account_day
from audits.rollups.account_prompt_day import account_prompt_day
from audits.rollups.account_topic_day import account_topic_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import ratio
from audits.warehouse.tables import contracts, customers, usage_events

LIMITS = (
    "signs_min", "sessions_a_day_min", "languages_min", "topic_entropy_quantile", "system_prompts_min",
    "foreign_share_min",
)  # fmt: skip


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough of the five signs; accounts whose contract permits resale have none of them count."""
    s = _signs(scope).c
    total = s.no_end_users + s.languages + s.system_prompts + s.foreign + s.no_clause
    return select(
        s.account_id.label("subject_id"),
        s.tier,
        total.label("observed_signs"),
        s.n_sessions.label("observed_sessions_a_day"),
        s.n_languages.label("observed_languages"),
        s.n_system_prompts.label("observed_system_prompts"),
        s.foreign_share.label("observed_foreign_share"),
        *(s[f"limit_{name}"] for name in LIMITS),
    ).where(total >= s.limit_signs_min)


def inapplicable(scope: Scope) -> Select[Any]:
    """Accounts whose customer may resell."""
    a = scope.accounts().c
    return (
        select(a.account_id, literal("resale is permitted by contract").label("reason"))
        .where(a.customer_id.in_(_contracts(scope, permitted=True)))
        .distinct()
    )


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The account's successful requests with end user, session, language, system prompt and country."""
    e = usage_events.c
    return scope.events_of(found.account_ids, e.status_code < 400).add_columns(
        e.end_user_hash, e.session_id, e.lang, e.system_prompt_hash, e.ip_country
    )


def _contracts(scope: Scope, *, permitted: bool) -> Select[Any]:
    c = contracts.c
    return select(c.customer_id).where(
        func.coalesce(c.resale_permitted, literal(False)) == literal(permitted),
        c.valid_from < literal(scope.period.end),
        or_(c.valid_to.is_(None), c.valid_to > literal(scope.period.start)),
    )


def _signs(scope: Scope) -> Subquery:
    u = scope.usage(account_day).c
    use = (
        select(
            u.account_id, u.tier, u.customer_id, func.sum(u.n_ok).label("n"),
            func.sum(u.known_end_user_hash).label("end_users"),
            *(func.max(u[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .group_by(u.account_id, u.tier, u.customer_id)
        .subquery("use")
    )  # fmt: skip
    prompts, topics, places, sessions = _prompts(scope), _topics(scope), _places(scope), _sessions(scope, use)
    x, p, t, w, n = use.c, prompts.c, topics.c, places.c, sessions.c
    joined = use
    for part in (prompts, topics, places, sessions):
        joined = joined.outerjoin(part, and_(part.c.account_id == x.account_id, part.c.tier == x.tier))  # type: ignore[assignment]

    def sign(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return case((condition, 1), else_=0)

    polyglot = and_(t.languages >= x.limit_languages_min, t.rank >= x.limit_topic_entropy_quantile)
    resale = x.customer_id.in_(_contracts(scope, permitted=True))
    contract = x.customer_id.in_(_contracts(scope, permitted=False))
    return (
        select(
            x.account_id, x.tier, *(x[f"limit_{name}"] for name in LIMITS),
            func.coalesce(n.a_day, 0.0).label("n_sessions"),
            func.coalesce(t.languages, 0).label("n_languages"),
            func.coalesce(p.system_prompts, 0).label("n_system_prompts"),
            w.foreign_share.label("foreign_share"),
            sign(and_(x.end_users == 0, n.a_day >= x.limit_sessions_a_day_min)).label("no_end_users"),
            sign(polyglot).label("languages"),
            sign(p.system_prompts >= x.limit_system_prompts_min).label("system_prompts"),
            sign(w.foreign_share >= x.limit_foreign_share_min).label("foreign"),
            sign(contract).label("no_clause"),
        )
        .select_from(joined)
        .where(~resale)
        .subquery("signs")
    )  # fmt: skip


def _prompts(scope: Scope) -> Subquery:
    u = scope.usage(account_prompt_day).c
    return (
        select(u.account_id, u.tier, func.count(u.system_prompt_hash.distinct()).label("system_prompts"))
        .group_by(u.account_id, u.tier)
        .subquery("prompts")
    )


def _topics(scope: Scope) -> Subquery:
    """Languages of an account, and the share of its tier's accounts with less even topics."""
    u = scope.usage(account_topic_day).c
    n = (
        select(u.account_id, u.tier, u.topic_id, cast(func.sum(u.n_requests), Float(53)).label("n"))
        .where(u.topic_id.is_not(None))
        .group_by(u.account_id, u.tier, u.topic_id)
        .subquery("topic_counts")
    ).c
    whole = func.sum(n.n)
    entropy = (
        select(n.account_id, n.tier, (func.ln(whole) - func.sum(n.n * func.ln(n.n)) / whole).label("h"))
        .group_by(n.account_id, n.tier)
        .subquery("entropy")
    )
    languages = (
        select(u.account_id, u.tier, func.count(u.lang.distinct()).label("languages"))
        .group_by(u.account_id, u.tier)
        .subquery("languages")
    )
    e, v = entropy.c, languages.c
    rank = func.percent_rank().over(partition_by=v.tier, order_by=func.coalesce(e.h, 0.0))
    return (
        select(v.account_id, v.tier, v.languages, rank.label("rank"))
        .select_from(languages.outerjoin(entropy, and_(e.account_id == v.account_id, e.tier == v.tier)))
        .subquery("topics")
    )


def _places(scope: Scope) -> Subquery:
    """Share of the located requests from elsewhere than the customer's country of registration."""
    u, c = scope.usage(account_client_day), customers.c
    home = (
        select(c.customer_id, func.max(c.country).label("country"))
        .where(c.valid_from < literal(scope.period.end))
        .group_by(c.customer_id)
        .subquery("home")
    )
    abroad = u.c.ip_country != home.c.country
    return (
        select(
            u.c.account_id, u.c.tier,
            ratio(func.coalesce(func.sum(u.c.n_ok).filter(abroad), 0), func.sum(u.c.n_ok)).label("foreign_share"),
        )
        .select_from(u.join(home, home.c.customer_id == u.c.customer_id))
        .where(u.c.ip_country.is_not(None), home.c.country.is_not(None))
        .group_by(u.c.account_id, u.c.tier)
        .subquery("places")
    )  # fmt: skip


def _sessions(scope: Scope, use: Subquery) -> Subquery:
    """Sessions a day of accounts without any end user whose requests alone could make enough of them."""
    x, e = use.c, usage_events.c
    days = float(len(scope.period.days))
    busy = and_(x.end_users == 0, x.n >= x.limit_sessions_a_day_min * days)
    return (
        select(x.account_id, x.tier, ratio(func.count(e.session_id.distinct()), literal(days)).label("a_day"))
        .select_from(use.join(usage_events, e.account_id == x.account_id))
        .where(busy, scope.in_period(e.event_ts))
        .group_by(x.account_id, x.tier)
        .subquery("sessions")
    )
