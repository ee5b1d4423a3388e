"""The words that the contract agrees on, of columns that rules read by word, and how many rows hold another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, func, select

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

OUTCOMES = ("ok", "invalid_key", "expired_key", "revoked_key", "forbidden")
PAYMENTS = ("charge", "decline", "refund", "chargeback")
TERRITORIES = ("supported", "unsupported", "sanctioned")

WORDS: Mapping[Column[Any], tuple[str, ...]] = {
    usage_events.c.ip_type: ("residential", "mobile", "corporate", "hosting", "vpn", "tor"),
    usage_events.c.reasoning_visibility: ("none", "summary", "full", "signature_replay"),
    auth_events.c.outcome: OUTCOMES,
    customers.c.kyc_status: ("verified", "pending", "failed", "none"),
    accounts.c.programme: ("education", "research", "startup", "none"),
    account_payments.c.instrument_type: ("card", "prepaid", "virtual", "wire", "crypto"),
    payment_events.c.event_type: PAYMENTS,
    territories.c.status: TERRITORIES,
    sanctions.c.match_status: ("confirmed", "candidate", "cleared"),
}
_HOWEVER_WRITTEN = {territories.c.status, sanctions.c.match_status}
"""Columns whose words are read whatever their capitals and the space around them."""


def is_strange(word: ColumnElement[Any], agreed: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether a word is none of those agreed on; not so of NULL, which says that nothing is recorded."""
    return func.coalesce(word.not_in(agreed), False)


def strange_words(connection: Connection, faulty: frozenset[str]) -> Iterator[Problem]:
    """Advice on columns that hold other words, never the words; tables and columns that are ``faulty`` are not read."""
    for table in {column.table: None for column in WORDS}:
        columns = [c for c in WORDS if c.table is table and not {table.name, f"{table.name}.{c.name}"} & faulty]
        if not columns:
            continue
        read = {c: func.lower(func.trim(c)) if c in _HOWEVER_WRITTEN else c for c in columns}
        counted = (func.count().filter(is_strange(word, WORDS[c])).label(c.name) for c, word in read.items())
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
        f"{n:,} {'row holds' if n == 1 else 'rows hold'} a word that is none of {', '.join(words)}; no rule takes it "
        "for any of them.",
        f"Write one of these words in the rows of {table} WHERE {column.name} NOT IN ({quoted}).",
    )
