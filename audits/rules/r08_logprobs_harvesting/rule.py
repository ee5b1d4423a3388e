"""R08: log-probabilities taken out in bulk, or by a tier that may not have them at all.

Single requests are read for accounts only whose rollups already show the volume: output length and logit bias of the
same request are nowhere else.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, Subquery, and_, cast, func, literal, null, select, union_all

from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.dialects import day_number, ratio
from audits.warehouse.tables import usage_events

LIMITS = ("requests_a_week", "bias_share_min", "short_share_min", "short_output_tokens", "unentitled_min")


def violations(scope: Scope) -> Select[Any]:
    """Accounts of tiers without the entitlement; entitled accounts and groups in bulk, with bias and short output."""
    return select(union_all(_unentitled(scope), _harvest(scope)).subquery("cases"))


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that asked for log-probabilities."""
    e = usage_events.c
    return scope.events_of(found.account_ids, e.status_code < 400, e.top_logprobs > 0).add_columns(
        e.top_logprobs, e.logit_bias_n
    )


def _denied_tiers(scope: Scope) -> list[str]:
    rows = scope.book.entitlements(scope.period.first_day, scope.period.last_day)
    return sorted({r.tier for r in rows if (r.kind, r.value, r.allowed) == ("capability", "logprobs", False)})


def _unentitled(scope: Scope) -> Select[Any]:
    u = scope.usage(account_model_day).c
    return (
        select(
            literal("account").label("subject_type"), u.account_id.label("subject_id"), u.tier,
            literal("not in the tier").label("observed_kind"),
            cast(func.sum(u.n_logprobs), Float(53)).label("observed_requests"),
            cast(null(), Float(53)).label("observed_bias_share"), cast(null(), Float(53)).label("observed_short_share"),
            func.max(u.limit_unentitled_min).label("limit_requests"),
        )
        .where(u.tier.in_(_denied_tiers(scope)))
        .group_by(u.account_id, u.tier)
        .having(func.sum(u.n_logprobs) >= func.max(u.limit_unentitled_min))
    )  # fmt: skip


def _harvest(scope: Scope) -> Select[Any]:
    """Subjects whose busiest seven days reach the limit, with bias and short answers on enough of those requests."""
    b, e = _busy(scope).c, usage_events.c
    short = and_(e.output_tokens <= b.limit_short_output_tokens)
    figures = (
        select(
            b.subject_type, b.subject_id, b.tier, b.peak,
            ratio(func.count().filter(e.logit_bias_n > 0), func.count()).label("bias"),
            ratio(func.count().filter(short), func.count()).label("short"),
            *(func.max(b[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
        )
        .where(e.account_id == b.account_id, e.status_code < 400, e.top_logprobs > 0, scope.in_period(e.event_ts))
        .group_by(b.subject_type, b.subject_id, b.tier, b.peak)
        .subquery("figures")
    ).c  # fmt: skip
    return select(
        figures.subject_type, figures.subject_id, figures.tier, literal("in bulk"), cast(figures.peak, Float(53)),
        figures.bias, figures.short, figures.limit_requests_a_week,
    ).where(figures.bias >= figures.limit_bias_share_min, figures.short >= figures.limit_short_share_min)  # fmt: skip


def _busy(scope: Scope) -> Subquery:
    """The accounts of entitled subjects with enough log-probabilities in some seven days of the period."""
    u, g = scope.usage(account_model_day).c, scope.group_usage(account_model_day).c
    parts = []
    for rows, kind, subject in ((u, "account", u.account_id), (g, "group", g.group_id)):
        days = (
            select(
                subject.label("subject_id"), rows.tier, rows.day, func.sum(rows.n_logprobs).label("n"),
                *(func.max(rows[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
            )
            .where(rows.n_logprobs > 0, rows.tier.not_in(_denied_tiers(scope)))
            .group_by(subject, rows.tier, rows.day)
            .subquery(f"{kind}_days")
        ).c  # fmt: skip
        week = func.sum(days.n).over(
            partition_by=(days.subject_id, days.tier), order_by=day_number(days.day), range_=(-6, 0)
        )
        weeks = select(*days, week.label("week")).subquery(f"{kind}_weeks").c
        busy = (
            select(
                weeks.subject_id, weeks.tier, func.max(weeks.week).label("peak"),
                *(func.max(weeks[f"limit_{name}"]).label(f"limit_{name}") for name in LIMITS),
            )
            .group_by(weeks.subject_id, weeks.tier)
            .having(func.max(weeks.week) >= func.max(weeks.limit_requests_a_week))
            .subquery(f"busy_{kind}s")
        ).c  # fmt: skip
        members = scope.groups().c
        account = busy.subject_id if kind == "account" else members.account_id
        part = select(literal(kind).label("subject_type"), account.label("account_id"), *busy)
        parts.append(part if kind == "account" else part.where(members.group_id == busy.subject_id))
    return union_all(*parts).subquery("busy")
