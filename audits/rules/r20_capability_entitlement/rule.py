"""R20: successful use of a model, operation, access path or capability that the policy book denies the tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    String,
    Subquery,
    and_,
    cast,
    column,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
    values,
)
from sqlalchemy.sql.selectable import Values

from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import models, usage_events

CAPABILITIES = {
    "logprobs": "n_logprobs",
    "logit_bias": "n_logit_bias",
    "reasoning_full": "n_reasoning_full",
    "reasoning_summary": "n_reasoning_summary",
    "signature_replay": "n_signature_replay",
    "several_choices": "n_multiple_choices",
}
"""Capability as the policy book names it -> the rollup's count of successful requests that used it."""


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests that one kind of entitlement denies their tier."""
    u = scope.usage(account_model_day)
    denying = _denied(scope)
    denied = denying.c
    family = u.outerjoin(models, models.c.model == func.coalesce(u.c.model_served, u.c.model_requested))
    grain = (u.c.account_id, u.c.tier, u.c.limit_requests_min)

    in_force = (u.c.day >= denied.from_day, u.c.day < denied.to_day)

    def used(kind: str, value: ColumnElement[Any], n: ColumnElement[Any], where: ColumnElement[bool]) -> Select[Any]:
        return (
            select(*grain, literal(kind).label("kind"), value.label("value"), n.label("n"))
            .select_from(family)
            .join(denying, and_(denied.tier == u.c.tier, denied.kind == kind, where, *in_force))
            .where(n > 0)
        )

    def is_value(subject: ColumnElement[Any]) -> ColumnElement[bool]:
        return or_(denied.value == subject, denied.value == "*")

    served = func.coalesce(u.c.model_served, u.c.model_requested)
    single = (
        union_all(
            used("model", served, u.c.n_ok, is_value(served)),
            used("model_family", models.c.family, u.c.n_ok, is_value(models.c.family)),
            used("operation", u.c.operation, u.c.n_ok, is_value(u.c.operation)),
            used("access_path", u.c.access_path, u.c.n_ok, is_value(u.c.access_path)),
            used("model_family", literal("frontier"), u.c.n_ok, and_(denied.value == "frontier", models.c.frontier)),
            *(
                used("capability", literal(name), u.c[counted], denied.value == name)
                for name, counted in CAPABILITIES.items()
            ),
        )
        .subquery("single")
        .c
    )
    by_thing = (single.account_id, single.tier, single.limit_requests_min, single.kind, single.value)
    things = select(*by_thing, func.sum(single.n).label("n")).group_by(*by_thing).subquery("things").c
    most = func.row_number().over(
        partition_by=(things.account_id, things.tier), order_by=(things.n.desc(), things.kind, things.value)
    )
    ranked = select(
        things, most.label("place"), func.count().over(partition_by=(things.account_id, things.tier)).label("of")
    )
    r = ranked.subquery("ranked").c
    return select(
        r.account_id.label("subject_id"),
        r.tier,
        r.n.label("observed_requests"),
        func.concat(r.kind, " ", r.value).label("observed_what"),
        r.kind.label("observed_kind"),
        r.value.label("observed_value"),
        r.of.label("observed_things"),
        r.limit_requests_min,
    ).where(r.place == 1, r.n >= r.limit_requests_min)


def evidence(scope: Scope, found: Found) -> Select[Any]:
    """The successful requests that used the thing that was used most."""
    e = usage_events.c
    conditions: Mapping[tuple[str, str], ColumnElement[bool]] = {
        ("capability", "logprobs"): e.top_logprobs > 0,
        ("capability", "logit_bias"): e.logit_bias_n > 0,
        ("capability", "reasoning_full"): e.reasoning_visibility == "full",
        ("capability", "reasoning_summary"): e.reasoning_visibility == "summary",
        ("capability", "signature_replay"): e.reasoning_visibility == "signature_replay",
        ("capability", "several_choices"): e.n_choices > 1,
    }
    kind, value = str(found.observed["kind"]), str(found.observed["value"])
    match kind:
        case "model":
            condition = func.coalesce(e.model_served, e.model_requested) == value
        case "model_family" if value == "frontier":
            condition = _served_by(models.c.frontier)
        case "model_family":
            condition = _served_by(models.c.family == value)
        case "operation":
            condition = e.operation == value
        case "access_path":
            condition = e.access_path == value
        case _:
            condition = conditions[kind, value]
    return scope.events_of(found.account_ids, e.status_code < 400, condition).add_columns(
        e.model_served, e.access_path, e.top_logprobs, e.logit_bias_n, e.reasoning_visibility, e.n_choices
    )


def _served_by(which: ColumnElement[bool]) -> ColumnElement[bool]:
    e = usage_events.c
    return func.coalesce(e.model_served, e.model_requested).in_(select(models.c.model).where(which))


def _denied(scope: Scope) -> Subquery:
    """What the book denies on any day of the period, as a relation."""
    far = scope.period.end_day
    rows = [
        (row.tier, row.kind, row.value, row.from_day, row.to_day or far)
        for row in scope.book.entitlements(scope.period.first_day, scope.period.last_day)
        if not row.allowed
    ]
    relation: Values = values(
        column("tier", String), column("kind", String), column("value", String), column("from_day", Date),
        column("to_day", Date), name="entitlements",
    ).data(rows or [("", "", "", far, far)])  # fmt: skip
    typed = select(
        relation.c.tier, relation.c.kind, relation.c.value, cast(relation.c.from_day, Date).label("from_day"),
        cast(relation.c.to_day, Date).label("to_day"),
    )  # fmt: skip
    return (typed if rows else typed.where(false())).subquery("denied")
