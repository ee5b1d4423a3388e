"""R20: successful use of a model, operation, access path or capability that the policy book denies the tier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, or_, select, true, union_all

from audits.errors import AuditsError
from audits.periods import utc_midnight
from audits.policy import EntitlementRow
from audits.rollups.account_day import account_day
from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import models, usage_events

COUNTS = {
    "logprobs": "n_logprobs",
    "logit_bias": "n_logit_bias",
    "several_choices": "n_multiple_choices",
    "reasoning_summary": "n_reasoning_summary",
    "reasoning_full": "n_reasoning_full",
    "signature_replay": "n_signature_replay",
}
"""Capability as the policy book names it -> the rollup's count of successful requests that used it."""

NEEDED = {
    ("access_path", ""): "access_path",
    ("capability", "logit_bias"): "logit_bias_n",
    ("capability", "several_choices"): "n_choices",
    ("capability", "reasoning_summary"): "reasoning_visibility",
    ("capability", "reasoning_full"): "reasoning_visibility",
    ("capability", "signature_replay"): "reasoning_visibility",
}
"""Kind and value -> the column without which nobody knows of the use. Log-probabilities that are not recorded were not
requested, says the warehouse's contract."""


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests that used anything that was denied to their tier on that day.

    A request that used several such things counts once. Where the limit changes inside the period, each stretch is held
    against its own; the one with most requests is reported.
    """
    u = scope.usage(account_model_day).c
    shown = {name: u[count] > 0 for name, count in COUNTS.items()}
    used: dict[str, ColumnElement[bool]] = defaultdict(false)
    for row in _denied(scope):
        used[f"{row.kind} {row.value}"] |= and_(_holds(row, u), _used(row, u, shown))
    things: list[ColumnElement[Any]] = [
        func.max(case((condition, thing))) for thing, condition in sorted(used.items(), key=lambda one: one[0])
    ]
    stretch = (u.account_id, u.tier, u.limit_requests_min)
    s = (
        select(
            *stretch, func.sum(u.n_ok).label("requests"), func.concat_ws(", ", *things or [literal("")]).label("what")
        )
        .where(u.n_ok > 0, or_(false(), *used.values()))
        .group_by(*stretch)
        .having(func.sum(u.n_ok) >= u.limit_requests_min)
        .subquery("stretches")
    ).c
    most = func.row_number().over(partition_by=(s.account_id, s.tier), order_by=(s.requests.desc(), s.what))
    found = select(*s, most.label("place")).subquery("found").c
    return select(
        found.account_id.label("subject_id"),
        found.tier,
        found.requests.label("observed_requests"),
        found.what.label("observed_what"),
        found.limit_requests_min,
    ).where(found.place == 1)


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts to whose tier something is denied of which too little is recorded to know whether it was used."""
    d, m = scope.usage(account_day).c, scope.usage(account_model_day).c
    enough = scope.book.settings(scope.period.last_day).evaluable_share
    of_known_family = func.sum(m.n_requests).filter(_served(m).in_(select(models.c.model)))
    unknown = [select(d.account_id, literal("").label("reason")).where(false())]
    for row in _denied(scope):
        known: ColumnElement[Any]
        if row.kind == "model_family":
            u, known, what = m, of_known_family, "the families of the models"
        elif what := NEEDED.get((row.kind, row.value)) or NEEDED.get((row.kind, ""), ""):
            u, known = d, func.sum(d[f"known_{what}"])
        else:
            continue
        unknown.append(
            select(u.account_id, literal(f"not recorded: {what}"))
            .where(_holds(row, u))
            .group_by(u.account_id)
            .having(func.coalesce(known, 0) < enough * func.sum(u.n_requests))
        )
    every = union_all(*unknown).subquery("unknown").c
    return select(every.account_id, func.min(every.reason).label("reason")).group_by(every.account_id)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that used what was denied to the tier at their time."""
    e = usage_events.c
    shown = {
        "logprobs": e.top_logprobs > 0,
        "logit_bias": e.logit_bias_n > 0,
        "several_choices": e.n_choices > 1,
        "reasoning_summary": e.reasoning_visibility == "summary",
        "reasoning_full": e.reasoning_visibility == "full",
        "signature_replay": e.reasoning_visibility == "signature_replay",
    }
    used = [
        and_(
            e.event_ts >= literal(utc_midnight(row.from_day)),
            e.event_ts < literal(utc_midnight(row.to_day)) if row.to_day else true(),
            _used(row, e, shown),
        )
        for row in _denied(scope)
        if row.tier == found.tier
    ]
    return scope.events_of(
        found.account_ids, e.status_code < 400, scope.in_tier(found), scope.under_limits(found), or_(*used)
    ).add_columns(e.access_path, e.top_logprobs, e.logit_bias_n, e.reasoning_visibility, e.n_choices)


def _denied(scope: Scope) -> list[EntitlementRow]:
    """What the book denies to a tier on any day of the period."""
    rows = [r for r in scope.book.entitlements(scope.period.first_day, scope.period.last_day) if not r.allowed]
    for row in rows:
        if row.kind == "capability" and row.value not in COUNTS:
            raise AuditsError(
                f"The policy book denies tier {row.tier} the capability {row.value!r}, which nothing records.",
                where="tiers.yaml, entitlements",
                fix=f"Name one of {', '.join(COUNTS)}.",
            )
    return rows


def _holds(row: EntitlementRow, u: Any) -> ColumnElement[bool]:
    """Whether an entry is about a rollup row's tier and day."""
    ends = u.day < literal(row.to_day) if row.to_day else true()
    return and_(u.tier == row.tier, u.day >= literal(row.from_day), ends)


def _used(row: EntitlementRow, u: Any, shown: Mapping[str, ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether what an entry names was used: ``u`` has the columns that rollup and requests share."""
    match row.kind:
        case "capability":
            return shown[row.value]
        case "model_family":
            which = models.c.frontier if row.value == "frontier" else models.c.family == row.value
            return _served(u).in_(select(models.c.model).where(which))
        case "model":
            return _served(u) == row.value
        case "operation" | "access_path":
            of_kind: ColumnElement[str] = u[row.kind]
            return of_kind == row.value


def _served(u: Any) -> ColumnElement[str]:
    """The model that answered; where it is not recorded, the one that was asked for."""
    served: ColumnElement[str] = func.coalesce(u.model_served, u.model_requested)
    return served
