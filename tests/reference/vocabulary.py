"""The words that the contract gives its columns: another spelling is the same word, any other word says nothing."""

from __future__ import annotations

from tests.reference.validity import Row

UNKNOWN = "?"
"""Stands for a word that the contract does not know, where a column must say something."""

WORDS = {
    "usage_events": {
        "access_path": ("native", "azure", "bedrock", "vertex", "aggregator"),
        "operation": ("chat", "embeddings", "completion", "batch", "finetune", "file"),
        "finish_reason": ("stop", "length", "content_filter", "tool_calls", "refusal"),
        "reasoning_visibility": ("none", "summary", "full", "signature_replay"),
        "ip_type": ("residential", "mobile", "corporate", "hosting", "vpn", "tor"),
    },
    "auth_events": {"outcome": ("ok", "invalid_key", "expired_key", "revoked_key", "forbidden")},
    "customers": {"kyc_status": ("verified", "pending", "failed", "none")},
    "payment_events": {"event_type": ("charge", "decline", "refund", "chargeback")},
    "territories": {"status": ("supported", "unsupported", "sanctioned")},
    "sanctions": {"match_status": ("confirmed", "candidate", "cleared")},
}
MUST_SAY = {"operation", "outcome", "event_type", "status", "match_status"}
"""Columns that are never empty."""


def understood(table: str, row: Row) -> Row:
    """A row with each word as the contract spells it; one that it does not know is not recorded."""
    return row | {
        column: word(row[column], known, UNKNOWN if column in MUST_SAY else None)
        for column, known in WORDS.get(table, {}).items()
        if row.get(column) is not None
    }


def word(said: str, known: tuple[str, ...], otherwise: str | None) -> str | None:
    plain = said.strip().lower()
    return plain if plain in known else otherwise
