"""A proposed limit as the piece of YAML that an operator pastes into the book."""

from __future__ import annotations

import textwrap
from datetime import date
from typing import Any

from audits.calibration.result import Piece
from audits.policy import Book
from audits.policy.edit import limit_entry


def pieces_for(book: Book, proposed: Book, rule_id: str, limit: str, day: date) -> Piece:
    """The entry from ``day`` on; the one that holds now ends there, which the comment says."""
    entry = limit_entry(proposed, rule_id, limit, day) or {}
    before = limit_entry(book, rule_id, limit, day) or {}
    tiers = ", ".join(f"{tier}: {_written(value)}" for tier, value in entry["tiers"].items())
    why = textwrap.indent(textwrap.fill(entry["why"], 112), " " * 6)
    ends = f"    effective_to: {entry['effective_to']}\n" if entry.get("effective_to") else ""
    text = f"  - limit: {limit}\n    tiers: {{{tiers}}}\n    effective_from: {day}\n{ends}    why: >-\n{why}\n"
    return Piece(f"limits/{rule_id}.yaml", f"{limit} of {before.get('effective_from', day)}", text)


def _written(value: Any) -> str:
    """A number as the book has it: thousands apart by an underscore."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    whole = isinstance(value, int) or value == int(value)
    return f"{int(value):_}" if whole and abs(value) >= 10_000 else f"{value:.10g}"
