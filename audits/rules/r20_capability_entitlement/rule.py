"""R20: successful use of a model, operation, access path or capability that the policy book denies the tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, null, or_, select, union_all

from audits.errors import AuditsError
from audits.periods import utc_midnight
from audits.policy import EntitlementRow
from audits.rollups.account_day import account_day
from audits.rollups.account_model_day import account_model_day
from audits.rules.base import Found
from audits.rules.scope import Scope
from audits.warehouse.tables import models, usage_events


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability: the rollup's count of its use, how a request shows it, the column without which nobody knows."""

    counted: str
    shown: ColumnElement[bool]
    needs: str = ""  # empty: where nothing is recorded, it was not asked for


_E = usage_events.c
CAPABILITIES = {
    "logprobs": Capability("n_logprobs", _E.top_logprobs > 0),
    "logit_bias": Capability("n_logit_bias", _E.logit_bias_n > 0, "logit_bias_n"),
    "several_choices": Capability("n_multiple_choices", _E.n_choices > 1, "n_choices"),
    "reasoning_summary": Capability(
        "n_reasoning_summary", _E.reasoning_visibility == "summary", "reasoning_visibility"
    ),
    "reasoning_full": Capability("n_reasoning_full", _E.reasoning_visibility == "full", "reasoning_visibility"),
    "signature_replay": Capability(
        "n_signature_replay", _E.reasoning_visibility == "signature_replay", "reasoning_visibility"
    ),
}
"""Capabilities as the policy book names them."""


def violations(scope: Scope) -> Select[Any]:
    """Accounts with enough successful requests that used anything that is denied to their tier on that day.

    A request that used several such things counts once. Where the limit changes inside the period, each stretch is held
    against its own; the one with most requests is reported.
    """
    u = scope.usage(account_model_day).c
    uses = {name: u[one.counted] > 0 for name, one in CAPABILITIES.items()}
    things: dict[str, list[ColumnElement[bool]]] = {}
    for row in _denied(scope):
        name = f"{row.kind} {row.value}"
        things.setdefault(name, []).append(and_(_held(row, u, scope), _used(row, u, uses)))
    used = {name: or_(*conditions) for name, conditions in things.items()}
    stretch = (u.account_id, u.tier, u.limit_requests_min)
    s = (
        select(
            *stretch,
            func.sum(u.n_ok).label("requests"),
            func.concat_ws(
                literal(", "), *(func.max(case((condition, name))) for name, condition in sorted(used.items())), null()
            ).label("what"),
        )
        .where(u.n_ok > 0, or_(*used.values(), literal(1) == 0))
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
