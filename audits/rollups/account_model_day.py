"""``account_model_day``: which model, operation and access path an account used, and with which capabilities.

Counts of capabilities are of successful requests: what was refused was not obtained. The requests of one row used the
same capabilities, as far as it is recorded: each count is ``n_ok`` or 0, so that requests that used one or another of
several things, or may have, can be counted once.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    FromClause,
    Select,
    SmallInteger,
    String,
    Table,
    case,
    cast,
    func,
    select,
)

from audits.rollups.events import day_of
from audits.warehouse.tables import Instant, audit_metadata

UNKNOWN = {"logit_bias": "logit_bias_n", "choices": "n_choices"}
"""Capabilities whose use is not known where a column is not recorded. Log-probabilities that are not recorded were not
requested, says the warehouse's contract."""

account_model_day = Table(
    "account_model_day",
    audit_metadata,
    Column("day", Date, nullable=False),
    Column("slice_start", Instant, nullable=False),
    Column("account_id", String, nullable=False),
    Column("access_path", String),
    Column("operation", String),
    Column("model_requested", String, nullable=False),
    Column("model_served", String),
    Column("n_requests", BigInteger, nullable=False),
    Column("n_ok", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("n_logprobs", BigInteger, nullable=False),  # top_logprobs > 0
    Column("n_logit_bias", BigInteger, nullable=False),  # logit_bias_n > 0
    Column("n_reasoning_full", BigInteger, nullable=False),
    Column("n_reasoning_summary", BigInteger, nullable=False),
    Column("n_signature_replay", BigInteger, nullable=False),
    Column("n_reasoning_unknown", BigInteger, nullable=False),  # reasoning_visibility is not recorded
    Column("n_multiple_choices", BigInteger, nullable=False),  # n_choices > 1
    *(Column(f"n_{name}_unknown", BigInteger, nullable=False) for name in UNKNOWN),
    Column("first_ok_ts", Instant),
    Column("last_ok_ts", Instant),
)


def from_events(events: FromClause) -> Select[Any]:
    """One row for each day, slice, account, access path, operation, pair of models and set of capabilities."""
    e: Any = events.c
    ok = e.status_code < 400
    grain = (
        e.slice_start,
        e.account_id,
        e.access_path,
        e.operation,
        e.model_requested,
        e.model_served,
    )
    capabilities = {
        name: case((ok & used, 1), else_=0)
        for name, used in (
            ("n_logprobs", e.top_logprobs > 0),
            ("n_logit_bias", e.logit_bias_n > 0),
            ("n_reasoning_full", e.reasoning_visibility == "full"),
            ("n_reasoning_summary", e.reasoning_visibility == "summary"),
            ("n_signature_replay", e.reasoning_visibility == "signature_replay"),
            ("n_reasoning_unknown", e.reasoning_visibility.is_(None)),
            ("n_multiple_choices", e.n_choices > 1),
            *((f"n_{name}_unknown", e[column].is_(None)) for name, column in UNKNOWN.items()),
        )
    }
    # The set as one number, a bit a capability: a shorter key than one column each.
    used_together = cast(reduce(add, (used * 2**bit for bit, used in enumerate(capabilities.values()))), SmallInteger)
    return select(
        day_of(events),
        *grain,
        func.count().label("n_requests"),
        func.count().filter(ok).label("n_ok"),
        func.sum(e.input_tokens).label("input_tokens"),
        func.sum(e.output_tokens).label("output_tokens"),
        *(func.sum(used).label(name) for name, used in capabilities.items()),
        func.min(e.event_ts).filter(ok).label("first_ok_ts"),
        func.max(e.event_ts).filter(ok).label("last_ok_ts"),
    ).group_by(*grain, used_together)
