"""R20: successful use of a model, operation, access path or capability that the policy book denies the tier."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, or_, select, true

from audits.errors import AuditsError
from audits.periods import utc_midnight
from audits.policy import EntitlementRow
from audits.rollups.account_model_day import account_model_day
from audits.rules.engine.base import Found
from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.scope import Scope
from audits.rules.engine.worst import worst
from audits.warehouse.tables import models, usage_events
from audits.warehouse.vocabulary import word

COUNTS = {
    "logprobs": "n_logprobs",
    "logit_bias": "n_logit_bias",
    "several_choices": "n_multiple_choices",
    "reasoning_summary": "n_reasoning_summary",
    "reasoning_full": "n_reasoning_full",
    "signature_replay": "n_signature_replay",
}
"""Capability as the policy book names it -> the rollup's count of successful requests that used it."""

NOT_TOLD = {
    "logit_bias": ("n_logit_bias_unknown", "logit_bias_n"),
    "several_choices": ("n_choices_unknown", "n_choices"),
    "reasoning_summary": ("n_reasoning_unknown", "reasoning_visibility"),
    "reasoning_full": ("n_reasoning_unknown", "reasoning_visibility"),
    "signature_replay": ("n_reasoning_unknown", "reasoning_visibility"),
}
"""Capability -> the rollup's count of successful requests of which nobody knows, and the column that would tell."""


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests that used anything that was denied to their tier on that day.

    A request that used several such things counts once. Where the limit changes inside the period, each part is held
    against its own; the one with most requests is reported.
    """
    counts = _counts(scope)
    c = counts.c
    w = worst(counts, ("account_id", "tier"), (c.requests.desc(), c.what), c.requests >= c.limit_requests_min)
    return select(
        w.account_id.label("subject_id"),
        w.tier,
        w.requests.label("observed_requests"),
        w.what.label("observed_what"),
        w.limit_requests_min,
    )


def unevaluable(scope: Scope) -> Select[Any]:
    """Accounts with enough such requests if those of which nobody knows had used what was denied."""
    c = _counts(scope).c
    doubtful = and_(c.not_told > 0, c.requests + c.not_told >= c.limit_requests_min)
    return select(c.account_id, c.tier, func.concat("not recorded: ", c.not_recorded).label("reason")).where(doubtful)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that used what was denied to the tier at their time."""
    e = usage_events.c
    reasoning = word(e.reasoning_visibility)
    shown = {
        "operation": word(e.operation),
        "access_path": word(e.access_path),
        "logprobs": e.top_logprobs > 0,
        "logit_bias": e.logit_bias_n > 0,
        "several_choices": e.n_choices > 1,
        "reasoning_summary": reasoning == "summary",
        "reasoning_full": reasoning == "full",
        "signature_replay": reasoning == "signature_replay",
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


@computed_once
def _counts(scope: Scope) -> Select[Any]:
    """Of each account and set of limits the ``requests`` outside of the tier and ``what`` they used.

    ``not_told`` requests may have been, for all that is known, and ``not_recorded`` names the columns that would tell.
    """
    u = scope.usage(account_model_day).c
    shown = {name: u[count] > 0 for name, count in COUNTS.items()}
    shown |= {"operation": u.operation, "access_path": u.access_path}
    used: dict[str, ColumnElement[bool]] = defaultdict(false)
    unknown: dict[str, ColumnElement[bool]] = defaultdict(false)
    for row in _denied(scope):
        used[f"{row.kind} {row.value}"] |= and_(_holds(row, u), _used(row, u, shown))
        unread = ("operation", u.model_requested.is_(None))  # known from a bucket alone
        for column, untold in (unread, *_untold(row, u)):
            unknown[column] |= and_(_holds(row, u), untold)
    outside, maybe = (or_(false(), *conditions.values()) for conditions in (used, unknown))
    key = (u.account_id, u.tier, u.limit_requests_min)
    return (
        select(
            *key,
            func.coalesce(func.sum(u.n_ok).filter(outside), 0).label("requests"),
            _names(used).label("what"),
            func.coalesce(func.sum(u.n_ok).filter(and_(maybe, outside.is_not(true()))), 0).label("not_told"),
            _names(unknown).label("not_recorded"),
        )
        .where(u.n_ok > 0)
        .group_by(*key)
    )


def _names(conditions: Mapping[str, ColumnElement[bool]]) -> ColumnElement[str]:
    """The names of the conditions that hold for any row of a group, in alphabetical order."""
    names: list[ColumnElement[Any]] = [func.max(case((conditions[name], name))) for name in sorted(conditions)]
    named: ColumnElement[str] = func.concat_ws(", ", *names or [literal("")])
    return named


def _untold(row: EntitlementRow, u: Any) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """The columns without which nobody knows whether what an entry names was used, each with whether it is missing."""
    if row.kind in ("operation", "access_path"):
        yield row.kind, u[row.kind].is_(None)
    elif row.kind == "capability" and row.value in NOT_TOLD:
        count, column = NOT_TOLD[row.value]
        yield column, u[count] > 0
    elif row.kind in ("model", "model_family"):
        yield "model_served", u.model_served.is_(None)
        if row.kind == "model_family":
            yield "the families of the models", _served(u).not_in(select(models.c.model))


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


def _used(row: EntitlementRow, u: Any, shown: Mapping[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    """Whether what an entry names was used: ``u`` has the models that rollup and requests share.

    ``shown`` says of each capability whether it was used, and which operation and access path.
    """
    match row.kind:
        case "capability":
            return shown[row.value]
        case "model_family":
            which = models.c.frontier if row.value == "frontier" else models.c.family == row.value
            return _served(u).in_(select(models.c.model).where(which))
        case "model":
            return _served(u) == row.value
        case "operation" | "access_path":
            return shown[row.kind] == row.value


def _served(u: Any) -> ColumnElement[str]:
    """The model that answered; where it is not recorded, the one that was asked for."""
    served: ColumnElement[str] = func.coalesce(u.model_served, u.model_requested)
    return served
