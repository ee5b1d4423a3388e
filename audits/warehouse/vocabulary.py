"""The words that the contract agrees on, of columns that are read by word.

A word is compared without regard to capitals and the space around it. One that nobody agreed on says nothing: it is not
recorded. Every reader of such a column, rollups, rules and evidence alike, reads it through :func:`word`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, and_, case, func, literal, select

from audits.warehouse.dialects import one_of
from audits.warehouse.fit import Problem
from audits.warehouse.tables import (
    account_payments,
    accounts,
    auth_events,
    customers,
    payment_events,
    sanctions,
    territories,
    usage_events,
)

METERED_OTHERWISE = (
    "pass_through", "image_generation", "image_edit", "image_variation", "moderation", "transcription", "speech",
    "rerank", "ocr", "realtime", "video",
)  # fmt: skip
"""Operations that the contract does not name and LiteLLM does: whatever they are, they are none of the contract's."""

WORDS: Mapping[Column[Any], tuple[str, ...]] = {
    usage_events.c.access_path: ("native", "azure", "bedrock", "vertex", "aggregator"),
    usage_events.c.operation: (
        "chat", "embeddings", "completion", "batch", "finetune", "file", *METERED_OTHERWISE,
    ),
    usage_events.c.error_class: ("rate_limit", "auth", "policy", "quota", "server", "client"),
    usage_events.c.finish_reason: ("stop", "length", "content_filter", "tool_calls", "refusal"),
    usage_events.c.reasoning_visibility: ("none", "summary", "full", "signature_replay"),
    usage_events.c.ip_type: ("residential", "mobile", "corporate", "hosting", "vpn", "tor"),
    auth_events.c.outcome: ("ok", "invalid_key", "expired_key", "revoked_key", "forbidden"),
    customers.c.kyc_status: ("verified", "pending", "failed", "none"),
    accounts.c.programme: ("education", "research", "startup", "none"),
    account_payments.c.instrument_type: ("card", "prepaid", "virtual", "wire", "crypto"),
    payment_events.c.event_type: ("charge", "decline", "refund", "chargeback"),
    territories.c.status: ("supported", "unsupported", "sanctioned"),
    sanctions.c.match_status: ("confirmed", "candidate", "cleared"),
}  # fmt: skip
COUNTRIES = frozenset(
    {
        usage_events.c.ip_country, customers.c.country, customers.c.parent_country, accounts.c.signup_country,
        account_payments.c.bin_country, territories.c.country,
    }
)  # fmt: skip
"""Columns that hold a country's two letters (ISO 3166-1), whatever their capitals."""


def word(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a column of :data:`WORDS` or :data:`COUNTRIES`, or of an alias of its table, says, under its own name."""
    (own,) = column.base_columns
    if own in COUNTRIES:
        code = func.upper(func.trim(column))
        return case((func.length(code) == 2, code)).label(str(column.key))
    return one_of(column, *map(literal, WORDS[own])).label(str(column.key))  # type: ignore[index]


def words_of(table: FromClause) -> list[ColumnElement[Any]]:
    """All columns of a table of the contract, each that holds words as :func:`word`."""
    return [word(column) if column in WORDS or column in COUNTRIES else column for column in table.c]


def strange_words(connection: Connection, faulty: frozenset[str]) -> Iterator[Problem]:
    """Advice on columns that hold other words, never the words; tables and columns that are ``faulty`` are not read."""
    for table in {column.table: None for column in WORDS}:
        columns = [c for c in WORDS if c.table is table and not {table.name, f"{table.name}.{c.name}"} & faulty]
        if not columns:
            continue
        counted = (func.count().filter(and_(c.is_not(None), word(c).is_(None))).label(c.name) for c in columns)
        counts = connection.execute(select(*counted).select_from(table)).one()._mapping
        for column in columns:
            if n := counts[column.name]:
                yield _problem(column, n)


def _problem(column: Column[Any], n: int) -> Problem:
    table, words = column.table.name, WORDS[column]
    quoted = ", ".join(f"'{word}'" for word in words)
    return Problem(
        "advice",
        f"{table}.{column.name}",
        f"{n:,} {'row holds' if n == 1 else 'rows hold'} a word that is none of {', '.join(words)}; it counts as not "
        "recorded.",
        f"Write one of these words in the rows of {table} WHERE lower(trim({column.name})) NOT IN ({quoted}).",
    )
