"""What is looked at in each event: one condition a count of the profile, used to count rows and to find them again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    and_,
    cast,
    false,
    func,
    null,
    or_,
    select,
)

from audits.policy import QualityLimit
from audits.quality.quarantine import is_impossible
from audits.warehouse.dialects import seconds_between
from audits.warehouse.holding import holding_rows
from audits.warehouse.raw_text import form_of
from audits.warehouse.raw_text_sql import is_raw
from audits.warehouse.tables import accounts, api_keys, models, source_metadata, usage_events

Limits = Mapping[str, QualityLimit]
"""The policy book's limits of the quality gate on one day, by name."""

ROWS_OF: Mapping[str, tuple[str, ...]] = {
    "repeated_rows": ("n_repeated",),
    "negative_rows": ("n_negative",),
    "duplicate_share": ("n_conflicting", "n_elsewhere"),
    "duplicate_share_block": ("n_conflicting", "n_elsewhere"),
    "impossible_token_share": ("n_impossible",),
    "over_context_share": ("n_over_context",),
    "empty_key_share": ("n_keyless",),
    "unmapped_account_share": ("n_unmapped",),
    "orphan_account_share": ("n_unknown_account",),
    "orphan_key_share": ("n_unknown_key", "n_revoked_key"),
    "late_share": ("n_late",),
    "future_share": ("n_future",),
    "raw_secret_rows": ("n_raw",),
    "bucket_overlap_rows": ("n_overlapping",),
    "unknown_model_share": ("n_unknown_model",),
}
"""Limit of the policy book, or note -> the counts of rows that it is about."""

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """The limits that say when a row counts as late, in the future or above the context window."""

    late_hours: float
    future_minutes: float
    over_context_factor: float

    @classmethod
    def of(cls, limits: Limits) -> Parameters:
        """Those of the limits that hold on a day."""
        return cls(*(float(limits[name].limit) for name in ("late_hours", "future_minutes", "over_context_factor")))


@dataclass(frozen=True, slots=True)
class Known:
    """Which dimensions have rows at all; against an empty one nothing is unknown."""

    accounts: bool
    keys: bool
    models: bool

    @classmethod
    def read(cls, connection: Connection) -> Known:
        """As the warehouse has them now."""
        there = holding_rows(connection, source_metadata)
        return cls(*(table in there for table in (accounts, api_keys, models)))


@dataclass(frozen=True, slots=True)
class Checked:
    """``usage_events`` joined to what it is compared with, and the condition of each count."""

    rows: FromClause
    conditions: Mapping[str, ColumnElement[bool]]


def checked_events(parameters: Parameters, known: Known, raw: Collection[str]) -> Checked:
    """The events with one condition a count; each event stays one row.

    ``raw`` names the columns in which raw text is looked for, see :func:`audits.quality.raw_text.count_raw_text`.
    """
    e: Any = usage_events.c
    rows, compared = _compared(known)
    negative = is_impossible(usage_events)
    cached, reasoning = e.cached_input_tokens > e.input_tokens, e.reasoning_tokens > e.output_tokens
    keyed = e.api_key_hash != ""
    delay = seconds_between(e.event_ts, e.ingested_ts)
    return Checked(
        rows,
        {
            "n_failed": e.status_code >= 400,
            "n_keyed": keyed,
            "n_keyless": func.coalesce(e.api_key_hash, "") == "",
            "n_negative": negative,
            "n_cached_above_input": cached,
            "n_reasoning_above_output": reasoning,
            "n_impossible": or_(negative, cached, reasoning),
            "n_over_context": e.input_tokens + e.output_tokens > parameters.over_context_factor * compared["window"],
            "n_unmapped": _is_unmapped(e.account_id),
            "n_unknown_account": and_(~_is_unmapped(e.account_id), compared["no_account"]),
            "n_unknown_key": and_(keyed, compared["no_key"]),
            "n_revoked_key": and_(compared["revoked"], e.status_code < 400),
            "n_unknown_model": compared["no_model"],
            "n_late": delay > parameters.late_hours * HOUR,
            "n_future": delay < -60 * parameters.future_minutes,
            "n_raw": or_(false(), *(is_raw(e[name], form_of(name)) for name in raw)),
        },
    )


def _is_unmapped(account: ColumnElement[Any]) -> ColumnElement[bool]:
    return account.in_(("UNMAPPED", ""))


def _compared(known: Known) -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    """The join of events with one row a model, key and account, and what it says of an event."""
    e: Any = usage_events.c
    rows: FromClause = usage_events
    nothing = dict.fromkeys(("no_model", "no_key", "revoked", "no_account"), false())
    found: dict[str, ColumnElement[Any]] = {"window": cast(null(), BigInteger), **nothing}
    if known.models:
        model = (
            select(models.c.model, func.max(models.c.context_window).label("window"))
            .group_by(models.c.model)
            .subquery("one_model")
        )
        rows = rows.outerjoin(model, model.c.model == func.coalesce(e.model_served, e.model_requested))
        found |= {"window": model.c.window, "no_model": model.c.model.is_(None)}
    if known.keys:
        k = api_keys.c
        held_open = func.count() - func.count(k.revoked_at)
        key = (
            select(k.api_key_hash, func.max(k.revoked_at).label("revoked_at"), held_open.label("n_open"))
            .group_by(k.api_key_hash)
            .subquery("one_key")
        )
        rows = rows.outerjoin(key, key.c.api_key_hash == e.api_key_hash)
        found |= {
            "no_key": key.c.api_key_hash.is_(None),
            "revoked": and_(key.c.n_open == 0, key.c.revoked_at <= e.event_ts),
        }
    if known.accounts:
        account = select(accounts.c.account_id).distinct().subquery("one_account")
        rows = rows.outerjoin(account, account.c.account_id == e.account_id)
        found |= {"no_account": account.c.account_id.is_(None)}
    return rows, found
